/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CMOS and real-time clock (Motorola MC146818A) at ports 0x70 and 0x71: the
 * host's time, read only, and the memory sizes that firmware looks for there.
 */
#ifndef BULKHEAD_ARCH_X86_64_CMOS_H
#define BULKHEAD_ARCH_X86_64_CMOS_H

#include <pthread.h>
#include <stdint.h>

#include "arch/arch.h"
#include "bulkhead.pb-c.h"
#include "vcpu-worker/bus.h"

struct cmos {
	pthread_mutex_t lock;
	struct arch_host host;
	uint8_t index;
	uint8_t ram[128];
};

/* @low, @high: bytes of RAM below and above 4 GiB. */
void cmos_init(struct cmos *c, uint64_t low, uint64_t high,
    const struct arch_host *host);

/* Register @reg at @now, seconds since 1970, UTC. For cmos.c and its test. */
uint8_t cmos_clock(const struct cmos *c, uint8_t reg, int64_t now);

/* At a standstill. */
void cmos_save(struct cmos *c, Bh__X86Platform *m);
void cmos_load(struct cmos *c, const Bh__X86Platform *m);

extern const struct bus_ops cmos_ops;		/* owner: struct cmos */
#define CMOS_WINDOW 2u

#endif
