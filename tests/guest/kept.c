/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device was given must be kept while the host kills its workers, until "ms=N"
 * or the power button; "packed", "event" or not:
 * "pmem": what was written and flushed is there, on page after page, whoever answers;
 * in the end "last SLOT ROUND" tells the host what its file has to hold.
 * "balloon": runs of pages go there and back, and are reported as free. They are zeros
 * when the device has answered (not one is lost), and keep what is written to them once
 * they are ours again (not one is given back twice); the statistics' buffer stays where
 * it is, and so does what the driver says that it has given up.
 * How long it stood still (lib/pace.h), and
 *	flow: N done, B bad, 0 lost
 */
#include "lib/pace.h"
#include "lib/virtio.h"
#include "lib/window.h"

#define F_MUST_TELL_HOST (1ull << 0)
#define F_STATS (1ull << 1)
#define F_REPORTING (1ull << 5)
#define POOL 0x2000000u		/* 32 MiB: the balloon's pages begin there */
#define SLOTS 8u
#define PAGES 32u		/* of each slot */
#define HOLD 8u		/* turns that pages are ours before they go again */
#define END_MS 30000u

/* The balloon's queues; third is the statistics'. */
enum step { INFLATE, DEFLATE, STATISTICS, REPORT };

static struct slot {
	int id;			/* of the request in flight, -1: none */
	enum step step;		/* what it is, or will be next */
	uint32_t round, since;	/* since: the turn */
	uint32_t *io;		/* page numbers; a flush and its answer */
} slots[SLOTS];

static struct vdev d;
static struct vq q[4];
static bool pmem, reports;	/* pmem: it is, else the balloon */
static uint32_t done, bad, turns, given;
static uintptr_t base;		/* of the slots' pages */

static void complain(const char *what, uint32_t a, uint32_t b)
{
	if (bad++ < 8)
		fail("%s: %u, %u", what, a, b);
}

static struct vq *queue_of(const struct slot *s)
{
	return &q[pmem ? 0 : s->step];
}

/* At both ends of a page: some hosts emulate every instruction of this guest. */
static volatile uint32_t *word(uint32_t slot, uint32_t page, uint32_t at)
{
	return (volatile uint32_t *)(base + (slot * PAGES + page) * PAGE + at);
}

static void sign(uint32_t slot, uint32_t page, uint32_t value)
{
	*word(slot, page, 0) = value;
	*word(slot, page, PAGE - 4) = ~value;
}

static bool is_signed(uint32_t slot, uint32_t page, uint32_t value)
{
	return *word(slot, page, 0) == value && *word(slot, page, PAGE - 4) == ~value;
}

/* ---- persistent memory: round R of a slot is in its page R % PAGES ---------------- */

static void write_and_flush(uint32_t i)
{
	struct slot *s = &slots[i];
	struct buf v[2] = { BUF_OUT(s->io, 4), BUF_IN(s->io + 1, 4) };

	s->round++;
	sign(i, s->round % PAGES, i << 24 | s->round);
	s->io[0] = 0;
	s->io[1] = 99;
	s->id = vq_add(&q[0], v, 2, false);
}

static void flushed(uint32_t i, uint32_t len)
{
	const struct slot *s = &slots[i];
	uint32_t r = s->round - s->round * 7 % PAGES;	/* any of the last ones */

	if (len != 4 || s->io[1] != 0)
		complain("not flushed", i, s->io[1]);
	if (s->round >= PAGES && !is_signed(i, r % PAGES, i << 24 | r))
		complain("not what was flushed", i, r);
}

/* ---- the balloon ------------------------------------------------------------------- */

static void give_or_take(uint32_t i)
{
	struct slot *s = &slots[i];
	const uintptr_t at = base + i * PAGES * PAGE;

	for (uint32_t k = 0; s->step != DEFLATE && k < PAGES; k++)
		if (!is_signed(i, k, i << 24 | s->round))
			complain("given back twice", i, k);
	if (s->step == REPORT) {
		s->id = vq_add(queue_of(s), &BUF_IN(at, PAGES * PAGE), 1, false);
		return;
	}
	/* Up, down, or every other page first. */
	for (uint32_t k = 0; k < PAGES; k++) {
		uint32_t page = s->round % 3 == 0 ? k : s->round % 3 == 1 ?
		    PAGES - 1 - k : k * 2 % PAGES + k * 2 / PAGES;

		s->io[k] = (uint32_t)at / PAGE + page;
	}
	s->id = vq_add(queue_of(s), &BUF_OUT(s->io, PAGES * 4), 1, false);
}

