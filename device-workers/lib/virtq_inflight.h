/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-flight region of a queue (virtq_track): its layout, which is that of the
 * vhost-user specification ("Inflight I/O tracking"), and what virtq.c calls at
 * each step of a request. Not for devices, but for one: the relay of vhost-user-front
 * keeps the same books.
 *
 * A process can end between any two stores here. What it has stored by then,
 * in the order of the program, is what its successor finds: it takes barriers for
 * the compiler, and none for the CPU.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_VIRTQ_INFLIGHT_H
#define BULKHEAD_DEVICE_WORKERS_LIB_VIRTQ_INFLIGHT_H

#include "device-workers/lib/virtq_chain.h"

#define INFLIGHT_VERSION 1u
#define INFLIGHT_ALIGN 64u

/* Entry i is descriptor i of the ring; only heads are in use. */
struct inflight_split_entry {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;		/* the head pushed before this one */
	uint64_t counter;	/* order in which they were taken */
};

struct inflight_split {
	uint64_t features;	/* none yet */
	uint16_t version;	/* 0: not in use */
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;	/* all before it have inflight 0 */
	struct inflight_split_entry desc[];
};

/* Copies of descriptors, which the device overwrites in the ring. */
struct inflight_packed_entry {
	uint8_t inflight;	/* this and the next four: of heads only */
	uint8_t padding;
	uint16_t next;		/* next one of the chain, or of the free list */
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

struct inflight_packed {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	/* Each pair is stored at once: as before the batch, and after it. */
	union {
		struct {
			uint16_t free_head, old_free_head;
		};
		uint32_t free_heads;
	};
	union {
		struct {
			uint16_t used_idx, old_used_idx;
			uint8_t used_wrap, old_used_wrap;
			uint8_t padding[2];
		};
		uint64_t used;
	};
	uint8_t padding2[8];
	struct inflight_packed_entry desc[];
};

_Static_assert(sizeof(struct inflight_split) == 16, "vhost-user");
_Static_assert(sizeof(struct inflight_split_entry) == 16, "vhost-user");
_Static_assert(sizeof(struct inflight_packed) == 32, "vhost-user");
_Static_assert(sizeof(struct inflight_packed_entry) == 32, "vhost-user");

/* Stores before it are made before those after it, as a dead process sees it. */
#define IN_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

static inline bool
entry_taken(const struct virtq *vq, unsigned int entry)
{
	return (vq->taken[entry / 64] & 1ull << (entry % 64)) != 0;
}

static inline void
entry_set_taken(struct virtq *vq, unsigned int entry, bool on)
{
	if (on)
		vq->taken[entry / 64] |= 1ull << (entry % 64);
	else
		vq->taken[entry / 64] &= ~(1ull << (entry % 64));
}

static inline void
region_set_free(struct virtq *vq, uint16_t now, uint16_t old)
{
	struct inflight_packed *r = vq->region;

	IN_ORDER();
	STORE(&r->free_heads, now | (uint32_t)old << 16);
	IN_ORDER();
}

/* Both of 16 bits and their wrap counters in bit 15, as virtq_save has them. */
static inline void
region_set_used(struct virtq *vq, uint16_t now, uint16_t old)
{
	struct inflight_packed *r = vq->region;
	const uint64_t wraps = now >> 15 | (uint64_t)(old >> 15) << 8;

	IN_ORDER();
	STORE(&r->used, (now & 0x7fff) | (uint64_t)(old & 0x7fff) << 16 |
	    wraps << 32);
	IN_ORDER();
}

static inline uint16_t
region_used_place(const struct virtq *vq)
{
	return (uint16_t)(vq->next_used | vq->used_wrap << 15);
}

/* ---- split: in the way of every request, so that it is kept short ---- */

static inline struct inflight_split_entry *
split_entry(const struct virtq *vq, unsigned int entry)
{
	return &((struct inflight_split *)vq->region)->desc[entry];
}

/* @head has been taken. */
static inline void
inflight_split_take(struct virtq *vq, uint16_t head)
{
	struct inflight_split_entry *e;

	if (vq->region == NULL)
		return;
	e = split_entry(vq, head);
	e->counter = vq->counter++;
	IN_ORDER();
	STORE(&e->inflight, 1);
}

/* It is in the used ring, and the driver does not see it yet. */
static inline void
inflight_split_used(struct virtq *vq, uint16_t head)
{
	struct inflight_split *r = vq->region;

	if (r == NULL)
		return;
	STORE(&r->desc[head].next, vq->batch_head);
	IN_ORDER();
	STORE(&r->last_batch_head, head);
	/* Before the used index moves: virtq_flush stores that. */
	IN_ORDER();
	vq->batch_head = head;
	vq->batch++;
}

/* The driver sees the batch. */
static inline void
inflight_split_settled(struct virtq *vq)
{
	struct inflight_split *r = vq->region;
	const uint32_t size = vq->layout.size;
	unsigned int i = vq->batch_head;

	if (r == NULL)
		return;
	IN_ORDER();
	for (unsigned int n = vq->batch; n > 0 && i < size; n--) {
		STORE(&r->desc[i].inflight, 0);
		entry_set_taken(vq, i, false);
		i = LOAD(&r->desc[i].next);
	}
	IN_ORDER();
	STORE(&r->used_idx, vq->next_used);
	vq->batch = 0;
}

/* ---- packed ---- */

/* Descriptor @d is number @n, from 1, of what is being taken. False: no entry is
 * free. */
bool inflight_note(struct virtq *vq, uint32_t n, const struct packed_desc *d);
/* @chain has been taken: chain->entry is its place in the region from now on. */
void inflight_packed_take(struct virtq *vq, struct virtq_chain *chain);
/* It is in the ring, and the driver does not see it yet. */
void inflight_packed_used(struct virtq *vq, const struct virtq_chain *chain);
/* Right before the driver sees the batch; and right after. */
void inflight_packed_settle(struct virtq *vq);
void inflight_packed_settled(struct virtq *vq);

/* ---- both ---- */

void inflight_untake(struct virtq *vq, const struct virtq_chain *chain);

/*
 * What was asked for last: if nobody lives to clear the mark, it may be what the
 * worker died of. The trail is for who looks back; its numbers are those of the
 * region's counter.
 */
static inline void
inflight_note_taken(struct virtq *vq, const struct virtq_chain *chain)
{
	struct record_taken *t;

	if (vq->mark == NULL)
		return;
	STORE(vq->mark, chain->entry + 1u);
	t = &vq->trail[vq->counter % RECORD_TRAIL];
	/* And its type, which is not known yet. */
	t->number = (uint32_t)vq->counter;
	t->type = 0;
	t->read_len = (uint32_t)chain->read_len;
	t->write_len = (uint32_t)chain->write_len;
}

/* Of a predecessor's requests not popped again, the oldest's entry; -1: none. */
int inflight_oldest(const struct virtq *vq);

/* Is @entry one of those? */
bool inflight_waits(const struct virtq *vq, unsigned int entry);

/* Packed: make a chain of what entry @entry has saved. 0 or -EPROTO. */
int inflight_walk(struct virtq *vq, struct virtq_chain *chain,
    unsigned int entry);

#endif
