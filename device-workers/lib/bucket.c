// SPDX-License-Identifier: Apache-2.0
/*
 * Token buckets, see bucket.h. Times in here are in ticks of 1/16 ns: a token's
 * time is rounded up to a tick, which is too little to notice even at 10 GB/s,
 * and 64 bits of them are 36 years.
 */
#include "device-workers/lib/bucket.h"

#include <stdatomic.h>

#define TICKS 16u			/* a nanosecond */
#define MS (1000000ull * TICKS)
#define LONGEST (BUCKET_MAX_REFILL_MS * MS)	/* debt, and refill time */
/* A waiter that could go on earlier lets tokens for so long come together. */
#define NAP MS
/* Others of a group change the word meanwhile; one that does so for ever loses
 * us no more than this. */
#define TRIES 64u

__extension__ typedef unsigned __int128 u128;

void
bucket_init(struct bucket *b, uint64_t size, uint64_t burst, uint64_t refill_ms)
{
	*b = (struct bucket){ .size = size, .burst = burst };
	if (b->size > BUCKET_MAX_SIZE)
		b->size = BUCKET_MAX_SIZE;
	if (refill_ms > BUCKET_MAX_REFILL_MS)
		refill_ms = BUCKET_MAX_REFILL_MS;
	b->refill = refill_ms * MS;
}

static uint64_t
ticks(uint64_t ns)
{
	uint64_t t;

	/* Room for a debt above it. */
	if (__builtin_mul_overflow(ns, (uint64_t)TICKS, &t) ||
	    t > UINT64_MAX - 2 * LONGEST)
		t = UINT64_MAX - 2 * LONGEST;
	return t;
}

/* How long @tokens take to come, at most LONGEST. */
static uint64_t
cost(const struct bucket *b, uint64_t tokens)
{
	u128 t = ((u128)tokens * b->refill + b->size - 1) / b->size;
	const uint64_t most = LONGEST;

	return t > most ? most : (uint64_t)t;
}

/* A word as it was read, within what it can mean at @now. */
static uint64_t
bounded(const struct bucket *b, uint64_t empty_at, uint64_t now)
{
	if (now > b->refill && empty_at < now - b->refill)
		return now - b->refill;		/* full */
	return empty_at > now + LONGEST ? now + LONGEST : empty_at;
}

uint64_t
bucket_when(const struct bucket *b, const struct bucket_state *s, uint64_t now)
{
	uint64_t at, nap, empty_at;

	if (b->size == 0 ||
	    atomic_load_explicit(&s->burst_used, memory_order_relaxed) < b->burst)
		return 0;
	now = ticks(now);
	empty_at = bounded(b, atomic_load_explicit(&s->empty_at,
	    memory_order_relaxed), now);
	at = empty_at + cost(b, 1);
	if (at <= now)
		return 0;
	/* ... but not so long that the bucket would overflow. */
	nap = empty_at + b->refill / 2;
	if (nap > now + NAP)
		nap = now + NAP;
	if (at < nap)
		at = nap;
	return (at + TICKS - 1) / TICKS;
}

/* Take of the burst: how many of @tokens it did not have. */
static uint64_t
spend_burst(const struct bucket *b, struct bucket_state *s, uint64_t tokens)
{
	uint64_t used = atomic_load_explicit(&s->burst_used,
	    memory_order_relaxed);

	for (unsigned int i = 0; i < TRIES && used < b->burst; i++) {
		uint64_t left = b->burst - used;
		uint64_t part = tokens < left ? tokens : left;

		if (atomic_compare_exchange_weak_explicit(&s->burst_used, &used,
		    used + part, memory_order_relaxed, memory_order_relaxed))
			return tokens - part;
	}
	return tokens;
}

void
bucket_spend(const struct bucket *b, struct bucket_state *s, uint64_t tokens,
    uint64_t now)
{
	uint64_t old, next, time;

	if (b->size == 0)
		return;
	tokens = spend_burst(b, s, tokens);
	if (tokens == 0)
		return;
	now = ticks(now);
	time = cost(b, tokens);
	old = atomic_load_explicit(&s->empty_at, memory_order_relaxed);
	for (unsigned int i = 0; i < TRIES; i++) {
		next = bounded(b, old, now) + time;
		if (next > now + LONGEST)
			next = now + LONGEST;
		/* The words guard no other memory: no ordering is needed. */
		if (atomic_compare_exchange_weak_explicit(&s->empty_at, &old,
		    next, memory_order_relaxed, memory_order_relaxed))
			return;
	}
}
