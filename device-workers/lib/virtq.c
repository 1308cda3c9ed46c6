/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings, device side, see virtq.h. Section numbers are virtio 1.2's. What is
 * pushed becomes visible in one step at virtq_flush: the split ring's used index
 * or the packed ring's first flags are stored last, so that a batch costs the
 * driver one cache line and one interrupt.
 */
#include <errno.h>
#include <unistd.h>

#include "device-workers/lib/virtq_chain.h"
#include "device-workers/lib/virtq_inflight.h"
#include "proto/limits.h"

_Static_assert(VIRTQ_MAX_SIZE == VIRTQ_LIMIT_SIZE, "proto/limits.h");

#define AVAIL_F_NO_INTERRUPT 1u
#define USED_F_NO_NOTIFY 1u
#define EVENT_ENABLE 0u
#define EVENT_DISABLE 1u
#define EVENT_DESC 2u

/* @len bytes at @offset of an area have been written. */
static inline void
mark(struct virtq *vq, uint64_t area, uint64_t offset, uint64_t len)
{
	if (vq->mem->dirty != NULL)
		gmem_mark_dirty(vq->mem, gpa(area + offset), len);
}

/* 2.7.7.1: does the step from @old to @new pass @event? */
static bool
passes(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* ---- enable and disable ------------------------------------------------------ */

static bool
find_areas(struct virtq *vq)
{
	const struct virtq_layout *l = &vq->layout;
	const uint64_t n = l->size;

	if (vq->packed) {
		/* The device writes used descriptors over the ring. */
		vq->desc_area = gmem_span_write(vq->mem, gpa(l->desc), 16 * n);
		vq->avail_area = gmem_span_read(vq->mem, gpa(l->avail), 4);
		vq->used_area = gmem_span_write(vq->mem, gpa(l->used), 4);
	} else {
		uint64_t len = 16 * n;

		vq->desc_area = gmem_span_part(vq->mem, gpa(l->desc), &len,
		    false);
		if (len != 16 * n)
			vq->desc_area = NULL;
		vq->avail_area = gmem_span_read(vq->mem, gpa(l->avail),
		    6 + 2 * n);
		vq->used_area = gmem_span_write(vq->mem, gpa(l->used),
		    6 + 8 * n);
	}
	if (vq->desc_area != NULL && vq->avail_area != NULL &&
	    vq->used_area != NULL)
		return true;
	vq->desc_area = NULL;
	return false;
}

int
virtq_enable(struct virtq *vq, struct gmem *mem,
    const struct virtq_layout *layout, uint64_t features, int call)
{
	const uint64_t one = 1;
	bool packed = (features & one << VIRTIO_F_RING_PACKED) != 0;
	uint32_t size = layout->size;

	if (size == 0 || size > VIRTQ_MAX_SIZE ||
	    (!packed && (size & (size - 1)) != 0))
		return -EINVAL;
	/* 2.7, 2.8.10.1 */
	if (layout->desc % 16 != 0 || layout->avail % (packed ? 4 : 2) != 0 ||
	    layout->used % 4 != 0)
		return -EINVAL;
	*vq = (struct virtq){
		.mem = mem, .layout = *layout, .call = call, .packed = packed,
		.event_idx = (features & one << VIRTIO_F_EVENT_IDX) != 0,
		.indirect = (features & one << VIRTIO_F_INDIRECT_DESC) != 0,
		.avail_wrap = true, .used_wrap = true,
	};
	if (!find_areas(vq))
		return -EFAULT;
	vq->enabled = true;
	return 0;
}

void
virtq_disable(struct virtq *vq)
{
	*vq = (struct virtq){ .call = -1 };
}

void
virtq_hold(struct virtq *vq, bool hold)
{
	vq->held = hold;
}

void
virtq_memory_changed(struct virtq *vq)
{
	if (vq->enabled && vq->desc_area != NULL && !find_areas(vq))
		(void)virtq_break(vq, "the ring's memory was removed");
}

/* ---- available: split -------------------------------------------------------- */

/* Is there a request? 1, 0, -EPROTO. */
static int
split_ready(struct virtq *vq)
{
	const struct split_avail *avail = vq->avail_area;
	uint16_t idx, count;

	if (vq->next_avail != vq->avail_seen)
		return 1;
	/*
	 * Acquire: the ring entry and descriptors are read after the index that
	 * says they are there (2.7.13.3.1 has the driver's half).
	 */
	idx = LOAD_ACQUIRE(&avail->idx);
	count = (uint16_t)(idx - vq->next_avail);
	if (count == 0)
		return 0;
	if ((uint32_t)count + vq->inflight + vq->resubmit > vq->layout.size)
		return virtq_break(vq, "available index jumped");
	vq->avail_seen = idx;
	return 1;
}

static int
split_walk(struct virtq *vq, struct virtq_chain *chain, uint32_t i)
{
	const struct split_desc *ring = vq->desc_area;
	struct split_desc d;
	int rc;

	/* A chain without a loop ends within as many steps as the ring has. */
	for (uint32_t n = 0; n < vq->layout.size; n++) {
		copy_once(&d, &ring[i]);
		if ((d.flags & DESC_F_INDIRECT) != 0) {
			/* 2.7.5.3.1; its WRITE flag is ignored, 2.7.5.3.2 */
			if ((d.flags & DESC_F_NEXT) != 0)
				return virtq_break(vq, "indirect and next");
			return chain_add_table(vq, chain, d.addr, d.len);
		}
		rc = chain_add(vq, chain, d.addr, d.len,
		    (d.flags & DESC_F_WRITE) != 0);
		if (rc < 0 || (d.flags & DESC_F_NEXT) == 0)
			return rc;
		if (d.next >= vq->layout.size)
			return virtq_break(vq, "next beyond the ring");
		i = d.next;
	}
	return virtq_break(vq, "endless chain");
}

static int
split_take(struct virtq *vq, struct virtq_chain *chain)
{
	const struct split_avail *avail = vq->avail_area;
	uint16_t head = LOAD(&avail->ring[vq->next_avail &
	    (vq->layout.size - 1)]);
	int rc;

	if (head >= vq->layout.size)
		return virtq_break(vq, "head beyond the ring");
	if ((vq->taken[head / 64] & 1ull << (head % 64)) != 0)
		return virtq_break(vq, "head available twice");
	if (!chain_fast(vq, chain, vq->desc_area, vq->layout.size, head)) {
		rc = split_walk(vq, chain, head);
		if (rc < 0)
			return rc;
	}
	chain->id = chain->entry = head;
	vq->taken[head / 64] |= 1ull << (head % 64);
	vq->next_avail++;
	inflight_split_take(vq, head);
	return 1;
}

/* ---- available: packed ------------------------------------------------------- */

static int
packed_ready(struct virtq *vq)
{
	const struct packed_desc *ring = vq->desc_area;
	/*
	 * Acquire: the rest of this descriptor and of its chain is read after
	 * the flags that say it is there (2.8.21.1 has the driver's half).
	 */
	uint16_t flags = LOAD_ACQUIRE(&ring[vq->next_avail].flags);

	/* 2.8.1 */
	return ((flags & DESC_F_AVAIL) != 0) == vq->avail_wrap &&
	    ((flags & DESC_F_USED) != 0) != vq->avail_wrap;
}

/* Step a position in a packed ring over @n slots, at most one round. */
static void
packed_step(const struct virtq *vq, uint16_t *slot, bool *wrap, uint32_t n)
{
	uint32_t at = *slot + n;

	if (at >= vq->layout.size) {
		at -= vq->layout.size;
		*wrap = !*wrap;
	}
	*slot = (uint16_t)at;
}

static int
packed_take(struct virtq *vq, struct virtq_chain *chain)
{
	const struct packed_desc *ring = vq->desc_area;
	uint32_t room = vq->layout.size - vq->inflight_descs;
	uint32_t slot = vq->next_avail;
	struct packed_desc d;
	int rc;

	for (uint32_t n = 1; n <= room; n++) {
		copy_once(&d, &ring[slot]);
		if (++slot == vq->layout.size)
			slot = 0;
		if (vq->region != NULL && !inflight_note(vq, n, &d))
			return virtq_break(vq, "in-flight region changed");
		if ((d.flags & DESC_F_INDIRECT) == 0) {
			rc = chain_add(vq, chain, d.addr, d.len,
			    (d.flags & DESC_F_WRITE) != 0);
		} else if (n > 1 || (d.flags & DESC_F_NEXT) != 0) {
			/* 2.8.19 */
			rc = virtq_break(vq, "indirect and next");
		} else {
			rc = chain_add_table(vq, chain, d.addr, d.len);
		}
		if (rc < 0)
			return rc;
		if ((d.flags & DESC_F_NEXT) == 0) {
			/* 2.8.6: the last one names the buffer. */
			chain->id = d.id;
			chain->descs = (uint16_t)n;
			vq->inflight_descs = (uint16_t)(vq->inflight_descs + n);
			packed_step(vq, &vq->next_avail, &vq->avail_wrap, n);
			inflight_packed_take(vq, chain);
			return 1;
		}
	}
	return virtq_break(vq, "more available than the ring holds");
}

/* ---- kicks ------------------------------------------------------------------- */

/* The next request's place, as the driver is told it. */
static uint16_t
avail_place(const struct virtq *vq)
{
	return (uint16_t)(vq->next_avail |
	    (vq->packed ? vq->avail_wrap << 15 : 0));
}

/* Tell the driver to kick for the next request. */
static void
arm(struct virtq *vq)
{
	if (vq->packed) {
		struct packed_event *event = vq->used_area;

		if (vq->event_idx)
			STORE(&event->off_wrap, avail_place(vq));
		/* Release: the driver that sees DESC sees where, too. */
		STORE_RELEASE(&event->flags, (uint16_t)(vq->event_idx ?
		    EVENT_DESC : EVENT_ENABLE));
		mark(vq, vq->layout.used, 0, 4);
	} else {
		struct split_used *used = vq->used_area;

		if (vq->event_idx) {
			uint16_t *avail_event = (uint16_t *)
			    &used->ring[vq->layout.size];

			STORE(avail_event, vq->next_avail);
			mark(vq, vq->layout.used, 4 + 8ull * vq->layout.size, 2);
		} else {
			STORE(&used->flags, 0);
			mark(vq, vq->layout.used, 0, 2);
		}
	}
	vq->armed = true;
	vq->armed_at = avail_place(vq);
	/*
	 * Full: the wish for kicks is visible before we look at the ring a last
	 * time. The driver has its own between its index and this wish (2.7.13.4,
	 * 2.8.21.3.1), so that one of the two sides sees the other.
	 */
	FULL_BARRIER();
}

static int
ready(struct virtq *vq)
{
	return vq->packed ? packed_ready(vq) : split_ready(vq);
}

bool
virtq_want_kicks(struct virtq *vq)
{
	vq->kicks_off = false;
	if (!vq->enabled || vq->broken)
		return false;
	arm(vq);
	/* A broken ring is news, too: virtq_pop tells it. */
	return !vq->held && ready(vq) != 0;
}

void
virtq_no_kicks(struct virtq *vq)
{
	vq->kicks_off = true;
	if (!vq->enabled || vq->broken || !vq->armed)
		return;
	vq->armed = false;
	if (vq->packed) {
		struct packed_event *event = vq->used_area;

		STORE(&event->flags, EVENT_DISABLE);
		mark(vq, vq->layout.used, 2, 2);
	} else if (!vq->event_idx) {
		struct split_used *used = vq->used_area;

		STORE(&used->flags, USED_F_NO_NOTIFY);
		mark(vq, vq->layout.used, 0, 2);
	}
	/* Split with event index: the event stays behind and is not passed. */
}

/* The request of @entry, which a predecessor had in flight. */
static int
pop_again(struct virtq *vq, int entry, struct virtq_chain *chain)
{
	int rc;

	if (entry < 0)
		return virtq_break(vq, "in-flight region changed");
	chain_start(chain);
	chain->again = false;
	if (vq->packed) {
		rc = inflight_walk(vq, chain, (unsigned int)entry);
	} else {
		chain->id = (uint16_t)entry;
		rc = split_walk(vq, chain, (unsigned int)entry);
	}
	if (rc < 0)
		return rc;
	chain->entry = (uint16_t)entry;
	chain->again = true;
	vq->resubmit_descs = (uint16_t)(vq->resubmit_descs - chain->descs);
	vq->taken[entry / 64] |= 1ull << (entry % 64);
	vq->resubmit--;
	vq->inflight++;
	/* Of the trail; what is in the region is as old as it was. */
	vq->counter++;
	return 1;
}

int
virtq_pop_entry(struct virtq *vq, unsigned int entry, struct virtq_chain *chain)
{
	if (!vq->enabled || vq->desc_area == NULL || vq->broken)
		return vq->broken ? -EPROTO : 0;
	if (vq->resubmit == 0 || !inflight_waits(vq, entry))
		return 0;
	return pop_again(vq, (int)entry, chain);
}

static int
pop(struct virtq *vq, struct virtq_chain *chain)
{
	int rc;

	if (!vq->enabled)
		return 0;
	if (vq->broken)
		return -EPROTO;
	/* Held or not: they have been taken, if not by this process. */
	if (vq->resubmit > 0)
		return pop_again(vq, inflight_oldest(vq), chain);
	if (vq->held)
		return 0;
	rc = ready(vq);
	/* Armed already: what the driver reads is what would be written. */
	if (rc == 0 && !vq->kicks_off && (!vq->armed ||
	    (vq->event_idx && vq->armed_at != avail_place(vq)))) {
		arm(vq);
		rc = ready(vq);
	}
	if (rc <= 0)
		return rc;
	chain_start(chain);
	chain->again = false;
	rc = vq->packed ? packed_take(vq, chain) : split_take(vq, chain);
	if (rc > 0)
		vq->inflight++;
	return rc;
}

int
virtq_pop(struct virtq *vq, struct virtq_chain *chain)
{
	int rc = pop(vq, chain);

	if (rc == 1)
		inflight_note_taken(vq, chain);
	return rc;
}

/* One request less in flight. */
static inline void
let_go(struct virtq *vq, const struct virtq_chain *chain)
{
	vq->inflight--;
	if (vq->packed)
		vq->inflight_descs = (uint16_t)(vq->inflight_descs -
		    chain->descs);
	/* With a region it is free when the region says so: ..._settled. */
	if (!vq->packed && vq->region == NULL)
		vq->taken[chain->id / 64] &= ~(1ull << (chain->id % 64));
}

void
virtq_unpop(struct virtq *vq, const struct virtq_chain *chain)
{
	if (!vq->enabled || vq->inflight == 0)
		return;
	if (chain->again) {
		vq->inflight--;
		vq->resubmit++;
		vq->resubmit_descs = (uint16_t)(vq->resubmit_descs + chain->descs);
		vq->taken[chain->entry / 64] &= ~(1ull << (chain->entry % 64));
		return;
	}
	let_go(vq, chain);
	inflight_untake(vq, chain);
	if (!vq->packed) {
		vq->next_avail--;
	} else if (vq->next_avail >= chain->descs) {
		vq->next_avail = (uint16_t)(vq->next_avail - chain->descs);
	} else {
		vq->next_avail = (uint16_t)(vq->next_avail + vq->layout.size -
		    chain->descs);
		vq->avail_wrap = !vq->avail_wrap;
	}
}

/* ---- used -------------------------------------------------------------------- */

static void
split_use(struct virtq *vq, const struct virtq_chain *chain, uint32_t written)
{
	struct split_used *used = vq->used_area;
	uint32_t i = vq->next_used & (vq->layout.size - 1);

	STORE(&used->ring[i].id, chain->id);
	STORE(&used->ring[i].len, written);
	mark(vq, vq->layout.used, 4 + 8ull * i, 8);
	vq->next_used++;
}

static void
packed_use(struct virtq *vq, const struct virtq_chain *chain, uint32_t written)
{
	struct packed_desc *d = (struct packed_desc *)vq->desc_area +
	    vq->next_used;
	uint16_t flags = chain->nwrite != 0 ? DESC_F_WRITE : 0;

	if (vq->used_wrap)
		flags |= (uint16_t)(DESC_F_AVAIL | DESC_F_USED);
	STORE(&d->id, chain->id);
	STORE(&d->len, written);
	if (!vq->pending) {
		/* The driver looks at this one first: stored last. */
		vq->first_slot = vq->next_used;
		vq->first_flags = flags;
	} else {
		STORE(&d->flags, flags);
	}
	mark(vq, vq->layout.desc, 16ull * vq->next_used, 16);
	packed_step(vq, &vq->next_used, &vq->used_wrap, chain->descs);
}

void
virtq_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t written)
{
	/* After a reset there is no such request any more. */
	if (!vq->enabled || vq->inflight == 0)
		return;
	let_go(vq, chain);
	if (written > chain->write_len)
		written = (uint32_t)chain->write_len;
	if (vq->mem->dirty != NULL)
		chain_mark_dirty(vq, chain, written);
	if (vq->desc_area == NULL)
		return;
	if (vq->packed) {
		inflight_packed_used(vq, chain);
		packed_use(vq, chain, written);
	} else {
		inflight_split_used(vq, chain->entry);
		split_use(vq, chain, written);
	}
	vq->pending = true;
}

