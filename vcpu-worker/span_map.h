/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that are handed out in runs and come back: event fds and GSIs of devices
 * that come and go. A bit each, first fit. Main thread.
 */
#ifndef BULKHEAD_VCPU_WORKER_SPAN_MAP_H
#define BULKHEAD_VCPU_WORKER_SPAN_MAP_H

#include <stdbool.h>
#include <stdint.h>

#define SPAN_MAP_MAX 6144u

struct span_map {
	uint64_t taken[SPAN_MAP_MAX / 64];
};

static inline bool
span_map_has(const struct span_map *m, uint32_t n)
{
	return (m->taken[n / 64] >> n % 64 & 1) != 0;
}

static inline void
span_map_mark(struct span_map *m, uint32_t first, uint32_t n, bool taken)
{
	for (uint32_t i = first; i < first + n; i++)
		if (taken)
			m->taken[i / 64] |= 1ull << i % 64;
		else
			m->taken[i / 64] &= ~(1ull << i % 64);
}

/* @n in a row of those below @end, at most SPAN_MAP_MAX. False: there are none. */
static inline bool
span_map_take(struct span_map *m, uint32_t end, uint32_t n, uint32_t *first)
{
	uint32_t run = 0;

	if (end > SPAN_MAP_MAX)
		end = SPAN_MAP_MAX;
	for (uint32_t i = 0; i < end; i++) {
		run = span_map_has(m, i) ? 0 : run + 1;
		if (run < n)
			continue;
		*first = i + 1 - n;
		span_map_mark(m, *first, n, true);
		return true;
	}
	return false;
}

#endif
