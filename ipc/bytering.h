/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte rings in shared memory between the vcpu-worker (16550, debug console)
 * and the console worker, which owns the far ends. One producer, one consumer,
 * who do not trust each other: each keeps its own index in private memory,
 * publishes it, and bounds what it reads of the other's.
 *
 * The memfd at FD_RINGS is one struct bytering_page. Who has put bytes into a
 * ring that was empty, or taken from one that was full, signals the other's
 * eventfd (FD_RINGS_TO_FAR, FD_RINGS_TO_GUEST).
 */
#ifndef BULKHEAD_IPC_BYTERING_H
#define BULKHEAD_IPC_BYTERING_H

#include <stddef.h>
#include <stdint.h>

#define BYTERING_SIZE 4096u	/* a power of two */

struct bytering_shared {
	_Alignas(64) uint32_t head;	/* next byte the producer writes */
	_Alignas(64) uint32_t tail;	/* next byte the consumer reads */
	_Alignas(64) uint8_t data[BYTERING_SIZE];
};

struct bytering_page {
	struct bytering_shared serial_out;	/* guest to far end */
	struct bytering_shared serial_in;	/* far end to guest */
	struct bytering_shared debug_out;	/* guest to far end */
};

/* One side of a ring. */
struct bytering {
	struct bytering_shared *shared;
	uint32_t own;		/* head of a producer, tail of a consumer */
};

void bytering_init(struct bytering *ring, struct bytering_shared *shared);
/*
 * Take over a side from a process that is gone (the vcpu-worker after a reset of
 * the VM), where it stopped: bytering_init would start at 0 while the peer, who
 * stayed, does not.
 */
void bytering_resume(struct bytering *ring, struct bytering_shared *shared,
    int producer);

/* Producer: copy in up to @len bytes; returns how many. */
size_t bytering_put(struct bytering *ring, const void *src, size_t len);
/* Consumer: copy out up to @len bytes; returns how many. */
size_t bytering_get(struct bytering *ring, void *dst, size_t len);
/*
 * The same in two steps, for who may die between them: a successor finds what was
 * looked at and not taken. @len of bytering_take: what peek returned, or less.
 */
size_t bytering_peek(const struct bytering *ring, void *dst, size_t len);
void bytering_take(struct bytering *ring, size_t len);

/*
 * After a put of @put bytes: was the ring empty before, so that the consumer may
 * sleep and wants a signal? After a get of @got: was it full?
 */
int bytering_was_empty(const struct bytering *ring, size_t put);
int bytering_was_full(const struct bytering *ring, size_t got);

/* Bytes in the ring, and room in it, as seen from either side. */
size_t bytering_used(const struct bytering *ring, int producer);
size_t bytering_room(const struct bytering *ring, int producer);

#endif
