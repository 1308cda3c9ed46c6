/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvpanic-pci (QEMU's docs/specs/pvpanic: vendor 1b36, device 0011): one byte of
 * register by which a guest's kernel says that it has panicked. What it says is
 * told once for each kind, however often the guest writes it.
 *
 * A vCPU thread writes the register, the main thread takes what was said.
 */
#ifndef BULKHEAD_VCPU_WORKER_PVPANIC_H
#define BULKHEAD_VCPU_WORKER_PVPANIC_H

#include <stdatomic.h>
#include <stdint.h>

#include "vcpu-worker/pci.h"

/* Bits of the register: what it can say, and what was said. */
enum pvpanic_event {
	PVPANIC_PANICKED = 1u << 0,
	PVPANIC_CRASH_LOADED = 1u << 1,	/* a crash kernel takes over */
};
#define PVPANIC_EVENTS (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)

struct pvpanic {
	struct pci_function fn;
	/* Something new was said. On a vCPU's thread. */
	void (*said)(void *owner);
	void *owner;
	atomic_uint seen, taken;
	Bh__PciState saved;
};

/* Put it on the bus at @bdf. ENOSPC: no room for its BAR; EEXIST: @bdf is taken. */
int pvpanic_add(struct pvpanic *p, struct pci_host *host, uint16_t bdf,
    void (*said)(void *owner), void *owner);

/* At a standstill. What save puts into @m is good until the next call. */
void pvpanic_save(struct pvpanic *p, Bh__PvpanicState *m);
void pvpanic_load(struct pvpanic *p, const Bh__PvpanicState *m);

/* Main thread: what was said since the last call, each bit once for ever. */
uint32_t pvpanic_take(struct pvpanic *p);

#endif