void
virtq_push_group(struct virtq *vq, const struct virtq_chain *chains,
    const uint32_t *written, unsigned int n)
{
	/* Nothing is visible before virtq_flush. */
	for (unsigned int i = 0; i < n; i++)
		virtq_push(vq, &chains[i], written[i]);
}

static bool
split_wants_call(struct virtq *vq)
{
	const struct split_avail *avail = vq->avail_area;
	uint16_t old = vq->signalled;

	if (!vq->event_idx)
		return (LOAD(&avail->flags) & AVAIL_F_NO_INTERRUPT) == 0;
	vq->signalled = vq->next_used;
	if (!vq->signalled_valid)
		return vq->signalled_valid = true;
	return passes(LOAD(&avail->ring[vq->layout.size]), vq->next_used, old);
}

static bool
packed_wants_call(struct virtq *vq)
{
	const struct packed_event *event = vq->avail_area;
	uint16_t old = vq->signalled, new = vq->next_used;
	uint16_t flags, off_wrap, off;

	/* Acquire: the place is read after the flags that point to it (2.8.14). */
	flags = LOAD_ACQUIRE(&event->flags) & 3;
	vq->signalled = new;
	if (flags != EVENT_DESC || !vq->event_idx)
		return flags != EVENT_DISABLE;
	if (!vq->signalled_valid)
		return vq->signalled_valid = true;
	off_wrap = LOAD(&event->off_wrap);
	off = off_wrap & 0x7fff;
	/* All three as positions of the round that new is in. */
	if (off_wrap >> 15 != vq->used_wrap)
		off = (uint16_t)(off - vq->layout.size);
	if (new <= old)
		old = (uint16_t)(old - vq->layout.size);
	return passes(off, new, old);
}

