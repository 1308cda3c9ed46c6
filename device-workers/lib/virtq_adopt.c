/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtq_track(): a new in-flight region, or a predecessor's. What is in that one
 * is as hostile as what a guest writes: checked where it is used, loops bounded
 * by the queue's size, and the free list made anew.
 */
#include "device-workers/lib/virtq_inflight.h"

#include <errno.h>

/* Is @i in flight, and when was it taken? */
static bool
entry_inflight(const struct virtq *vq, unsigned int i, uint64_t *counter)
{
	const struct inflight_packed *p = vq->region;
	const struct inflight_split *s = vq->region;

	*counter = vq->packed ? LOAD(&p->desc[i].counter) :
	    LOAD(&s->desc[i].counter);
	return (vq->packed ? LOAD(&p->desc[i].inflight) :
	    LOAD(&s->desc[i].inflight)) == 1;
}

int
inflight_oldest(const struct virtq *vq)
{
	uint64_t counter, least = 0;
	int oldest = -1;

	for (unsigned int i = 0; i < vq->layout.size; i++) {
		if (!entry_inflight(vq, i, &counter) || entry_taken(vq, i) ||
		    (oldest >= 0 && counter >= least))
			continue;
		oldest = (int)i;
		least = counter;
	}
	return oldest;
}

bool
inflight_waits(const struct virtq *vq, unsigned int entry)
{
	uint64_t counter;

	return entry < vq->layout.size && entry_inflight(vq, entry, &counter) &&
	    !entry_taken(vq, entry);
}

static int
inflight_newest(const struct virtq *vq, uint64_t *most)
{
	uint64_t counter;
	int newest = -1;

	for (unsigned int i = 0; i < vq->layout.size; i++) {
		if (!entry_inflight(vq, i, &counter) ||
		    (newest >= 0 && counter < *most))
			continue;
		newest = (int)i;
		*most = counter;
	}
	return newest;
}

int
inflight_walk(struct virtq *vq, struct virtq_chain *chain, unsigned int entry)
{
	const struct inflight_packed *r = vq->region;
	uint16_t num = LOAD(&r->desc[entry].num);
	struct packed_desc d = { 0 };
	int rc = 0;

	/* As many as were counted in virtq_track(), in all. */
	if (num == 0 || num > vq->resubmit_descs ||
	    (vq->resubmit == 1 && num != vq->resubmit_descs))
		return virtq_break(vq, "in-flight region changed");
	for (unsigned int n = 1; n <= num && rc == 0; n++) {
		if (entry >= vq->layout.size)
			return virtq_break(vq, "in-flight region changed");
		d.addr = LOAD(&r->desc[entry].addr);
		d.len = LOAD(&r->desc[entry].len);
		d.id = LOAD(&r->desc[entry].id);
		d.flags = LOAD(&r->desc[entry].flags);
		entry = LOAD(&r->desc[entry].next);
		if ((d.flags & DESC_F_INDIRECT) == 0)
			rc = chain_add(vq, chain, d.addr, d.len,
			    (d.flags & DESC_F_WRITE) != 0);
		else if (num > 1)
			rc = virtq_break(vq, "indirect and next");
		else
			rc = chain_add_table(vq, chain, d.addr, d.len);
	}
	chain->id = d.id;
	chain->descs = num;
	return rc;
}

/* ---- a region of a predecessor's: split --------------------------------------- */

static unsigned int
count_inflight(const struct virtq *vq)
{
	unsigned int n = 0;
	uint64_t counter;

	for (unsigned int i = 0; i < vq->layout.size; i++)
		n += entry_inflight(vq, i, &counter);
	return n;
}

static int
adopt_split(struct virtq *vq)
{
	struct inflight_split *r = vq->region;
	const struct split_used *used = vq->used_area;
	const struct split_avail *avail = vq->avail_area;
	uint16_t now = LOAD(&used->idx), head = LOAD(&r->last_batch_head);
	uint16_t n = (uint16_t)(now - LOAD(&r->used_idx));
	uint64_t most = 0;

	if (n > vq->layout.size)
		return virtq_break(vq, "used index and in-flight region differ");
	/* The end came between the used index and these. */
	for (; n > 0 && head < vq->layout.size; n--) {
		STORE(&r->desc[head].inflight, 0);
		head = LOAD(&r->desc[head].next);
	}
	if (n > 0)
		return virtq_break(vq, "list in the in-flight region");
	IN_ORDER();
	STORE(&r->used_idx, now);
	vq->next_used = now;
	vq->resubmit = (uint16_t)count_inflight(vq);
	vq->next_avail = (uint16_t)(now + vq->resubmit);
	/*
	 * The last ones taken can be taken out of the ring again. It leaves only
	 * those behind that were overtaken.
	 */
	for (unsigned int i = vq->resubmit; i > 0; i--) {
		int newest = inflight_newest(vq, &most);

		if (newest < 0 || vq->keep_taken || newest != LOAD(&avail->ring[
		    (uint16_t)(vq->next_avail - 1) & (vq->layout.size - 1)]))
			break;
		STORE(&r->desc[newest].inflight, 0);
		vq->next_avail--;
		vq->resubmit--;
	}
	vq->avail_seen = vq->next_avail;
	vq->counter = most + 1;
	return 0;
}

