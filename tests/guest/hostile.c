/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split and packed rings as no driver should write them, on every queue of every
 * virtio device that is there. After each: the device answers (where the
 * specification lets it, with DEVICE_NEEDS_RESET), and works after a reset.
 * That no worker has died is the host's to see. "turns": of the kinds of ring that a
 * device has, one after the other on its queues, not all on each. "kinds=N" devices are
 * to be there.
 */
#include "lib/units.h"

#define SIZE 16u
#define QUEUES 5u		/* of a device, at most */
#define END_MS 30000u
#define HOLE 0xd0000000ull		/* no RAM, no device */
#define FAR 0x7000000000ull		/* beyond all RAM */

/* What must follow. */
enum outcome {
	NEEDS_RESET,		/* DEVICE_NEEDS_RESET, nothing else */
	CHAINED,		/* that on a split ring */
	ANSWERED,		/* that, or the request comes back */
	ALIVE,			/* anything but death */
};

static struct vdev d;
static struct vq q;
static uint8_t *page;		/* memory that descriptors may name */
static uint32_t ram_end;
static unsigned int found;

struct attack {
	const char *name;
	enum outcome want;
	void (*make)(void);
};

static void desc(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
    uint16_t next)
{
	q.desc[i] = (struct desc){ addr, len, flags, next };
}

static void avail(uint16_t head)
{
	q.avail[2 + q.next_avail % SIZE] = head;
	barrier();
	q.avail[1] = ++q.next_avail;
}

/* ---- split ---- */

static void loop_two(void)
{
	desc(0, (uintptr_t)page, 16, DESC_NEXT, 1);
	desc(1, (uintptr_t)page, 16, DESC_NEXT, 0);
	avail(0);
}

static void loop_self(void)
{
	desc(3, (uintptr_t)page, 512, DESC_NEXT | DESC_WRITE, 3);
	avail(3);
}

static void next_out_of_range(void)
{
	desc(0, (uintptr_t)page, 16, DESC_NEXT, SIZE);
	avail(0);
}

static void next_far_out(void)
{
	desc(0, (uintptr_t)page, 16, DESC_NEXT, 0xffff);
	avail(0);
}

static void head_out_of_range(void)
{
	avail(SIZE);
}

static void head_far_out(void)
{
	avail(0xffff);
}

static void avail_jump(void)
{
	q.avail[1] = (uint16_t)(q.next_avail + SIZE + 1);
}

static void avail_back(void)
{
	q.avail[1] = (uint16_t)(q.next_avail - 1);
}

static void in_hole(void)
{
	desc(0, HOLE, 16, DESC_NEXT, 1);
	desc(1, HOLE + PAGE, 512, DESC_NEXT | DESC_WRITE, 2);
	desc(2, HOLE, 1, DESC_WRITE, 0);
	avail(0);
}

static void beyond_ram(void)
{
	desc(0, (uintptr_t)page, 16, DESC_NEXT, 1);
	desc(1, FAR, 512, DESC_WRITE, 0);
	avail(0);
}

static void over_the_end(void)
{
	desc(0, (uintptr_t)page, 16, DESC_NEXT, 1);
	desc(1, ram_end - 256, 512, DESC_WRITE, 0);
	avail(0);
}

static void wraps_64(void)
{
	desc(0, (uintptr_t)page, 16, DESC_NEXT, 1);
	desc(1, 0xfffffffffffffff0ull, 512, DESC_WRITE, 0);
	avail(0);
}

static void four_gib(void)
{
	desc(0, (uintptr_t)page, 0xffffffff, 0, 0);
	avail(0);
}

static void four_gib_in_parts(void)
{
	for (unsigned int i = 0; i < 8; i++)
		desc(i, 0x100000, 0x80000000, i < 7 ? DESC_NEXT : 0,
		    (uint16_t)(i + 1));
	avail(0);
}

static void write_then_read(void)
{
	desc(0, (uintptr_t)page, 16, DESC_WRITE | DESC_NEXT, 1);
	desc(1, (uintptr_t)page + 64, 16, 0, 0);
	avail(0);
}

static void zero_lengths(void)
{
	desc(0, (uintptr_t)page, 0, DESC_NEXT, 1);
	desc(1, (uintptr_t)page, 0, DESC_WRITE, 0);
	avail(0);
}

static void one_byte_out(void)
{
	desc(0, (uintptr_t)page, 1, 0, 0);
	avail(0);
}

static void one_byte_in(void)
{
	desc(0, (uintptr_t)page, 1, DESC_WRITE, 0);
	avail(0);
}

