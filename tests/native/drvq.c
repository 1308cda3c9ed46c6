/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver's side of a virtqueue, see drvq.h. Written from the specification, not
 * from device-workers/lib/virtq.c, whose judge it is.
 */
#include "tests/native/drvq.h"

#include <string.h>

#define F_NEXT 1u
#define F_WRITE 2u
#define F_INDIRECT 4u
#define F_AVAIL 0x80u
#define F_USED 0x8000u

unsigned int drvq_errors;

static uint16_t *
at16(struct drvq *q, uint64_t addr)
{
	return (uint16_t *)(void *)(q->ram + addr);
}

static uint16_t
load16(struct drvq *q, uint64_t addr)
{
	return __atomic_load_n(at16(q, addr), __ATOMIC_ACQUIRE);
}

static void
store16(struct drvq *q, uint64_t addr, uint32_t v)
{
	__atomic_store_n(at16(q, addr), (uint16_t)v, __ATOMIC_RELEASE);
}

static void
put_desc(uint8_t *at, uint64_t addr, uint32_t len, uint32_t third,
    uint32_t fourth)
{
	uint16_t a = (uint16_t)third, b = (uint16_t)fourth;

	memcpy(at, &addr, 8);
	memcpy(at + 8, &len, 4);
	memcpy(at + 12, &a, 2);
	memcpy(at + 14, &b, 2);
}

static uint64_t
align(uint64_t n)
{
	return (n + 4095) & ~4095ull;
}

void
drvq_init(struct drvq *q, uint8_t *ram, uint64_t at, uint16_t size,
    uint64_t features)
{
	memset(q, 0, sizeof(*q));
	q->ram = ram;
	q->size = size;
	q->packed = (features >> 34 & 1) != 0;
	q->event_idx = (features >> 29 & 1) != 0;
	q->desc = at;
	q->avail = at + 16ull * size;
	q->used = align(q->avail + (q->packed ? 4 : 6 + 2ull * size));
	q->end = align(q->used + (q->packed ? 4 : 6 + 8ull * size));
	memset(ram + at, 0, q->end - at);
	q->nfree = size;
	q->avail_wrap = q->used_wrap = true;
	if (!q->packed)
		for (unsigned int i = 0; i < size; i++)
			store16(q, q->desc + 16 * i + 14, i + 1);
}

static int
find_id(struct drvq *q)
{
	for (int i = 0; i < q->size; i++)
		if (!q->request[i].busy)
			return i;
	return -1;
}

static void
fill_table(struct drvq *q, const struct drvq_buf *bufs, unsigned int n,
    uint64_t table)
{
	for (unsigned int i = 0; i < n; i++) {
		uint32_t flags = bufs[i].write ? F_WRITE : 0;
		uint8_t *at = q->ram + table + 16ull * i;

		if (q->packed)
			put_desc(at, bufs[i].addr, bufs[i].len, 0, flags);
		else
			put_desc(at, bufs[i].addr, bufs[i].len, flags |
			    (i + 1 < n ? F_NEXT : 0), i + 1 < n ? i + 1 : 0);
	}
}

static int
add_split(struct drvq *q, const struct drvq_buf *bufs, unsigned int n,
    bool indirect)
{
	uint16_t head = q->free_head, i = head;

	for (unsigned int k = 0; k < n; k++) {
		uint16_t next = load16(q, q->desc + 16ull * i + 14);

		put_desc(q->ram + q->desc + 16ull * i, bufs[k].addr,
		    bufs[k].len, (bufs[k].write ? F_WRITE : 0) |
		    (indirect ? F_INDIRECT : 0) | (k + 1 < n ? F_NEXT : 0),
		    next);
		i = next;
	}
	q->free_head = i;
	store16(q, q->avail + 4 + 2ull * (q->next_avail % q->size), head);
	q->next_avail++;
	return head;
}

static int
add_packed(struct drvq *q, const struct drvq_buf *bufs, unsigned int n,
    bool indirect)
{
	int id = find_id(q);

	for (unsigned int k = 0; k < n; k++) {
		uint64_t at = q->desc + 16ull * q->next_avail;
		uint32_t flags = (bufs[k].write ? F_WRITE : 0) |
		    (indirect ? F_INDIRECT : 0) | (k + 1 < n ? F_NEXT : 0) |
		    (q->avail_wrap ? F_AVAIL : F_USED);

		memcpy(q->ram + at, &bufs[k].addr, 8);
		memcpy(q->ram + at + 8, &bufs[k].len, 4);
		store16(q, at + 12, (uint32_t)id);
		if (!q->head_held) {
			q->head_held = true;
			q->head_slot = q->next_avail;
			q->head_flags = (uint16_t)flags;
		} else {
			store16(q, at + 14, flags);
		}
		if (++q->next_avail == q->size) {
			q->next_avail = 0;
			q->avail_wrap = !q->avail_wrap;
		}
	}
	q->unpublished = (uint16_t)(q->unpublished + n);
	return id;
}