/* ---- packed ------------------------------------------------------------------- */

/* What the end interrupted is as it was before the batch, or after it. */
static int
roll_packed(struct virtq *vq)
{
	struct inflight_packed *r = vq->region;
	const struct packed_desc *ring = vq->desc_area;
	const uint64_t used = LOAD(&r->used);
	const uint32_t heads = LOAD(&r->free_heads);
	uint16_t now = (uint16_t)((used & 0x7fff) | (used >> 32 & 1) << 15);
	uint16_t old = (uint16_t)((used >> 16 & 0x7fff) | (used >> 40 & 1) << 15);
	uint16_t head = (uint16_t)(heads >> 16), flags;

	if ((now & 0x7fff) >= vq->layout.size || (old & 0x7fff) >= vq->layout.size)
		return virtq_break(vq, "used index in the in-flight region");
	if (now != old) {
		flags = LOAD(&ring[old & 0x7fff].flags);
		/* Not as the driver left it: the batch has been seen. */
		if (((flags & DESC_F_AVAIL) != 0) != (old >> 15 != 0) ||
		    ((flags & DESC_F_USED) != 0) == (old >> 15 != 0)) {
			old = now;
			head = (uint16_t)heads;
		}
	}
	for (unsigned int n = 0; n < vq->layout.size && head < vq->layout.size;
	    n++) {
		STORE(&r->desc[head].inflight, 0);
		head = LOAD(&r->desc[head].next);
	}
	region_set_used(vq, old, old);
	vq->next_used = old & 0x7fff;
	vq->used_wrap = old >> 15 != 0;
	return 0;
}

/* Note the entries of each chain in vq->taken; none is of two. */
static int
mark_chains(struct virtq *vq)
{
	struct inflight_packed *r = vq->region;
	uint64_t counter;

	vq->resubmit = vq->resubmit_descs = 0;
	for (unsigned int i = 0; i < VIRTQ_MAX_SIZE / 64; i++)
		vq->taken[i] = 0;
	for (unsigned int i = 0; i < vq->layout.size; i++) {
		uint16_t num = LOAD(&r->desc[i].num), at = (uint16_t)i;

		if (!entry_inflight(vq, i, &counter))
			continue;
		for (unsigned int n = 0; n < num || n == 0; n++) {
			if (num == 0 || at >= vq->layout.size || entry_taken(vq, at))
				return virtq_break(vq,
				    "chain in the in-flight region");
			entry_set_taken(vq, at, true);
			at = LOAD(&r->desc[at].next);
		}
		vq->resubmit++;
		vq->resubmit_descs = (uint16_t)(vq->resubmit_descs + num);
	}
	return 0;
}

/* Is the chain of @entry still in the ring, at @slot, each bit of it? */
static bool
still_there(const struct virtq *vq, uint16_t entry, uint16_t slot, bool wrap,
    uint16_t num)
{
	const struct inflight_packed *r = vq->region;
	const struct packed_desc *ring = vq->desc_area;
	const uint16_t both = DESC_F_AVAIL | DESC_F_USED;

	for (unsigned int n = 0; n < num; n++) {
		struct packed_desc d;

		if (entry >= vq->layout.size)
			return false;
		copy_once(&d, &ring[slot]);
		if ((d.flags & both) != (wrap ? DESC_F_AVAIL : DESC_F_USED) ||
		    d.flags != r->desc[entry].flags ||
		    d.addr != r->desc[entry].addr ||
		    d.len != r->desc[entry].len || d.id != r->desc[entry].id)
			return false;
		entry = LOAD(&r->desc[entry].next);
		if (++slot == vq->layout.size) {
			slot = 0;
			wrap = !wrap;
		}
	}
	return true;
}

/* As for the split ring: the last ones taken are taken out of the ring again. */
static void
untake_newest(struct virtq *vq)
{
	struct inflight_packed *r = vq->region;
	uint64_t most = 0;

	for (unsigned int i = vq->resubmit; i > 0; i--) {
		int newest = inflight_newest(vq, &most);
		uint16_t num, slot = vq->next_avail;
		bool wrap = vq->avail_wrap;

		if (newest < 0 || vq->keep_taken)
			break;
		num = LOAD(&r->desc[newest].num);
		if (num > vq->resubmit_descs)
			break;
		if (num > slot) {
			slot = (uint16_t)(slot + vq->layout.size);
			wrap = !wrap;
		}
		slot = (uint16_t)(slot - num);
		if (!still_there(vq, (uint16_t)newest, slot, wrap, num))
			break;
		STORE(&r->desc[newest].inflight, 0);
		vq->next_avail = slot;
		vq->avail_wrap = wrap;
		vq->resubmit--;
		vq->resubmit_descs = (uint16_t)(vq->resubmit_descs - num);
	}
	vq->counter = most + 1;
}