static void unknown_flags(void)
{
	desc(0, (uintptr_t)page, 16, 0xfff8, 0);
	avail(0);
}

static void onto_the_ring(void)
{
	/* The device writes over the table it is reading, and used. */
	desc(0, (uintptr_t)page, 16, DESC_NEXT, 1);
	desc(1, (uintptr_t)q.desc, SIZE * 16, DESC_NEXT | DESC_WRITE, 2);
	desc(2, (uintptr_t)q.used, 64, DESC_NEXT | DESC_WRITE, 3);
	desc(3, (uintptr_t)q.avail, 32, DESC_WRITE, 0);
	avail(0);
}

static void same_head_often(void)
{
	desc(0, (uintptr_t)page, 16, DESC_NEXT, 1);
	desc(1, (uintptr_t)page + 64, 512, DESC_NEXT | DESC_WRITE, 2);
	desc(2, (uintptr_t)page + 1024, 1, DESC_WRITE, 0);
	for (unsigned int i = 0; i < SIZE; i++)
		avail(0);
}

static void noise(void)
{
	static uint32_t x = 1;
	uint32_t *w = (uint32_t *)(void *)q.desc;

	for (unsigned int i = 0; i < SIZE * 4; i++)
		w[i] = x = x * 1664525 + 1013904223;
	for (unsigned int i = 0; i < SIZE; i++)
		avail((uint16_t)(x >> (i & 15)));
}

/* ---- indirect tables; of both rings by their layout ---- */

static void table(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
    uint16_t next)
{
	if (q.packed)
		((struct pdesc *)(void *)page)[i] =
		    (struct pdesc){ addr, len, next, flags };
	else
		((struct desc *)(void *)page)[i] =
		    (struct desc){ addr, len, flags, next };
}

static void one(uint64_t addr, uint32_t len, uint16_t flags)
{
	if (q.packed) {
		q.ring[0] = (struct pdesc){ addr, len, 0, 0 };
		barrier();
		*(volatile uint16_t *)&q.ring[0].flags = flags | PDESC_AVAIL;
		return;
	}
	desc(0, addr, len, flags, 1);
	avail(0);
}

static void indirect_empty(void)
{
	one((uintptr_t)page, 0, DESC_INDIRECT);
}

static void indirect_odd(void)
{
	table(0, (uintptr_t)page + 256, 16, 0, 0);
	one((uintptr_t)page, 17, DESC_INDIRECT);
}

static void indirect_nested(void)
{
	table(0, (uintptr_t)page, 16, DESC_INDIRECT, 0);
	one((uintptr_t)page, 16, DESC_INDIRECT);
}

static void indirect_hole(void)
{
	one(HOLE, 32, DESC_INDIRECT);
}

static void indirect_wrap(void)
{
	one(0xfffffffffffffff0ull, 64, DESC_INDIRECT);
}

static void indirect_huge(void)
{
	one(0x100000, 0xfffffff0, DESC_INDIRECT);
}

static void indirect_many(void)
{
	/* More descriptors than a chain may have: 64 KiB of table. */
	one(0x1000000, 65536, DESC_INDIRECT);
}

static void indirect_loop(void)
{
	table(0, (uintptr_t)page + 256, 16, DESC_NEXT, 1);
	table(1, (uintptr_t)page + 256, 16, DESC_NEXT, 0);
	one((uintptr_t)page, 32, DESC_INDIRECT);
}

static void indirect_next_out(void)
{
	table(0, (uintptr_t)page + 256, 16, DESC_NEXT, 2);
	table(1, (uintptr_t)page + 256, 16, 0, 0);
	one((uintptr_t)page, 32, DESC_INDIRECT);
}

static void indirect_and_next(void)
{
	table(0, (uintptr_t)page + 256, 16, 0, 0);
	if (!q.packed)
		desc(1, (uintptr_t)page, 16, 0, 0);
	one((uintptr_t)page, 16, DESC_INDIRECT | DESC_NEXT);
}

/* ---- packed ---- */

static void pdesc(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags)
{
	q.ring[i].addr = addr;
	q.ring[i].len = len;
	q.ring[i].id = (uint16_t)i;
	barrier();
	*(volatile uint16_t *)&q.ring[i].flags = flags | PDESC_AVAIL;
}

static void endless(void)
{
	for (unsigned int i = SIZE; i-- > 0;)
		pdesc(i, (uintptr_t)page, 16, DESC_NEXT);
}

static void packed_hole(void)
{
	pdesc(1, HOLE, 512, DESC_WRITE);
	pdesc(0, HOLE, 16, DESC_NEXT);
}