void
virtq_signal(struct virtq *vq)
{
	const uint64_t one = 1;

	/* EAGAIN: the counter is full, which is as good as a signal. */
	if (vq->enabled && vq->call >= 0 &&
	    write(vq->call, &one, sizeof(one)) < 0)
		return;
}

void
virtq_flush(struct virtq *vq)
{
	if (!vq->pending)
		return;
	vq->pending = false;
	if (vq->desc_area == NULL)
		return;
	/*
	 * Release: data and used elements, and their marks in the dirty bitmap,
	 * are there before the driver is told (2.7.14, 2.8.22).
	 */
	if (vq->packed) {
		struct packed_desc *ring = vq->desc_area;

		inflight_packed_settle(vq);
		STORE_RELEASE(&ring[vq->first_slot].flags, vq->first_flags);
		mark(vq, vq->layout.desc, 16ull * vq->first_slot, 16);
		inflight_packed_settled(vq);
	} else {
		struct split_used *used = vq->used_area;

		STORE_RELEASE(&used->idx, vq->next_used);
		mark(vq, vq->layout.used, 2, 2);
		inflight_split_settled(vq);
	}
	/*
	 * Full: what is used is visible before we look whether the driver wants
	 * to know; it does the reverse, and looks at the ring again after it has
	 * asked (2.7.14, 2.8.22).
	 */
	FULL_BARRIER();
	if (vq->packed ? packed_wants_call(vq) : split_wants_call(vq))
		virtq_signal(vq);
}
