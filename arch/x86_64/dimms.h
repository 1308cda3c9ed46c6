/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers by which ACPI adds and removes memory, a DIMM at a time: which are
 * there, where, which have come, which are asked to leave. The methods that use them
 * are in dsdt.asl. That there is memory behind one is the caller's to see to; a guest
 * that plays with the registers ejects its own at most.
 *
 *	offset 0, dword		the DIMM that is meant
 *	offset 4, byte		read: DIMMS_* of it; written: what has been seen, eject
 *	offset 8, 4 dwords	read: its address and size, low half first
 */
#ifndef BULKHEAD_ARCH_X86_64_DIMMS_H
#define BULKHEAD_ARCH_X86_64_DIMMS_H

#include <pthread.h>
#include <stdint.h>

#include "arch/arch.h"
#include "arch/x86_64/layout.h"
#include "bulkhead.pb-c.h"
#include "vcpu-worker/bus.h"

#define DIMMS_PRESENT (1u << 0)
#define DIMMS_INSERTED (1u << 1)	/* has come; writing it: seen */
#define DIMMS_REMOVE (1u << 2)	/* is asked to leave; writing it: seen */
#define DIMMS_EJECT (1u << 3)	/* write: let it go */
#define DIMMS_REFUSE (1u << 4)	/* write: it stays, whoever asked */
#define DIMMS_ASKED (1u << 5)	/* not for the guest: a removal is under way */
#define DIMMS_WINDOW 24u

struct dimms {
	pthread_mutex_t lock;
	struct arch_host host;
	uint32_t selected;
	struct dimm {
		uint64_t base, size;
		uint8_t flags;
	} dimm[LAYOUT_DIMMS];
	uint64_t saved[3 * LAYOUT_DIMMS];
};

void dimms_init(struct dimms *d, const struct arch_host *host);

/*
 * DIMM @i is there from now on. @fresh: the guest has to be told (LAYOUT_GED_MEMORY);
 * else it finds it when it boots. EINVAL, EEXIST.
 */
int dimms_add(struct dimms *d, uint32_t i, uint64_t base, uint64_t size, bool fresh);

/* Ask the guest to let it go; it is to be told. ENOENT, EBUSY: it is asked already. */
int dimms_ask(struct dimms *d, uint32_t i);

/* At a standstill. Fits: the same are there, in the same places. */
void dimms_save(struct dimms *d, Bh__X86Platform *m);
bool dimms_fit(struct dimms *d, const Bh__X86Platform *m);
void dimms_load(struct dimms *d, const Bh__X86Platform *m);

extern const struct bus_ops dimms_ops;	/* owner: struct dimms */

#endif
