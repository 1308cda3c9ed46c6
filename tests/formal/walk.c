// SPDX-License-Identifier: Apache-2.0
//
// The descriptor walk (device-workers/lib/virtq.c, virtq_chain.c): rings of one and
// two entries, split and packed, and an indirect table of two, with every
// combination of values of the sets below. The second description follows virtio
// 1.2, 2.7.5 and 2.8, a byte range at a time; what the walk returns has to be the
// same, or the queue broken where that says so. Ring, table and regions end at
// inaccessible pages.
#include <errno.h>

#include "device-workers/lib/virtq_chain.h"
#include "tests/formal/formal.h"

#define RW 0x10000ull		/* a writable page that ends in nothing */
#define EDGE 0x20000ull		/* two that touch for the guest alone */
#define RO 0x30000ull		/* a read-only page */
#define RING 0x40000ull		/* descriptors end where their page does */
#define OTHER 0x50000ull	/* avail and used, event areas */
#define TABLE 0x60000ull	/* an indirect table ends where its page does */

static struct gmem mem;
static struct virtq vq;
static struct virtq_chain chain;
static uint8_t *ring_end, *table_end, *other;
static uint64_t bad;

struct any_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;		/* packed: the id */
};

/* ---- the second description ------------------------------------------------------ */

struct part {
	uint64_t addr;
	uint32_t len;
	bool write;
};

static struct {
	struct part part[8];
	unsigned int n;
	bool broken;
} want;

static const struct gmem_region *
region_at(uint64_t addr)
{
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct gmem_region *r = &mem.region[i];

		if (r->size != 0 && addr >= r->gpa &&
		    (unsigned __int128)addr < (unsigned __int128)r->gpa + r->size)
			return r;
	}
	return NULL;
}

static void
want_buffer(const struct any_desc *d)
{
	bool write = (d->flags & DESC_F_WRITE) != 0;
	unsigned __int128 at = d->addr, end = at + d->len;

	for (unsigned int i = 0; i < want.n; i++)
		if (!write && want.part[i].write)
			want.broken = true;
	while (at < end && !want.broken) {
		const struct gmem_region *r = at > UINT64_MAX ? NULL :
		    region_at((uint64_t)at);

		if (r == NULL || (write && r->readonly)) {
			want.broken = true;
			return;
		}
		uint64_t left = (uint64_t)((unsigned __int128)r->gpa + r->size - at);
		uint64_t n = left < (uint64_t)(end - at) ? left :
		    (uint64_t)(end - at);

		want.part[want.n++] = (struct part){ (uint64_t)at, (uint32_t)n,
						      write };
		at += n;
	}
}

static void want_list(const struct any_desc *d, unsigned int n, unsigned int i,
    bool in_order, bool inner);

/* A descriptor of a table, a byte at a time: it may lie across two regions. */
static bool
fetch(uint64_t addr, struct any_desc *d)
{
	uint8_t raw[16];

	for (unsigned int i = 0; i < 16; i++, addr++) {
		const struct gmem_region *r = region_at(addr);

		if (r == NULL)
			return false;
		raw[i] = r->host[addr - r->gpa];
	}
	memcpy(&d->addr, raw, 8);
	memcpy(&d->len, raw + 8, 4);
	memcpy(&d->flags, raw + (vq.packed ? 14 : 12), 2);
	memcpy(&d->next, raw + (vq.packed ? 12 : 14), 2);
	return true;
}

/*
 * An entry outside of memory breaks the queue only where the walk comes to it: it
 * stands here as one that breaks it, whoever looks at it.
 */
