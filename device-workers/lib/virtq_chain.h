/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the sources of virtq: what the rings look like, and from descriptors
 * to the segments of a chain. Not for devices.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_VIRTQ_CHAIN_H
#define BULKHEAD_DEVICE_WORKERS_LIB_VIRTQ_CHAIN_H

#include <stdint.h>
#include <string.h>

#include "device-workers/lib/virtq.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "rings are little-endian");

/* Flags of a descriptor, both formats (2.7.5, 2.8.1). */
#define DESC_F_NEXT (1u << 0)
#define DESC_F_WRITE (1u << 1)
#define DESC_F_INDIRECT (1u << 2)
#define DESC_F_AVAIL (1u << 7)	/* packed */
#define DESC_F_USED (1u << 15)	/* packed */

/* 2.7.5 */
struct split_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* 2.8.13 */
struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

_Static_assert(sizeof(struct split_desc) == 16, "2.7.5");
_Static_assert(sizeof(struct packed_desc) == 16, "2.8.13");

/*
 * Copy a descriptor out of memory that the guest may be writing. After the
 * barrier the compiler has to use the copy: it may not fetch from there again.
 */
static inline void
copy_once(void *dst, const void *src)
{
	memcpy(dst, src, 16);
	__asm__ volatile("" ::: "memory");
}

/* 2.7.6. Behind ring[]: used_event. */
struct split_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};

/* 2.7.8. Behind ring[]: avail_event. */
struct split_used {
	uint16_t flags;
	uint16_t idx;
	struct split_used_elem {
		uint32_t id;
		uint32_t len;
	} ring[];
};

/* 2.8.14 */
struct packed_event {
	uint16_t off_wrap;
	uint16_t flags;
};

/* Of memory that the guest writes at the same time: one access, not torn. */
#define LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define LOAD_ACQUIRE(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define STORE_RELEASE(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define FULL_BARRIER() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* The queue breaks, with static text for the log. Returns -EPROTO. */
int virtq_break(struct virtq *vq, const char *why);

/* Empty @chain. */
void chain_start(struct virtq_chain *chain);

/* Add a buffer of the driver's. 0 or -EPROTO. */
int chain_add(struct virtq *vq, struct virtq_chain *chain, uint64_t addr,
    uint32_t len, bool write);

/*
 * Make a whole chain of split descriptors, from @i on in a table of @size at
 * @ring, if it is as nearly all are: buffers in one writable region, none empty,
 * none indirect, readable ones first. False: it is not, begin anew the long way
 * (nothing of what was read here counts then). Beyond the two, the same as
 * chain_add() for each.
 */
bool chain_fast(struct virtq *vq, struct virtq_chain *chain,
    const struct split_desc *ring, uint32_t size, uint32_t i);

/* Add all buffers of an indirect table of @len bytes at @table. */
int chain_add_table(struct virtq *vq, struct virtq_chain *chain,
    uint64_t table, uint32_t len);

/* Mark the first @written bytes of the writable segments. */
void chain_mark_dirty(struct virtq *vq, const struct virtq_chain *chain,
    uint64_t written);

#endif
