/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers by which ACPI adds and removes vCPUs: which are there, which have
 * come, which are asked to leave. The methods that use them are in dsdt.asl. What
 * runs a vCPU is not known here; a guest that plays with the registers ejects its
 * own vCPUs at most.
 *
 *	offset 0, dword		the vCPU that is meant
 *	offset 4, byte		read: CPUS_* of it; written: what has been seen, eject
 */
#ifndef BULKHEAD_ARCH_X86_64_CPUS_H
#define BULKHEAD_ARCH_X86_64_CPUS_H

#include <pthread.h>
#include <stdint.h>

#include "arch/arch.h"
#include "bulkhead.pb-c.h"
#include "vcpu-worker/bus.h"

#define CPUS_MAX 1024u
#define CPUS_PRESENT (1u << 0)
#define CPUS_INSERTED (1u << 1)	/* has come; writing it: seen */
#define CPUS_REMOVE (1u << 2)	/* is asked to leave; writing it: seen */
#define CPUS_EJECT (1u << 3)	/* write: let it go */
#define CPUS_REFUSE (1u << 4)	/* write: it stays, whoever asked */
#define CPUS_ASKED (1u << 5)	/* not for the guest: a removal is under way */
#define CPUS_WINDOW 5u

struct cpus {
	pthread_mutex_t lock;
	struct arch_host host;
	uint32_t max, selected;
	uint8_t flags[CPUS_MAX];
};

/* The first @boot of @max are there. */
void cpus_init(struct cpus *c, uint32_t boot, uint32_t max,
    const struct arch_host *host);

/*
 * Ask the guest to have @want vCPUs, 1 to max. Those that come are there at once, by
 * @plug, before the guest is told; those that go are ejected by the guest. The lowest
 * come, the highest go. True: the guest has to be told (LAYOUT_GED_CPUS). Main
 * thread.
 */
bool cpus_resize(struct cpus *c, uint32_t want, arch_plug_fn *plug, void *arg);

/* Any thread. */
bool cpus_present(struct cpus *c, uint32_t cpu);
uint32_t cpus_count(struct cpus *c);
/* Is the guest asked to let a vCPU go that it still has? */
bool cpus_leaving(struct cpus *c);

/* At a standstill. Fits: as many vCPUs may be there. */
void cpus_save(struct cpus *c, Bh__X86Platform *m);
bool cpus_fit(const struct cpus *c, const Bh__X86Platform *m);
void cpus_load(struct cpus *c, const Bh__X86Platform *m);

extern const struct bus_ops cpus_ops;	/* owner: struct cpus */

#endif
