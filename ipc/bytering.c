/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte rings, see bytering.h. Indices run freely modulo 2^32; the peer's is read
 * once a call and bounded: a peer that lies gets or gives wrong bytes, never
 * ones outside the ring.
 */
#include "ipc/bytering.h"

#include <string.h>

_Static_assert((BYTERING_SIZE & (BYTERING_SIZE - 1)) == 0, "power of two");

void
bytering_init(struct bytering *ring, struct bytering_shared *shared)
{
	ring->shared = shared;
	ring->own = 0;
}

void
bytering_resume(struct bytering *ring, struct bytering_shared *shared,
    int producer)
{
	ring->shared = shared;
	ring->own = __atomic_load_n(producer ? &shared->head : &shared->tail,
	    __ATOMIC_ACQUIRE);
}

static uint32_t
bounded(uint32_t used)
{
	return used <= BYTERING_SIZE ? used : BYTERING_SIZE;
}

size_t
bytering_used(const struct bytering *ring, int producer)
{
	/*
	 * Acquire: bytes (or room) that the peer published with its index are
	 * there when the index is seen. Pairs with the release stores below.
	 */
	if (producer)
		return bounded(ring->own -
		    __atomic_load_n(&ring->shared->tail, __ATOMIC_ACQUIRE));
	return bounded(__atomic_load_n(&ring->shared->head, __ATOMIC_ACQUIRE) -
	    ring->own);
}

size_t
bytering_room(const struct bytering *ring, int producer)
{
	return BYTERING_SIZE - bytering_used(ring, producer);
}

size_t
bytering_put(struct bytering *ring, const void *src, size_t len)
{
	size_t room = bytering_room(ring, 1);
	uint32_t at = ring->own & (BYTERING_SIZE - 1);
	size_t first;

	if (len > room)
		len = room;
	first = len < BYTERING_SIZE - at ? len : BYTERING_SIZE - at;
	memcpy(ring->shared->data + at, src, first);
	memcpy(ring->shared->data, (const uint8_t *)src + first, len - first);
	ring->own += (uint32_t)len;
	/* Release: the bytes before the index that covers them. */
	__atomic_store_n(&ring->shared->head, ring->own, __ATOMIC_RELEASE);
	return len;
}

size_t
bytering_peek(const struct bytering *ring, void *dst, size_t len)
{
	size_t used = bytering_used(ring, 0);
	uint32_t at = ring->own & (BYTERING_SIZE - 1);
	size_t first;

	if (len > used)
		len = used;
	first = len < BYTERING_SIZE - at ? len : BYTERING_SIZE - at;
	memcpy(dst, ring->shared->data + at, first);
	memcpy((uint8_t *)dst + first, ring->shared->data, len - first);
	return len;
}

void
bytering_take(struct bytering *ring, size_t len)
{
	ring->own += (uint32_t)len;
	/* Release: the bytes are read before the producer may overwrite them. */
	__atomic_store_n(&ring->shared->tail, ring->own, __ATOMIC_RELEASE);
}

size_t
bytering_get(struct bytering *ring, void *dst, size_t len)
{
	size_t n = bytering_peek(ring, dst, len);

	bytering_take(ring, n);
	return n;
}

/*
 * The fences: our index is published before the peer's is read, on both sides.
 * So of a producer that puts and a consumer that goes to sleep at the same time,
 * one sees the other.
 */
int
bytering_was_empty(const struct bytering *ring, size_t put)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return put > 0 && bytering_used(ring, 1) <= put;
}

int
bytering_was_full(const struct bytering *ring, size_t got)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return got > 0 && bytering_room(ring, 0) <= got;
}
