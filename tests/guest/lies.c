/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of each kind of device (lib/units.h) as no driver should make it, one kind
 * after the other: cut at every byte, without room for the answer, with each buffer
 * elsewhere, empty, too long or of the other direction, each word wrong, changed while it
 * is read, and reset over it. In parts of any length it is a good one. After each: an
 * answer or DEVICE_NEEDS_RESET; after a reset the device works. All others have gone on.
 *	resets=N	of each device, with a request in flight
 *	rounds=N	of changes in the ring
 *	turns		buffers are elsewhere now here, now there
 *	kinds=N		devices are to be there
 */
#include "lib/units.h"

#define END_MS 30000u
#define HOLE 0xd0000000ull		/* no RAM, no device */
#define FAR 0x7000000000ull		/* beyond all RAM */
#define EDGE 64u			/* bytes of a buffer that are looked at one by one */
#define GUARD 0xa5u

enum { BROKEN = 2, SILENT };		/* beside UNIT_...: it needs a reset; nothing */

static uint64_t features;
static uint8_t *scratch;		/* full of ones */

/* ---- one request ------------------------------------------------------------------- */

static int answer(struct unit *u)
{
	const uint32_t from = now_ms();
	int came = UNIT_WAITS;

	do {
		for (unsigned int i = 0; i < 200; i++) {
			int verdict = unit_look(u);

			if (verdict != UNIT_WAITS)
				came = verdict;
			/* Vsock's may be there before its packet comes back. */
			if (u->id < 0 && u->answered)
				return came != UNIT_WAITS ? came :
				    u->lies ? UNIT_DONE : UNIT_ODD;
		}
		if (virtio_status(&u->d) & STATUS_NEEDS_RESET)
			return BROKEN;
	} while (now_ms() - from < END_MS);
	return SILENT;
}

static unsigned int request(struct unit *u, struct buf v[UNIT_BUFS])
{
	memset(u->out, 0, 128);
	memset(u->in, 0, 1024);
	return unit_request(u, v);
}

static bool works(struct unit *u)
{
	struct buf v[UNIT_BUFS];
	unsigned int n;

	u->lies = false;
	n = request(u, v);
	unit_send(u, v, n, false);
	return answer(u) == UNIT_DONE;
}

static bool restart(struct unit *u)
{
	return virtio_reset(&u->d, END_MS) && unit_start(u, features) && works(u);
}

/* What came of a request that is none; the device goes on. */
static int lie(struct unit *u, const struct buf *v, unsigned int n, const char *what,
    uint32_t at)
{
	int verdict;

	u->lies = true;
	unit_send(u, v, n, (u->round & 2) && (u->d.features & F_INDIRECT));
	verdict = answer(u);
	if (verdict == SILENT)
		fail("%s, %u: no answer", what, at);
	if ((verdict == SILENT || verdict == BROKEN) && !restart(u))
		fail("%s, %u: it does not come back", what, at);
	return verdict;
}

static uint32_t edge(const struct buf *b)
{
	return b->len < EDGE ? b->len : EDGE;
}

/* Of those whose request has one length at least, none is carried out that is shorter. */
static bool insists(const struct unit *u)
{
	return u->kind == VIRTIO_BLK || u->kind == VIRTIO_RTC ||
	    u->kind == VIRTIO_MEM || u->kind == VIRTIO_FS || u->kind == VIRTIO_PMEM;
}

/* ---- what is wrong with it --------------------------------------------------------- */

static void cut(struct unit *u)
{
	struct buf v[UNIT_BUFS];
	uint32_t len = 1;

	for (uint32_t k = 0; k < len; k++) {
		unsigned int n = request(u, v);

		if (v[0].write)
			return;
		len = edge(&v[0]);
		v[0].len = k;
		if (k == 0 && n == 1)
			continue;
		if (lie(u, k > 0 ? v : v + 1, k > 0 ? n : n - 1, "cut", k) ==
		    UNIT_DONE && insists(u))
			fail("carried out when cut at %u", k);
	}
}

static void no_room(struct unit *u)
{
	struct buf v[UNIT_BUFS];
	uint32_t len = 1;

	for (uint32_t k = 0; k < len; k++) {
		unsigned int n = request(u, v);
		struct buf *last = &v[n - 1];
		uint8_t *behind = (uint8_t *)(uintptr_t)last->addr + k;

		if (!last->write)
			return;
		len = edge(last);
		last->len = k;
		memset(behind, GUARD, EDGE);
		if (k == 0 && n == 1)
			continue;
		(void)lie(u, v, k > 0 ? n : n - 1, "no room", k);
		for (uint32_t i = 0; i < EDGE; i++)
			if (behind[i] != GUARD) {
				fail("wrote %u bytes too far of %u", i + 1, k);
				break;
			}
	}
}

/* 2.6.4.1: how it lies in descriptors does not matter. */
static void in_parts(struct unit *u)
{
	struct buf v[UNIT_BUFS], w[UNIT_BUFS + 1];
	unsigned int n = request(u, v);

	u->lies = false;
	for (unsigned int i = 0; i < n; i++)
		for (uint32_t k = 1; k < edge(&v[i]); k++) {
			(void)request(u, w);
			for (unsigned int j = n; j > i; j--)
				w[j] = w[j - 1];
			w[i].len = k;
			w[i + 1].addr += k;
			w[i + 1].len -= k;
			unit_send(u, w, n + 1, k & 1 && (u->d.features & F_INDIRECT));
			if (answer(u) != UNIT_DONE) {
				fail("buffer %u in parts, %u", i, k);
				if (!restart(u))
					return;
			}
		}
}