int
drvq_add(struct drvq *q, const struct drvq_buf *bufs, unsigned int n,
    uint64_t table, uint64_t cookie)
{
	struct drvq_buf whole = { .addr = table, .len = 16 * n };
	unsigned int descs = table != 0 ? 1 : n;
	int id;

	if (descs > q->nfree)
		return -1;
	if (table != 0) {
		fill_table(q, bufs, n, table);
		bufs = &whole;
	}
	id = q->packed ? add_packed(q, bufs, descs, table != 0) :
	    add_split(q, bufs, descs, table != 0);
	q->nfree = (uint16_t)(q->nfree - descs);
	q->request[id].busy = true;
	q->request[id].descs = (uint16_t)descs;
	q->request[id].cookie = cookie;
	return id;
}

static bool
passed(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

bool
drvq_publish(struct drvq *q)
{
	uint16_t flags, off_wrap, old = q->published, off;
	uint16_t added = q->unpublished;

	q->published = q->next_avail;
	q->unpublished = 0;
	if (!q->packed) {
		store16(q, q->avail + 2, q->next_avail);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!q->event_idx)
			return (load16(q, q->used) & 1) == 0;
		return passed(load16(q, q->used + 4 + 8ull * q->size),
		    q->next_avail, old);
	}
	if (q->head_held)
		store16(q, q->desc + 16ull * q->head_slot + 14, q->head_flags);
	q->head_held = false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	flags = load16(q, q->used + 2);
	if (flags != 2)
		return flags == 0 && added > 0;
	off_wrap = load16(q, q->used);
	off = off_wrap & 0x7fff;
	if (off_wrap >> 15 != q->avail_wrap)
		off = (uint16_t)(off - q->size);
	return passed(off, q->next_avail, (uint16_t)(q->next_avail - added));
}

static bool
is_used(struct drvq *q)
{
	uint16_t flags;

	if (!q->packed)
		return load16(q, q->used + 2) != q->next_used;
	flags = load16(q, q->desc + 16ull * q->next_used + 14);
	return ((flags & F_AVAIL) != 0) == q->used_wrap &&
	    ((flags & F_USED) != 0) == q->used_wrap;
}

/* Give the descriptors of split request @id back to the free list. */
static void
free_split(struct drvq *q, uint32_t id)
{
	uint32_t last = id;

	for (unsigned int i = 1; i < q->request[id].descs; i++)
		last = load16(q, q->desc + 16ull * last + 14);
	store16(q, q->desc + 16ull * last + 14, q->free_head);
	q->free_head = (uint16_t)id;
}

bool
drvq_get(struct drvq *q, uint64_t *cookie, uint32_t *len)
{
	uint32_t id = 0;

	if (!is_used(q))
		return false;
	if (q->packed) {
		uint64_t at = q->desc + 16ull * q->next_used;

		id = load16(q, at + 12);
		memcpy(len, q->ram + at + 8, 4);
		/* 2.8.4: a length means something where WRITE is set. */
		if (*len > 0 && (load16(q, at + 14) & F_WRITE) == 0)
			drvq_errors++;
	} else {
		uint64_t at = q->used + 4 + 8ull * (q->next_used % q->size);

		memcpy(&id, q->ram + at, 4);
		memcpy(len, q->ram + at + 4, 4);
		q->next_used++;
	}
	if (id >= q->size || !q->request[id].busy) {
		drvq_errors++;
		return false;
	}
	if (q->packed) {
		q->next_used = (uint16_t)(q->next_used + q->request[id].descs);
		if (q->next_used >= q->size) {
			q->next_used = (uint16_t)(q->next_used - q->size);
			q->used_wrap = !q->used_wrap;
		}
	} else {
		free_split(q, id);
	}
	q->request[id].busy = false;
	q->nfree = (uint16_t)(q->nfree + q->request[id].descs);
	*cookie = q->request[id].cookie;
	return true;
}

bool
drvq_want_calls(struct drvq *q, bool want)
{
	if (q->packed) {
		if (want && q->event_idx)
			store16(q, q->avail, (uint32_t)(q->next_used |
			    q->used_wrap << 15));
		store16(q, q->avail + 2, !want ? 1 : q->event_idx ? 2 : 0);
	} else if (q->event_idx) {
		/* None: an event that has just been passed. */
		store16(q, q->avail + 4 + 2ull * q->size,
		    want ? q->next_used : (uint32_t)q->next_used - 1);
	} else {
		store16(q, q->avail, want ? 0 : 1);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return is_used(q);
}

bool
drvq_all_taken(struct drvq *q)
{
	if (!q->packed)
		return load16(q, q->used + 4 + 8ull * q->size) == q->next_avail;
	return load16(q, q->used) == (uint16_t)(q->next_avail |
	    q->avail_wrap << 15);
}
