/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers by which ACPI adds and removes PCI devices: in which slots one has
 * come, in which one is asked to leave. The methods that use them are in dsdt.asl.
 * What is in a slot is not known here; a guest that plays with the registers ejects
 * its own devices at most.
 *
 *	offset 0, dword		the bus that is meant
 *	offset 4, dword		a bit a slot: has come; writing ones: seen
 *	offset 8, dword		is asked to leave; writing ones: seen
 *	offset 12, dword	write: eject
 */
#ifndef BULKHEAD_ARCH_X86_64_SLOTS_H
#define BULKHEAD_ARCH_X86_64_SLOTS_H

#include <pthread.h>
#include <stdint.h>

#include "arch/arch.h"
#include "arch/x86_64/layout.h"
#include "bulkhead.pb-c.h"
#include "vcpu-worker/bus.h"

#define SLOTS_WINDOW 16u

struct slots {
	pthread_mutex_t lock;
	struct arch_host host;
	uint32_t bus;		/* as the guest wrote it */
	uint32_t came[LAYOUT_PCI_SEGMENTS], leaves[LAYOUT_PCI_SEGMENTS];
};

void slots_init(struct slots *s, const struct arch_host *host);

/*
 * Something has come into @slot of @bus, or (!@came) is asked to leave it. False:
 * there is no such slot. The guest has to be told (LAYOUT_GED_PCI). Any thread.
 */
bool slots_changed(struct slots *s, uint32_t bus, uint32_t slot, bool came);

/* At a standstill. Fits: as many buses. */
void slots_save(struct slots *s, Bh__X86Platform *m);
bool slots_fit(const Bh__X86Platform *m);
void slots_load(struct slots *s, const Bh__X86Platform *m);

extern const struct bus_ops slots_ops;	/* owner: struct slots */

#endif