static void packed_wraps(void)
{
	pdesc(0, 0xfffffffffffffff0ull, 0xffffffff, 0);
}

static void packed_order(void)
{
	pdesc(1, (uintptr_t)page, 16, 0);
	pdesc(0, (uintptr_t)page, 16, DESC_NEXT | DESC_WRITE);
}

static void packed_id(void)
{
	q.ring[0].id = 0xffff;
	q.ring[0].addr = (uintptr_t)page;
	q.ring[0].len = 16;
	barrier();
	*(volatile uint16_t *)&q.ring[0].flags = PDESC_AVAIL;
}

static void packed_events(void)
{
	/* Event areas full of nonsense, then a request. */
	q.avail[0] = 0xffff;
	q.avail[1] = 0xffff;
	pdesc(0, (uintptr_t)page, 16, 0);
}

static void packed_noise(void)
{
	static uint32_t x = 7;
	uint32_t *w = (uint32_t *)(void *)q.ring;

	for (unsigned int i = 0; i < SIZE * 4; i++)
		w[i] = x = x * 1664525 + 1013904223;
	for (unsigned int i = 0; i < SIZE; i++)
		q.ring[i].flags = (uint16_t)((q.ring[i].flags & 7) |
		    PDESC_AVAIL);
}

static const struct attack split[] = {
	{ "loop of two", NEEDS_RESET, loop_two },
	{ "loop of one", NEEDS_RESET, loop_self },
	{ "next out of range", NEEDS_RESET, next_out_of_range },
	{ "next far out of range", NEEDS_RESET, next_far_out },
	{ "head out of range", NEEDS_RESET, head_out_of_range },
	{ "head far out of range", NEEDS_RESET, head_far_out },
	{ "avail index jumps", NEEDS_RESET, avail_jump },
	{ "avail index goes back", NEEDS_RESET, avail_back },
	{ "address in the hole", ANSWERED, in_hole },
	{ "address beyond RAM", ANSWERED, beyond_ram },
	{ "over the end of RAM", ANSWERED, over_the_end },
	{ "address and length wrap", ANSWERED, wraps_64 },
	{ "length of 4 GiB", ANSWERED, four_gib },
	{ "lengths past 4 GiB together", ANSWERED, four_gib_in_parts },
	{ "writable before readable", ANSWERED, write_then_read },
	{ "lengths of zero", ANSWERED, zero_lengths },
	{ "one readable byte", ANSWERED, one_byte_out },
	{ "one writable byte", ANSWERED, one_byte_in },
	{ "unknown flags", ALIVE, unknown_flags },
	{ "buffer over the ring", ALIVE, onto_the_ring },
	{ "one head many times", ALIVE, same_head_often },
	{ "noise", ALIVE, noise },
};

static const struct attack indirect[] = {
	{ "empty table", NEEDS_RESET, indirect_empty },
	{ "table of an odd length", NEEDS_RESET, indirect_odd },
	{ "table in a table", NEEDS_RESET, indirect_nested },
	{ "table in the hole", NEEDS_RESET, indirect_hole },
	{ "table wraps", NEEDS_RESET, indirect_wrap },
	{ "table of 4 GiB", NEEDS_RESET, indirect_huge },
	{ "table too long", ANSWERED, indirect_many },
	{ "loop in a table", CHAINED, indirect_loop },
	{ "next out of the table", CHAINED, indirect_next_out },
	{ "indirect and next", NEEDS_RESET, indirect_and_next },
};

static const struct attack packed[] = {
	{ "chain without end", NEEDS_RESET, endless },
	{ "address in the hole", ANSWERED, packed_hole },
	{ "address and length wrap", ANSWERED, packed_wraps },
	{ "writable before readable", ANSWERED, packed_order },
	{ "id out of range", ALIVE, packed_id },
	{ "event areas of nonsense", ANSWERED, packed_events },
	{ "noise", ALIVE, packed_noise },
};

/* ---- the course of each ---- */

static bool start(uint16_t index, uint64_t features)
{
	static struct vq other;
	uint16_t n;

	if (!virtio_negotiate(&d, features))
		return false;
	n = read16(d.common + CC_NUM_QUEUES);
	for (uint16_t i = 0; i < n && i < QUEUES; i++)
		if (!vq_setup(i == index ? &q : &other, &d, i, SIZE))
			return false;
	virtio_driver_ok(&d);
	return true;
}

/* Has the device returned anything on the queue? */
static bool used_something(void)
{
	if (!q.packed)
		return q.used[1] != 0;
	return (*(volatile uint16_t *)&q.ring[0].flags & PDESC_USED) != 0;
}