/*
 * Of a batch that was not shown, all flags but the first descriptor's may have
 * been stored: the driver would take them for ours, once that one is used. As the
 * driver left them, again, where requests are in flight.
 */
static void
unuse(struct virtq *vq)
{
	struct packed_desc *ring = vq->desc_area;
	uint32_t slot = vq->next_used;
	bool wrap = vq->used_wrap;

	for (unsigned int n = 0; n < vq->resubmit_descs; n++) {
		uint16_t flags = LOAD(&ring[slot].flags);

		if (((flags & DESC_F_AVAIL) != 0) == wrap &&
		    ((flags & DESC_F_USED) != 0) == wrap)
			STORE(&ring[slot].flags, (uint16_t)(flags ^ DESC_F_USED));
		if (++slot == vq->layout.size) {
			slot = 0;
			wrap = !wrap;
		}
	}
	if (vq->mem->dirty != NULL)
		gmem_mark_dirty(vq->mem, gpa(vq->layout.desc),
		    16ull * vq->layout.size);
}

static int
adopt_packed(struct virtq *vq)
{
	struct inflight_packed *r = vq->region;
	uint16_t before, end = (uint16_t)vq->layout.size;
	uint32_t at;
	int rc = roll_packed(vq);

	if (rc == 0)
		rc = mark_chains(vq);
	if (rc < 0)
		return rc;
	at = (uint32_t)vq->next_used + vq->resubmit_descs;
	vq->avail_wrap = vq->used_wrap;
	if (at >= vq->layout.size) {
		at -= vq->layout.size;
		vq->avail_wrap = !vq->avail_wrap;
	}
	vq->next_avail = (uint16_t)at;
	untake_newest(vq);
	before = vq->resubmit;
	rc = mark_chains(vq);
	if (rc == 0 && vq->resubmit != before)
		rc = virtq_break(vq, "in-flight region changed");
	if (rc < 0)
		return rc;
	/* All others are free, also those that the end left in no list. */
	vq->free_entry = end;
	for (unsigned int i = vq->layout.size; i-- > 0;) {
		if (entry_taken(vq, i))
			continue;
		STORE(&r->desc[i].next, vq->free_entry);
		vq->free_entry = (uint16_t)i;
	}
	region_set_free(vq, vq->free_entry, vq->free_entry);
	for (unsigned int i = 0; i < VIRTQ_MAX_SIZE / 64; i++)
		vq->taken[i] = 0;
	vq->inflight_descs = vq->resubmit_descs;
	unuse(vq);
	return 0;
}

/* ---- attach ------------------------------------------------------------------- */

uint64_t
virtq_region_size(uint32_t size, bool packed)
{
	uint64_t len = packed ? sizeof(struct inflight_packed) +
	    sizeof(struct inflight_packed_entry) * (uint64_t)size :
	    sizeof(struct inflight_split) +
	    sizeof(struct inflight_split_entry) * (uint64_t)size;

	return (len + INFLIGHT_ALIGN - 1) & ~(uint64_t)(INFLIGHT_ALIGN - 1);
}

bool
virtq_region_in_use(const void *region)
{
	const struct inflight_split *r = region;

	return LOAD(&r->version) != 0;
}

void
virtq_region_clear(void *region)
{
	struct inflight_split *r = region;

	STORE(&r->version, 0);
}

/* One that nobody has used. The head of both formats is the same. */
static void
new_region(struct virtq *vq)
{
	struct inflight_split *s = vq->region;
	struct inflight_packed *p = vq->region;
	const uint16_t size = (uint16_t)vq->layout.size;

	s->features = 0;
	s->desc_num = size;
	for (uint16_t i = 0; i < size && !vq->packed; i++)
		s->desc[i].inflight = 0;
	for (uint16_t i = 0; i < size && vq->packed; i++) {
		p->desc[i].inflight = 0;
		p->desc[i].next = (uint16_t)(i + 1);
	}
	if (vq->packed) {
		region_set_free(vq, 0, 0);
		region_set_used(vq, region_used_place(vq), region_used_place(vq));
	} else {
		s->last_batch_head = 0;
		s->used_idx = vq->next_used;
	}
	IN_ORDER();
	STORE(&s->version, INFLIGHT_VERSION);
}

int
virtq_track(struct virtq *vq, void *region)
{
	const struct inflight_split *r = region;
	int rc;

	vq->region = region;
	if (!virtq_region_in_use(region)) {
		new_region(vq);
		return 0;
	}
	if (LOAD(&r->version) != INFLIGHT_VERSION || LOAD(&r->features) != 0 ||
	    LOAD(&r->desc_num) != vq->layout.size) {
		vq->region = NULL;
		return -EINVAL;
	}
	rc = vq->packed ? adopt_packed(vq) : adopt_split(vq);
	/* A broken ring is told like any that the driver broke. */
	if (rc < 0)
		vq->region = NULL;
	return 0;
}
