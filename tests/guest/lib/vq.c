/* SPDX-License-Identifier: Apache-2.0 */
/* Virtqueues, driver side, split and packed: see virtio.h. */
#include "lib/virtio.h"

#define WRAP_BIT 0x8000u

/* Event suppression of packed rings: off_wrap, flags. */
#define EVENT_ENABLE 0
#define EVENT_DISABLE 1
#define EVENT_DESC 2

bool vq_setup(struct vq *q, const struct vdev *d, uint16_t index, uint16_t size)
{
	uint16_t max;
	size_t avail_len, used_len;

	memset(q, 0, sizeof(*q));
	write16(d->common + CC_QUEUE_SELECT, index);
	max = read16(d->common + CC_QUEUE_SIZE);
	if (max == 0 || max > QUEUE_MAX)
		return false;
	q->d = d;
	q->index = index;
	q->size = size && size < max ? size : max;
	q->packed = (d->features & F_PACKED) != 0;
	q->event_idx = (d->features & F_EVENT_IDX) != 0;
	q->notify = d->notify +
	    read16(d->common + CC_QUEUE_NOTIFY_OFF) * d->notify_mult;
	q->desc = alloc((size_t)q->size * 16, 16);
	q->ring = (struct pdesc *)(void *)q->desc;
	avail_len = q->packed ? 4 : 6u + 2u * q->size;
	used_len = q->packed ? 4 : 6u + 8u * q->size;
	q->avail = alloc(avail_len, 4);
	q->used = alloc(used_len, 4);
	q->avail_wrap = q->used_wrap = true;
	q->free_count = q->size;
	for (uint16_t i = 0; i < q->size; i++)
		q->link[i] = (uint16_t)(i + 1);
	/* No interrupts: these guests poll. (With EVENT_IDX the split ring
	 * has no such flag; without a vector nothing is signalled.) */
	if (q->packed)
		q->avail[1] = EVENT_DISABLE;
	else if (!q->event_idx)
		q->avail[0] = 1;
	vq_program(d, index, q->size, (uintptr_t)q->desc, (uintptr_t)q->avail,
	    (uintptr_t)q->used);
	return read16(d->common + CC_QUEUE_ENABLE) == 1;
}

static uint16_t take(struct vq *q)
{
	uint16_t i = q->free_head;

	q->free_head = q->link[i];
	q->free_count--;
	return i;
}

static void give(struct vq *q, uint16_t i)
{
	q->link[i] = q->free_head;
	q->free_head = i;
	q->free_count++;
}

/* An indirect table, of either layout, kept for its head to use again. */
static void *make_table(struct vq *q, uint16_t head, const struct buf *b,
    unsigned int n)
{
	struct desc *t;
	struct pdesc *p;

	if (!q->indirect[head])
		q->indirect[head] = alloc(PAGE, 16);
	t = q->indirect[head];
	p = q->indirect[head];
	for (unsigned int i = 0; i < n; i++) {
		uint16_t w = b[i].write ? DESC_WRITE : 0;

		if (q->packed) {
			p[i] = (struct pdesc){ b[i].addr, b[i].len, 0, w };
			continue;
		}
		if (i + 1 < n)
			w |= DESC_NEXT;
		t[i] = (struct desc){ b[i].addr, b[i].len, w,
			(uint16_t)(i + 1) };
	}
	return t;
}

static int add_split(struct vq *q, const struct buf *b, unsigned int n)
{
	uint16_t head = q->free_head, prev = 0;

	q->count[head] = (uint16_t)n;
	for (unsigned int i = 0; i < n; i++) {
		uint16_t d = take(q);

		q->desc[d].addr = b[i].addr;
		q->desc[d].len = b[i].len;
		q->desc[d].flags = b[i].write ? DESC_WRITE : 0;
		if (i)
			q->desc[prev].next = d, q->desc[prev].flags |= DESC_NEXT;
		prev = d;
	}
	return head;
}

static void publish_split(struct vq *q, uint16_t head)
{
	q->avail[2 + q->next_avail % q->size] = head;
	barrier();
	q->next_avail++;
	q->avail[1] = q->next_avail;
}

/* @flags: DESC_INDIRECT or 0. The first descriptor's flags come last. */
static int add_packed(struct vq *q, const struct buf *b, unsigned int n,
    uint16_t flags, uint16_t id)
{
	struct pdesc *first = &q->ring[q->next_avail];
	uint16_t first_flags = 0;

	q->count[id] = (uint16_t)n;
	for (unsigned int i = 0; i < n; i++) {
		struct pdesc *d = &q->ring[q->next_avail];
		uint16_t f = flags;

		f |= q->avail_wrap ? PDESC_AVAIL : PDESC_USED;
		if (b[i].write)
			f |= DESC_WRITE;
		if (i + 1 < n)
			f |= DESC_NEXT;
		d->addr = b[i].addr;
		d->len = b[i].len;
		d->id = id;
		if (i)
			d->flags = f;
		else
			first_flags = f;
		if (++q->next_avail == q->size) {
			q->next_avail = 0;
			q->avail_wrap = !q->avail_wrap;
		}
	}
	barrier();
	*(volatile uint16_t *)&first->flags = first_flags;
	return id;
}

