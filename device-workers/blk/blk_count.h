/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a disk has done, for vm.counters. Every request of data is counted when it
 * is done; one in BLK_TIMED is timed, from when it was taken from the ring, since
 * looking at the clock twice costs as much as a good part of a cached read.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_BLK_COUNT_H
#define BULKHEAD_DEVICE_WORKERS_BLK_BLK_COUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "device-workers/lib/counters.h"

#define BLK_TIMED 32u

static inline uint64_t
blk_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline void
blk_count_time(uint64_t *c, uint64_t began)
{
	const uint64_t now = blk_now_us(), took = now > began ? now - began : 0;

	if (c[BLK_COUNT_TIMED] == 0 || took < c[BLK_COUNT_MIN])
		c[BLK_COUNT_MIN] = took;
	if (took > c[BLK_COUNT_MAX])
		c[BLK_COUNT_MAX] = took;
	c[BLK_COUNT_SUM] += took;
	c[BLK_COUNT_TIMED]++;
}

/* @began: 0, it is not timed. */
static inline void
blk_count(uint64_t *counters, bool write, uint64_t bytes, uint64_t began)
{
	unsigned int first = write ? BLK_COUNT_WRITE : BLK_COUNT_READ;

	if (counters == NULL)
		return;
	counter_add(counters, first + BLK_COUNT_BYTES, bytes);
	counter_add(counters, first + BLK_COUNT_OPS, 1);
	if (began != 0)
		blk_count_time(counters + first, began);
}

#endif