static bool follows(enum outcome want)
{
	uint32_t t = now_ms();

	if (want == ALIVE) {
		delay_ms(2);
		return true;
	}
	do {
		if (virtio_status(&d) & STATUS_NEEDS_RESET)
			return true;
		if (want == ANSWERED && used_something())
			return true;
	} while (now_ms() - t < END_MS);
	return false;
}

/* What is in these queues is looked at or stays there until there is input, or a question. */
static bool only_on_input(uint16_t index)
{
	switch (d.id) {
	case VIRTIO_NET:
	case VIRTIO_CONSOLE:
	case VIRTIO_VSOCK:
		return index != 1;
	case VIRTIO_BALLOON:
		return index == 2;
	default:
		return false;
	}
}

static void attack(uint16_t index, const struct attack *a, unsigned int n,
    uint64_t features, const char *name)
{
	uintptr_t mark = heap_mark();

	/* Packed tables have no chain: 2.8.7, NEXT in them is to be ignored. */
	bool rx = only_on_input(index);
	static char title[64];
	char *p = title;

	for (const char *s = name; *s; s++)
		*p++ = *s;
	*p++ = '-';
	*p++ = (char)('0' + index);
	*p = 0;
	begin(title);
	for (unsigned int i = 0; i < n; i++) {
		enum outcome want = a[i].want;
		bool strict;

		if (!start(index, features)) {
			fail("no start before %s", a[i].name);
			break;
		}
		if (want == CHAINED)
			want = q.packed ? ANSWERED : NEEDS_RESET;
		if (rx || cmdline_has("qemu"))
			want = ALIVE;
		strict = want == NEEDS_RESET;
		/* No page number of the balloon's. */
		memset(page, d.id == VIRTIO_BALLOON ? 0xff : 0, PAGE);
		a[i].make();
		vq_kick(&q, true);
		if (!follows(want))
			fail("%s: the device does not answer", a[i].name);
		if (strict && !(virtio_status(&d) & STATUS_NEEDS_RESET))
			fail("%s: no DEVICE_NEEDS_RESET", a[i].name);
		/* Kicking a broken device is no way to wake it. */
		vq_kick(&q, true);
		if (!virtio_reset(&d, END_MS)) {
			fail("%s: no reset", a[i].name);
			break;
		}
		heap_release(mark);
	}
	check(start(index, features));
	delay_ms(2);
	check(!(virtio_status(&d) & STATUS_NEEDS_RESET));
	check(virtio_reset(&d, END_MS));
	end();
	heap_release(mark);
}

/* An indirect flag that was not negotiated breaks the ring. */
static void not_negotiated(void)
{
	static const struct attack a[] = {
		{ "indirect, not negotiated", NEEDS_RESET, indirect_empty },
	};

	attack(only_on_input(0), a, 1, 0,
	    "not-negotiated");
}

static void device(const struct unit *u)
{
	static const struct {
		const struct attack *attacks;
		unsigned int n;
		uint64_t features;
	} sets[] = {
		{ split, ARRAY_LEN(split), 0 },
		{ packed, ARRAY_LEN(packed), F_PACKED },
		{ indirect, ARRAY_LEN(indirect), F_INDIRECT },
		{ split, ARRAY_LEN(split), F_EVENT_IDX },
		{ indirect, ARRAY_LEN(indirect), F_PACKED | F_INDIRECT },
	};
	static unsigned int turn;
	unsigned int offered[ARRAY_LEN(sets)], n = 0;
	uint16_t queues;

	if (!virtio_find(&d, u->kind, u->nth))
		return;
	print("# %s\n", u->name);
	found++;
	for (unsigned int k = 0; k < ARRAY_LEN(sets); k++)
		if (!(sets[k].features & ~virtio_offered(&d)))
			offered[n++] = k;
	queues = read16(d.common + CC_NUM_QUEUES);
	for (uint16_t i = 0; i < queues && i < QUEUES; i++)
		for (unsigned int k = 0; k < n; k++)
			if (!cmdline_has("turns") || turn++ % (n + 1) == 0)
				attack(i, sets[offered[k]].attacks,
				    sets[offered[k]].n, sets[offered[k]].features,
				    u->name);
	not_negotiated();
}

void guest_main(void)
{
	page = alloc(PAGE, PAGE);
	ram_end = (uint32_t)low_ram_end();
	for (unsigned int i = 0; i < UNITS; i++)
		device(&units[i]);
	begin("all-there");
	check_eq(found, cmdline_num("kinds", found));
	end();
}
