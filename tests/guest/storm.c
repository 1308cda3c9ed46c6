/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many disk requests in flight for "ms=N" milliseconds, each answered exactly once
 * and each checked, while the host kills what serves them: every slot writes a
 * pattern of its own to its own place, reads it back and compares; now and then
 * one flushes. "slots=N": fewer of them. "packed", "indirect", "event" choose the
 * ring. The power button ends it before its time. At the end, how long it stood
 * still (lib/pace.h), and
 *	storm: N requests, B bad, F failed, longest M ms
 * With "errors" the device may fail a request, and what was written is not known
 * then; it says DEVICE_NEEDS_RESET as well.
 */
#include "lib/blk.h"
#include "lib/pace.h"

#define SLOTS 24u
#define BYTES 4096u
#define LOST_MS 30000u

enum step { STEP_WRITE, STEP_READ, STEP_FLUSH };

struct slot {
	struct blk_header header;
	volatile uint8_t status;
	enum step step;
	uint32_t round;
	uint32_t since;		/* ms */
	int id;			/* of the request in flight, -1: none */
	uint8_t *data;
};

static struct blk blk;
static struct slot slots[SLOTS];
static uint32_t done, bad, failed, longest;
static uint32_t nslots;
static bool may_fail;

/* Each sector says whose it is, and which round's: some hosts emulate every
 * instruction of this guest, so it is one word. */
static uint32_t mark(unsigned int i, unsigned int at)
{
	return (i << 24 | at << 12) + slots[i].round;
}

static void sign(uint8_t *data, unsigned int i)
{
	for (unsigned int at = 0; at < BYTES; at += 512)
		*(uint32_t *)(data + at) = mark(i, at);
}

static bool is_signed(const uint8_t *data, unsigned int i)
{
	for (unsigned int at = 0; at < BYTES; at += 512)
		if (*(const uint32_t *)(data + at) != mark(i, at))
			return false;
	return true;
}

static void submit(unsigned int i)
{
	struct slot *s = &slots[i];
	struct buf v[3];
	unsigned int n = 0;

	s->header = (struct blk_header){
		s->step == STEP_WRITE ? BLK_OUT :
		    s->step == STEP_READ ? BLK_IN : BLK_FLUSH, 0,
		s->step == STEP_FLUSH ? 0 : 64 + i * (BYTES / 512) };
	s->status = 0xaa;
	v[n++] = BUF_OUT(&s->header, 16);
	if (s->step == STEP_WRITE) {
		sign(s->data, i);
		v[n++] = BUF_OUT(s->data, BYTES);
	} else if (s->step == STEP_READ) {
		for (unsigned int at = 0; at < BYTES; at += 512)
			*(uint32_t *)(s->data + at) = 0;
		v[n++] = BUF_IN(s->data, BYTES);
	}
	v[n++] = BUF_IN(&s->status, 1);
	s->since = now_ms();
	s->id = vq_add(&blk.q, v, n, blk.indirect);
}

static void complain(const char *what, unsigned int i)
{
	if (bad++ < 8)
		fail("%s: slot %u, round %u, step %u, status %u", what, i,
		    slots[i].round, slots[i].step, slots[i].status);
}

static void complete(int id)
{
	unsigned int i = 0;
	struct slot *s;

	while (i < SLOTS && slots[i].id != id)
		i++;
	if (i == SLOTS) {
		bad++;
		fail("an answer to nothing: %d", id);
		return;
	}
	s = &slots[i];
	done++;
	pace();
	s->id = -1;
	if (now_ms() - s->since > longest)
		longest = now_ms() - s->since;
	if (s->status == BLK_IOERR && may_fail)
		failed++;
	else if (s->status != BLK_OK)
		complain("failed", i);
	else if (s->step == STEP_READ && !failed && !is_signed(s->data, i))
		complain("not what was written", i);
	if (s->step == STEP_WRITE) {
		s->step = STEP_READ;
	} else {
		s->round++;
		s->step = s->step == STEP_READ && s->round % 16 == 0 ?
		    STEP_FLUSH : STEP_WRITE;
	}
}

/* Take what is done; with @again, put the next one in its place. */
static void turn(bool again)
{
	uint32_t len;
	int id;

	while (vq_poll(&blk.q, &id, &len))
		complete(id);
	for (unsigned int i = 0; again && i < nslots; i++)
		if (slots[i].id < 0)
			submit(i);
	vq_kick(&blk.q, false);
}

static bool any_in_flight(void)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		if (slots[i].id >= 0)
			return true;
	return false;
}

void guest_main(void)
{
	uint64_t features = BLK_F_FLUSH;
	uint32_t start, ms = cmdline_num("ms", 3000);

	features |= cmdline_has("packed") ? F_PACKED : 0;
	features |= cmdline_has("indirect") ? F_INDIRECT : 0;
	features |= cmdline_has("event") ? F_EVENT_IDX : 0;
	nslots = cmdline_num("slots", SLOTS);
	nslots = nslots > SLOTS ? SLOTS : nslots;
	may_fail = cmdline_has("errors");
	begin("storm");
	check(blk_open(&blk, 0, features));
	for (unsigned int i = 0; i < SLOTS; i++) {
		slots[i].id = -1;
		slots[i].data = alloc(BYTES, PAGE);
	}
	print("running\n");
	for (start = now_ms(); now_ms() - start < ms && !button();)
		turn(true);
	for (start = now_ms(); any_in_flight() && now_ms() - start < LOST_MS;)
		turn(false);
	for (unsigned int i = 0; i < SLOTS; i++)
		if (slots[i].id >= 0)
			complain("lost", i);
	check(done > SLOTS);
	/* Nobody serves the disk as it was: its driver has been told. */
	check(!(virtio_status(&blk.d) & 64) == !failed);
	end();
	pace_say();
	print("storm: %u requests, %u bad, %u failed, longest %u ms\n", done, bad,
	    failed, longest);
}