int vq_add(struct vq *q, const struct buf *b, unsigned int n, bool indirect)
{
	struct buf one;
	int head;

	if (q->free_count < (indirect ? 1 : n) || n == 0)
		return -1;
	if (indirect) {
		one.addr = (uintptr_t)make_table(q, q->free_head, b, n);
		one.len = n * 16;
		one.write = false;
	}
	if (q->packed) {
		uint16_t id = take(q);

		/* The slots of a chain beyond its first have no id. */
		if (indirect)
			return add_packed(q, &one, 1, DESC_INDIRECT, id);
		q->free_count = (uint16_t)(q->free_count - (n - 1));
		return add_packed(q, b, n, 0, id);
	}
	if (indirect) {
		head = add_split(q, &one, 1);
		q->desc[head].flags = DESC_INDIRECT;
	} else {
		head = add_split(q, b, n);
	}
	publish_split(q, (uint16_t)head);
	return head;
}

static bool wants_kick(const struct vq *q)
{
	uint16_t event, flags, off;

	full_barrier();
	if (!q->packed) {
		if (!q->event_idx)
			return !(q->used[0] & 1);
		event = q->used[2 + 4 * q->size];
		return (uint16_t)(q->next_avail - event - 1) <
		    (uint16_t)(q->next_avail - q->kicked);
	}
	flags = q->used[1] & 3;
	if (flags != EVENT_DESC)
		return flags == EVENT_ENABLE;
	/* The wrap counter of the event says which round it is of. */
	event = q->used[0];
	off = event & 0x7fff;
	if (((event & WRAP_BIT) != 0) != q->avail_wrap)
		off = (uint16_t)(off - q->size);
	return (uint16_t)(q->next_avail - off - 1) <
	    (uint16_t)(q->next_avail - q->kicked);
}

void vq_kick(struct vq *q, bool force)
{
	/* Packed: a wrapped ring makes the difference meaningless; notify. */
	if (force || wants_kick(q) || (q->packed && q->kicked > q->next_avail))
		write16(q->notify, q->index);
	q->kicked = q->next_avail;
}

static bool poll_packed(struct vq *q, int *id, uint32_t *len)
{
	const volatile struct pdesc *d = &q->ring[q->last_used];
	uint16_t f = d->flags, n;
	bool a = (f & PDESC_AVAIL) != 0, u = (f & PDESC_USED) != 0;

	if (a != u || u != q->used_wrap)
		return false;
	barrier();
	*id = d->id;
	*len = d->len;
	if (*id >= q->size || q->count[*id] == 0) {
		fail("used id %d of a packed ring was not in flight", *id);
		return false;
	}
	n = q->count[*id];
	q->count[*id] = 0;
	give(q, (uint16_t)*id);
	q->free_count = (uint16_t)(q->free_count + (n - 1));
	q->last_used = (uint16_t)(q->last_used + n);
	if (q->last_used >= q->size) {
		q->last_used = (uint16_t)(q->last_used - q->size);
		q->used_wrap = !q->used_wrap;
	}
	return true;
}

bool vq_poll(struct vq *q, int *id, uint32_t *len)
{
	const volatile uint32_t *e;
	uint32_t head;
	uint16_t d;

	if (q->packed)
		return poll_packed(q, id, len);
	if (q->used[1] == q->last_used)
		return false;
	barrier();
	e = (const volatile uint32_t *)(uintptr_t)
	    (q->used + 2 + 4 * (q->last_used % q->size));
	head = e[0];
	*len = e[1];
	q->last_used++;
	if (head >= q->size || q->count[head] == 0) {
		fail("used id %u was not in flight", head);
		return false;
	}
	*id = (int)head;
	d = (uint16_t)head;
	for (uint16_t n = q->count[head]; n; n--) {
		uint16_t next = q->desc[d].next;

		give(q, d);
		d = next;
	}
	q->count[head] = 0;
	return true;
}

bool vq_wait(struct vq *q, int *id, uint32_t *len, uint32_t ms)
{
	uint32_t t = now_ms();

	while (!vq_poll(q, id, len))
		if (now_ms() - t > ms)
			return false;
	return true;
}

int vq_do(struct vq *q, const struct buf *b, unsigned int n, bool indirect)
{
	uint32_t len;
	int id, got;

	id = vq_add(q, b, n, indirect);
	if (id < 0)
		return -1;
	vq_kick(q, false);
	if (!vq_wait(q, &got, &len, 30000) || got != id)
		return -1;
	return (int)len;
}
