/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token buckets: a bucket of @size tokens that fills evenly, empty to full in
 * one refill time, and extra tokens that are spent first and never come back (the
 * one-time burst). Pure functions of a monotonic time; no system call, no
 * allocation. Called by limit.c.
 *
 * What is left is in a struct bucket_state, which may be in memory that several
 * processes share. Whoever can write there decides on the limit of all of them,
 * and on nothing else: each value is read once and bounded.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_BUCKET_H
#define BULKHEAD_DEVICE_WORKERS_LIB_BUCKET_H

#include <stdint.h>

#include "proto/limits.h"

#define BUCKET_MAX_SIZE BUCKET_LIMIT_SIZE	/* tokens, and burst */
#define BUCKET_MAX_REFILL_MS BUCKET_LIMIT_REFILL_MS

/* What a user chose. Constant. */
struct bucket {
	uint64_t size;		/* tokens; 0: no limit, nothing is counted */
	uint64_t burst;		/* more tokens, once */
	uint64_t refill;	/* bucket_init()'s own unit */
};

/* What is left. All zero: full. */
struct bucket_state {
	/*
	 * When the bucket was, or will be, empty. One word says both tokens and
	 * time, so that one compare-and-swap changes both.
	 */
	_Atomic uint64_t empty_at;
	_Atomic uint64_t burst_used;	/* tokens */
};

/* The limit of a device in one direction, or of a group of them. */
struct bucket_pair {
	struct bucket bandwidth;	/* tokens: bytes */
	struct bucket ops;		/* tokens: requests or frames */
};

struct bucket_pair_state {
	struct bucket_state bandwidth, ops;
};

/* @size to BUCKET_MAX_SIZE, 0: no limit; @refill_ms 1 to BUCKET_MAX_REFILL_MS. */
void bucket_init(struct bucket *b, uint64_t size, uint64_t burst,
    uint64_t refill_ms);

/*
 * May a request go at @now (CLOCK_MONOTONIC, ns)? 0: yes; else when to ask again,
 * in ns: after @now, and late enough that it is worth to wake up for.
 *
 * It may when there is one token, however many it takes. What it takes more is a
 * debt, which those after it wait for: so a request that is larger than the bucket
 * passes, the average is exact, and small requests cannot starve a large one.
 */
uint64_t bucket_when(const struct bucket *b, const struct bucket_state *s,
    uint64_t now);

/* Take @tokens, whether they are there or not. A debt is at most a day's. */
void bucket_spend(const struct bucket *b, struct bucket_state *s,
    uint64_t tokens, uint64_t now);

#endif
