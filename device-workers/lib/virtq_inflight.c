/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a successor is told of a queue: ring positions, when all is at rest, and
 * the in-flight region while it is not, see virtq_inflight.h. Others can write to
 * a region at any time: each index from it is checked where it is used, and loops
 * are bounded by the queue's size.
 */
#include "device-workers/lib/virtq_inflight.h"

#include <errno.h>

/* ---- at rest ------------------------------------------------------------------ */

void
virtq_save(const struct virtq *vq, uint16_t *next_avail, uint16_t *next_used)
{
	*next_avail = vq->next_avail;
	*next_used = vq->next_used;
	if (vq->packed) {
		*next_avail |= (uint16_t)(vq->avail_wrap << 15);
		*next_used |= (uint16_t)(vq->used_wrap << 15);
	}
}

int
virtq_load(struct virtq *vq, uint32_t next_avail, uint32_t next_used)
{
	/* Nothing is in flight, so that all that was taken has been used. */
	if (next_avail > UINT16_MAX || next_avail != next_used)
		return -EINVAL;
	if (vq->packed) {
		if ((next_avail & 0x7fff) >= vq->layout.size)
			return -EINVAL;
		vq->avail_wrap = vq->used_wrap = next_avail >> 15 != 0;
		next_avail &= 0x7fff;
	}
	vq->next_avail = vq->next_used = (uint16_t)next_avail;
	vq->avail_seen = vq->next_avail;
	return 0;
}

/* ---- a request's way ---------------------------------------------------------- */

bool
inflight_note(struct virtq *vq, uint32_t n, const struct packed_desc *d)
{
	struct inflight_packed *r = vq->region;
	uint16_t i = n == 1 ? vq->free_entry : vq->noted_next;
	struct inflight_packed_entry *e;

	if (i >= vq->layout.size)
		return false;
	e = &r->desc[i];
	e->id = d->id;
	e->flags = d->flags;
	e->len = d->len;
	e->addr = d->addr;
	vq->noted = i;
	vq->noted_next = LOAD(&e->next);
	return true;
}

void
inflight_packed_take(struct virtq *vq, struct virtq_chain *chain)
{
	struct inflight_packed *r = vq->region;
	struct inflight_packed_entry *e;

	if (r == NULL)
		return;
	e = &r->desc[vq->free_entry];
	chain->entry = vq->free_entry;
	e->last = vq->noted;
	e->num = chain->descs;
	e->counter = vq->counter++;
	IN_ORDER();
	STORE(&e->inflight, 1);
	/* An end before this frees it again: it stays in the list. */
	vq->free_entry = vq->noted_next;
	region_set_free(vq, vq->free_entry, vq->free_entry);
	entry_set_taken(vq, chain->entry, true);
}

void
inflight_untake(struct virtq *vq, const struct virtq_chain *chain)
{
	struct inflight_packed *r = vq->region;
	uint16_t last;

	if (r == NULL)
		return;
	entry_set_taken(vq, chain->entry, false);
	if (!vq->packed) {
		STORE(&split_entry(vq, chain->entry)->inflight, 0);
		return;
	}
	last = LOAD(&r->desc[chain->entry].last);
	STORE(&r->desc[chain->entry].inflight, 0);
	IN_ORDER();
	if (last < vq->layout.size)
		STORE(&r->desc[last].next, vq->free_entry);
	vq->free_entry = chain->entry;
	region_set_free(vq, vq->free_entry, vq->free_entry);
}

void
inflight_packed_used(struct virtq *vq, const struct virtq_chain *chain)
{
	struct inflight_packed *r = vq->region;
	uint16_t last;

	if (r == NULL)
		return;
	last = LOAD(&r->desc[chain->entry].last);
	if (last >= vq->layout.size) {
		(void)virtq_break(vq, "in-flight region changed");
		return;
	}
	/* Heads are linked by their chains' last entries. */
	if (vq->batch == 0)
		vq->batch_tail = last;
	else
		STORE(&r->desc[last].next, vq->batch_head);
	vq->batch_head = chain->entry;
	vq->batch++;
}

void
inflight_packed_settle(struct virtq *vq)
{
	struct inflight_packed *r = vq->region;

	if (r == NULL || vq->batch == 0)
		return;
	STORE(&r->desc[vq->batch_tail].next, vq->free_entry);
	region_set_free(vq, vq->batch_head, vq->free_entry);
	region_set_used(vq, region_used_place(vq), (uint16_t)(r->old_used_idx |
	    r->old_used_wrap << 15));
}

void
inflight_packed_settled(struct virtq *vq)
{
	struct inflight_packed *r = vq->region;
	uint16_t i = vq->batch_head, last;

	if (r == NULL || vq->batch == 0)
		return;
	IN_ORDER();
	for (unsigned int n = vq->batch; n > 0 && i < vq->layout.size; n--) {
		STORE(&r->desc[i].inflight, 0);
		entry_set_taken(vq, i, false);
		last = LOAD(&r->desc[i].last);
		if (last >= vq->layout.size)
			break;
		i = LOAD(&r->desc[last].next);
	}
	vq->free_entry = vq->batch_head;
	region_set_free(vq, vq->free_entry, vq->free_entry);
	region_set_used(vq, region_used_place(vq), region_used_place(vq));
	vq->batch = 0;
}