static void direction(struct unit *u)
{
	struct buf v[UNIT_BUFS];
	unsigned int n = 1;

	for (uint32_t mask = 1; mask < 1u << n; mask++) {
		n = request(u, v);
		for (unsigned int i = 0; i < n; i++)
			v[i].write ^= mask >> i & 1;
		(void)lie(u, v, n, "direction", mask);
	}
}

static void empty(struct unit *u)
{
	struct buf v[UNIT_BUFS + 1];
	unsigned int n = 0;

	for (unsigned int at = 0; at <= n; at++) {
		n = request(u, v);
		for (unsigned int j = n; j > at; j--)
			v[j] = v[j - 1];
		if (at == n)
			v[at] = v[at - 1];
		v[at].len = 0;
		(void)lie(u, v, n + 1, "empty", at);
	}
	n = request(u, v);
	for (unsigned int i = 0; i < n; i++)
		v[i].len = 0;
	(void)lie(u, v, n, "empty, all", n);
}

static void elsewhere(struct unit *u)
{
	static const struct {
		uint64_t addr;		/* 0: where it is */
		uint32_t len;		/* 0: as it is */
	} bad[] = { { HOLE, 0 }, { FAR, 0 }, { ~0ull, 0 }, { 0, 0x80000000 },
		{ 0, 0xffffffff } };
	static unsigned int turn;
	struct buf v[UNIT_BUFS];
	unsigned int n = 1;

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < ARRAY_LEN(bad); j++) {
			if (cmdline_has("turns") && turn++ % (ARRAY_LEN(bad) + 1) != 0)
				continue;
			n = request(u, v);
			if (bad[j].addr)
				v[i].addr = bad[j].addr;
			if (bad[j].len)
				v[i].len = bad[j].len;
			if (lie(u, v, n, "elsewhere", i * 10 + j) == UNIT_DONE &&
			    insists(u))
				fail("carried out elsewhere: %u, %u", i, j);
		}
}

static void words(struct unit *u)
{
	/* No page number of the balloon's is one. */
	static const uint32_t values[] = { 0xffffffff, 0x80000000, 0x7fffffff, 0x100001 };
	struct buf v[UNIT_BUFS];
	uint32_t len = 4;

	for (uint32_t at = 0; at < len; at += 4)
		for (unsigned int j = 0; j < ARRAY_LEN(values); j++) {
			unsigned int n = request(u, v);

			if (v[0].write)
				return;
			len = edge(&v[0]) & ~3u;
			if (len > 0)
				memcpy(u->out + at, &values[j], 4);
			(void)lie(u, v, n, "word", at);
		}
}

/* The device reads while we write: it may do as it likes, and comes back. */
static void changed(struct unit *u, uint32_t rounds)
{
	static const uint32_t lens[] = { 0, 1, 16, 4096, 0x80000000 };
	static uint32_t x = 1;
	struct vq *q = &u->q[u->asks];
	struct buf v[UNIT_BUFS];

	u->lies = true;
	for (uint32_t round = 0; round < rounds; round++) {
		unsigned int n = request(u, v);

		q = &u->q[u->asks];
		unit_send(u, v, n, false);
		for (uint32_t i = 0; i < 60; i++) {
			volatile struct desc *desc = &q->desc[i % UNIT_QUEUE];

			x = x * 1664525 + 1013904223;
			desc->addr = x >> 30 ? (uintptr_t)scratch : HOLE;
			desc->len = lens[(x >> 24) % ARRAY_LEN(lens)];
			desc->flags = (uint16_t)(x >> 20 & 7);
			desc->next = (uint16_t)(x >> 16 & 31);
			*(volatile uint32_t *)(void *)u->out = i & 1 ? ~0u : 0x100001;
			if (i % 10 == 9) {
				q->avail[2 + q->next_avail % UNIT_QUEUE] =
				    (uint16_t)(x >> 12 & 15);
				barrier();
				q->avail[1] = ++q->next_avail;
				vq_kick(q, true);
			}
		}
		if (!restart(u))
			fail("changed, %u: it does not come back", round);
		u->lies = true;
	}
}

static void resets(struct unit *u, uint32_t count)
{
	struct buf v[UNIT_BUFS];

	for (uint32_t i = 0; i < count; i++) {
		unsigned int n = request(u, v);
		uintptr_t mark = heap_mark();

		u->lies = true;
		unit_send(u, v, n, false);
		if (!virtio_reset(&u->d, END_MS) || !unit_start(u, features)) {
			fail("reset %u", i);
			return;
		}
		heap_release(mark);
	}
	check(restart(u));
}

static void abuse(struct unit *u)
{
	static void (*const all[])(struct unit *) = { cut, no_room, in_parts, direction,
		empty, elsewhere, words };
	uintptr_t mark = heap_mark();

	begin(u->name);
	check(works(u));
	for (unsigned int i = 0; i < ARRAY_LEN(all); i++)
		all[i](u);
	changed(u, cmdline_num("rounds", 2));
	resets(u, cmdline_num("resets", 3));
	heap_release(mark);
	check(restart(u));
	for (unsigned int i = 0; i < UNITS; i++)
		if (units[i].there && !works(&units[i]))
			fail("%s has not gone on", units[i].name);
	end();
}

void guest_main(void)
{
	unsigned int found = 0;

	scratch = alloc(65536, PAGE);
	memset(scratch, 0xff, 65536);
	features = F_INDIRECT | (cmdline_has("event") ? F_EVENT_IDX : 0);
	begin("all-there");
	for (unsigned int i = 0; i < UNITS; i++)
		if (unit_find(&units[i])) {
			found++;
			check(restart(&units[i]));
		}
	check_eq(found, cmdline_num("kinds", 0));
	print("running\n");
	end();
	for (unsigned int i = 0; i < UNITS; i++)
		if (units[i].there)
			abuse(&units[i]);
}