static void
want_table(const struct any_desc *d)
{
	unsigned int n = d->len / 16;
	struct any_desc in[2];

	if (!vq.indirect || d->len == 0 || d->len % 16 != 0) {
		want.broken = true;
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		if (!fetch(d->addr + 16 * (uint64_t)i, &in[i]))
			in[i] = (struct any_desc){ .flags = DESC_F_INDIRECT };
	want_list(in, n, 0, vq.packed, true);
}

static struct any_desc table[2];

static void
want_list(const struct any_desc *d, unsigned int n, unsigned int i, bool in_order,
    bool inner)
{
	for (unsigned int steps = 0; steps < n && !want.broken; steps++) {
		if ((d[i].flags & DESC_F_INDIRECT) != 0) {
			if (inner || (d[i].flags & DESC_F_NEXT) != 0)
				want.broken = true;
			else
				want_table(&d[i]);
			return;
		}
		want_buffer(&d[i]);
		if (in_order) {
			i++;
			continue;
		}
		if ((d[i].flags & DESC_F_NEXT) == 0)
			return;
		if (d[i].next >= n)
			want.broken = true;
		else
			i = d[i].next;
	}
	if (!in_order)
		want.broken = true;	/* in a circle */
}

/* The ring itself, packed: descriptors in order, to the first without NEXT. */
static void
want_packed(const struct any_desc *d, unsigned int n)
{
	for (unsigned int i = 0; i < n && !want.broken; i++) {
		if ((d[i].flags & DESC_F_INDIRECT) != 0) {
			if (i > 0 || (d[i].flags & DESC_F_NEXT) != 0)
				want.broken = true;
			else
				want_table(&d[i]);
			return;
		}
		want_buffer(&d[i]);
		if ((d[i].flags & DESC_F_NEXT) == 0)
			return;
	}
	want.broken = true;
}

/* ---- the comparison -------------------------------------------------------------- */

static bool
same(void)
{
	unsigned int n = chain.nread + (unsigned int)chain.nwrite;
	uint64_t len[2] = { 0, 0 };

	if (n != want.n)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		const struct part *p = &want.part[i];
		const struct gmem_region *r = region_at(p->addr);

		if (chain.addr[i] != p->addr || chain.iov[i].iov_len != p->len ||
		    chain.iov[i].iov_base != r->host + (p->addr - r->gpa) ||
		    p->write != (i >= chain.nread))
			return false;
		len[p->write] += p->len;
	}
	return chain.read_len == len[0] && chain.write_len == len[1];
}

static void
say(const struct any_desc *d, unsigned int n, int rc)
{
	if (bad++ > 5)
		return;
	printf("# %s, %u: returns %d, %s expected with %u parts\n",
	    vq.packed ? "packed" : "split", n, rc,
	    want.broken ? "broken" : "a chain", want.n);
	for (unsigned int i = 0; i < n + 2; i++) {
		const struct any_desc *e = i < n ? &d[i] : &table[i - n];

		printf("#  %s %#llx %#x flags %x next %x\n", i < n ? "ring" : "table",
		    (unsigned long long)e->addr, e->len, e->flags, e->next);
	}
}

static void
put(uint8_t *at, const struct any_desc *d)
{
	uint16_t flags = (uint16_t)(d->flags | (vq.packed ? DESC_F_AVAIL : 0));

	memcpy(at, &d->addr, 8);
	memcpy(at + 8, &d->len, 4);
	memcpy(at + (vq.packed ? 14 : 12), &flags, 2);
	memcpy(at + (vq.packed ? 12 : 14), &d->next, 2);
}

/* One ring of @n entries, from @head on. */
static void
try(const struct any_desc *d, unsigned int n, uint16_t head, bool indirect,
    bool packed)
{
	const struct virtq_layout layout = {
		.size = n, .desc = RING + PAGE - 16 * n, .avail = OTHER,
		.used = OTHER + 256,
	};
	const uint64_t one = 1;
	uint64_t features = one << VIRTIO_F_VERSION_1 |
	    (uint64_t)indirect << VIRTIO_F_INDIRECT_DESC |
	    (uint64_t)packed << VIRTIO_F_RING_PACKED;
	const uint16_t avail[] = { 0, 1, head };
	int rc;

	if (virtq_enable(&vq, &mem, &layout, features, -1) != 0)
		abort();
	memcpy(other, avail, sizeof(avail));
	for (unsigned int i = 0; i < n; i++)
		put(ring_end - 16 * (n - i), &d[i]);
	for (unsigned int i = 0; i < 2; i++)
		put(table_end - 16 * (2 - i), &table[i]);
	want.n = 0;
	want.broken = false;
	if (packed)
		want_packed(d, n);
	else if (head >= n)
		want.broken = true;
	else
		want_list(d, n, head, false, false);
	rc = virtq_pop(&vq, &chain);
	cases++;
	if (want.broken ? rc != -EPROTO : rc != 1 || !same())
		say(d, n, rc);
}