static void moved(uint32_t i, uint32_t len)
{
	struct slot *s = &slots[i];

	if (len != 0)
		complain("bytes from nowhere", i, len);
	for (uint32_t k = 0; s->step != DEFLATE && k < PAGES; k++)
		if (*word(i, k, 0) != 0 || *word(i, k, PAGE - 4) != 0)
			complain("a page is lost", i, k);
	if (read32(d.config + 4) != given)
		complain("what is given up", read32(d.config + 4), given);
	if (s->step == INFLATE) {
		given += PAGES;
		s->step = DEFLATE;
	} else {
		given -= s->step == DEFLATE ? PAGES : 0;
		s->step = s->step == DEFLATE && reports ? REPORT : INFLATE;
		s->round++;
		for (uint32_t k = 0; k < PAGES; k++)
			sign(i, k, i << 24 | s->round);
	}
	write32(d.config + 4, given);
}

/* ---- both -------------------------------------------------------------------------- */

static void answers(struct vq *vq)
{
	uint32_t len, i;
	int id;

	while (vq_poll(vq, &id, &len)) {
		for (i = 0; i < SLOTS; i++)
			if (slots[i].id == id && vq == queue_of(&slots[i]))
				break;
		if (i == SLOTS) {
			complain("an answer to nothing", (uint32_t)id, len);
			continue;
		}
		slots[i].id = -1;
		slots[i].since = turns;
		done++;
		pace();
		if (pmem)
			flushed(i, len);
		else
			moved(i, len);
	}
}

static bool turn(bool again)
{
	bool busy = false;

	turns++;
	for (uint32_t k = 0; k < 4; k++)
		if (q[k].d && k != STATISTICS)
			answers(&q[k]);
	for (uint32_t i = 0; again && i < SLOTS; i++) {
		if (slots[i].id >= 0 || (!pmem && turns - slots[i].since < HOLD))
			continue;
		if (pmem)
			write_and_flush(i);
		else
			give_or_take(i);
	}
	for (uint32_t k = 0; k < 4; k++)
		if (q[k].d)
			vq_kick(&q[k], false);
	for (uint32_t i = 0; i < SLOTS; i++)
		busy |= slots[i].id >= 0;
	return busy;
}

static bool open_device(void)
{
	const uint64_t f = (cmdline_has("packed") ? F_PACKED : 0) |
	    (cmdline_has("event") ? F_EVENT_IDX : 0);
	uint16_t n = 1;

	pmem = cmdline_has("pmem");
	if (!virtio_find(&d, pmem ? VIRTIO_PMEM : VIRTIO_BALLOON, 0) ||
	    !virtio_negotiate(&d, f | (pmem ? 0 : F_MUST_TELL_HOST | F_STATS |
	    F_REPORTING)))
		return false;
	reports = !pmem && (d.features & F_REPORTING);
	if (!pmem)
		n = reports ? 4 : 3;
	for (uint16_t i = 0; i < n; i++)
		if (!vq_setup(&q[i], &d, i, 32))
			return false;
	virtio_driver_ok(&d);
	base = POOL;
	if (pmem) {
		window_open(read32(d.config) | (uint64_t)read32(d.config + 4) << 32);
		base = WINDOW;
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		slots[i].id = -1;
		slots[i].io = alloc(PAGES * 4, 16);
		for (uint32_t k = 0; !pmem && k < PAGES; k++)
			sign(i, k, i << 24);
	}
	if (!pmem)	/* statistics: there it stays, nobody asks for newer ones */
		(void)vq_add(&q[STATISTICS], &BUF_OUT(alloc(16, 16), 10), 1, false);
	return true;
}

void guest_main(void)
{
	const uint32_t ms = cmdline_num("ms", 3000);
	uint32_t start, len;
	int id;

	begin("kept");
	if (!open_device()) {
		fail("no device");
		end();
		return;
	}
	print("running\n");
	for (start = now_ms(); now_ms() - start < ms && !button();)
		(void)turn(true);
	for (start = now_ms(); turn(false) && now_ms() - start < END_MS;)
		;
	check(!turn(false));
	check(done > SLOTS);
	check(pmem || !vq_poll(&q[STATISTICS], &id, &len));
	check(!(virtio_status(&d) & STATUS_NEEDS_RESET));
	end();
	pace_say();
	for (uint32_t i = 0; pmem && i < SLOTS; i++)
		print("last %u %u\n", i, slots[i].round);
	print("flow: %u done, %u bad, 0 lost\n", done, bad);
}