/* ---- the sets -------------------------------------------------------------------- */

static const uint64_t addrs[] = {
	RW, RW + PAGE - 1, RW + PAGE - 16, EDGE + PAGE - 1, RO, 0,
	UINT64_MAX, TABLE + PAGE - 32, TABLE + PAGE - 16,
};
static const uint32_t lens[] = { 0, 1, 16, 32, 33, UINT32_MAX };
static const uint16_t nexts[] = { 0, 1, 2, UINT16_MAX };
#define FLAGS 8u		/* NEXT, WRITE, INDIRECT: all of them */
#define ALL (COUNT(addrs) * COUNT(lens) * COUNT(nexts) * FLAGS)

static struct any_desc
number(size_t i)
{
	struct any_desc d;

	d.flags = (uint16_t)(i % FLAGS);
	i /= FLAGS;
	d.next = nexts[i % COUNT(nexts)];
	i /= COUNT(nexts);
	d.len = lens[i % COUNT(lens)];
	d.addr = addrs[i / COUNT(lens)];
	return d;
}

/* Two descriptors each of which is any; in a quick run the second of every fifth. */
static void
try_rings(size_t step)
{
	struct any_desc d[2];

	table[0] = (struct any_desc){ RW, 16, DESC_F_NEXT, 1 };
	table[1] = (struct any_desc){ RW + 16, 16, DESC_F_WRITE, 0 };
	for (size_t a = 0; a < ALL; a++) {
		d[0] = number(a);
		for (uint16_t head = 0; head < 2; head++)
			for (int flags = 0; flags < 4; flags++)
				try(d, 1, head, (flags & 1) != 0, (flags & 2) != 0);
		for (size_t b = a % step; b < ALL; b += step) {
			d[1] = number(b);
			for (uint16_t head = 0; head < 3; head++)
				try(d, 2, head, true, false);
			try(d, 2, 0, true, true);
		}
	}
}

/* A ring of one indirect descriptor, and a table of any two. */
static void
try_tables(size_t step)
{
	struct any_desc d = { 0, 0, DESC_F_INDIRECT, 0 };

	for (size_t a = 0; a < ALL; a++) {
		table[0] = number(a);
		for (size_t b = a % step; b < ALL; b += step) {
			table[1] = number(b);
			for (uint32_t n = 1; n <= 2; n++) {
				d.addr = TABLE + PAGE - 16 * n;
				d.len = 16 * n;
				try(&d, 1, 0, true, false);
				try(&d, 1, 0, true, true);
			}
		}
	}
}

static void
add_region(unsigned int i, uint64_t at, uint8_t *host, bool readonly)
{
	mem.region[i] = (struct gmem_region){ at, PAGE, host, readonly };
}

int
main(int argc, char **argv)
{
	size_t step = argc > 1 ? (size_t)atoi(argv[1]) : 1;

	(void)argv;
	other = island(1);
	ring_end = island(1) + PAGE;
	table_end = island(1) + PAGE;
	add_region(0, RW, island(1), false);
	add_region(1, EDGE, island(1), false);
	add_region(2, EDGE + PAGE, island(1), false);
	add_region(3, RO, island(1), true);
	add_region(4, RING, ring_end - PAGE, false);
	add_region(5, OTHER, other, false);
	add_region(6, TABLE, table_end - PAGE, false);
	/* The very last page that a region can be of. */
	add_region(7, 0ull - 2 * PAGE, island(1), false);
	for (mem.near = 0; mem.near < 2; mem.near++) {
		try_rings(step);
		try_tables(step);
	}
	return verdict("the descriptor walk", bad == 0);
}
