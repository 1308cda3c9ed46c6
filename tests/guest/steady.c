/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every device that there is, of each kind, kept busy with one request at a time that
 * must be answered, until the power button, while the host does what it likes to their
 * workers. Twice a second, of each that is there:
 *	at NAME D F
 * how many were carried out and how many failed; an answer that is neither, or to
 * nothing, is a failure of the test. "errors": requests may fail, of which there is
 * DEVICE_NEEDS_RESET as well. "resets": each device is reset after eight requests.
 * A device named on the command line has its pauses told (lib/pace.h).
 */
#include "lib/blk.h"
#include "lib/pace.h"

#define AGAIN_MS 1000u		/* what may be lost is sent again */
#define END_MS 20000u

enum {
	NET = 1, BLK = 2, CONSOLE = 3, RNG = 4, BALLOON = 5, RTC = 17, VSOCK = 19, MEM = 24, FS = 26,
	PMEM = 27, WATCHDOG = 35,
};
enum { FUSE_STATFS = 17, FUSE_INIT = 26 };
enum { VSOCK_RST = 3, VSOCK_RW = 5, VSOCK_HEADER = 44 };

struct unit {
	const char *name;
	uint16_t kind, nth;
	uint16_t queues, asks;		/* how many, and on which */
	bool lossy;			/* an answer may be lost with a worker */
	struct vdev d;
	struct vq q[4];
	uint8_t *out, *in, *rx;
	uint32_t done, failed, lost, round, since, turn;
	int id;				/* of the request in flight; -1: none */
	bool there, answered, fuse;
};

static struct unit units[] = {
	{ .name = "blk", .kind = BLK, .queues = 1 },
	{ .name = "front", .kind = BLK, .nth = 1, .queues = 1 },
	{ .name = "net", .kind = NET, .queues = 2, .asks = 1 },
	{ .name = "rng", .kind = RNG, .queues = 1 },
	{ .name = "console", .kind = CONSOLE, .queues = 2, .asks = 1 },
	{ .name = "fs", .kind = FS, .queues = 2, .asks = 1 },
	{ .name = "balloon", .kind = BALLOON, .queues = 2 },
	{ .name = "pmem", .kind = PMEM, .queues = 1 },
	{ .name = "watchdog", .kind = WATCHDOG, .queues = 1 },
	{ .name = "rtc", .kind = RTC, .queues = 1 },
	{ .name = "mem", .kind = MEM, .queues = 1 },
	{ .name = "vsock", .kind = VSOCK, .queues = 3, .asks = 1, .lossy = true },
};

static void put32(uint8_t *to, uint32_t v)
{
	memcpy(to, &v, 4);
}

static uint32_t get32(const uint8_t *from)
{
	uint32_t v;

	memcpy(&v, from, 4);
	return v;
}

static uint16_t get16(const uint8_t *from)
{
	return (uint16_t)(from[0] | from[1] << 8);
}

static bool start(struct unit *u)
{
	const uint64_t f = (cmdline_has("packed") ? F_PACKED : 0) |
	    (cmdline_has("event") ? F_EVENT_IDX : 0);

	if (!virtio_negotiate(&u->d, f))
		return false;
	for (uint16_t i = 0; i < u->queues; i++)
		if (!vq_setup(&u->q[i], &u->d, i, 16))
			return false;
	virtio_driver_ok(&u->d);
	if (u->kind == VSOCK)
		for (int i = 0; i < 8; i++) {
			vq_add(&u->q[0], &BUF_IN(u->rx + i * 64, 64), 1, false);
			vq_add(&u->q[2], &BUF_IN(u->rx + 512 + i * 4, 4), 1, false);
		}
	u->id = -1;
	u->answered = true;
	u->fuse = u->kind == FS;
	return true;
}

/* ---- a request ------------------------------------------------------------------- */

static unsigned int ask_fuse(struct unit *u, struct buf *v)
{
	const uint32_t len = u->fuse ? 56 : 40;

	put32(u->out, len);
	put32(u->out + 4, u->fuse ? FUSE_INIT : FUSE_STATFS);
	put32(u->out + 8, u->round);
	put32(u->out + 16, u->fuse ? 0 : 1);	/* the root */
	put32(u->out + 40, 7);
	put32(u->out + 44, 31);
	put32(u->out + 48, 0x20000);
	v[0] = BUF_OUT(u->out, len);
	v[1] = BUF_IN(u->in, 16 + (u->fuse ? 64 : 80));
	return 2;
}

/* Of a connection that is not there: it is said so. */
static unsigned int ask_vsock(struct unit *u, struct buf *v)
{
	put32(u->out, read32(u->d.config));
	put32(u->out + 8, 2);
	put32(u->out + 16, 4096 + u->round);
	put32(u->out + 20, 77);
	put32(u->out + 28, 1 | VSOCK_RW << 16);
	put32(u->out + 36, 65536);
	v[0] = BUF_OUT(u->out, VSOCK_HEADER);
	return 1;
}

static unsigned int put_request(struct unit *u, struct buf *v)
{
	switch (u->kind) {
	case BLK:
		u->in[512] = 0xee;
		v[0] = BUF_OUT(u->out, 16);
		v[1] = BUF_IN(u->in, 512);
		v[2] = BUF_IN(u->in + 512, 1);
		return 3;
	case NET:
		memset(u->out + 12, 0xff, 6);
		v[0] = BUF_OUT(u->out, 12 + 60);
		return 1;
	case CONSOLE:
		u->out[0] = '\n';
		v[0] = BUF_OUT(u->out, 1);
		return 1;
	case BALLOON:
		put32(u->out, 0x1000000 / PAGE);
		v[0] = BUF_OUT(u->out, 4);
		return 1;
	case MEM:	/* what is at its first block? */
		memset(u->in, 0xee, 10);
		put32(u->out, 3);
		put32(u->out + 8, read32(u->d.config + 16));
		put32(u->out + 12, read32(u->d.config + 20));
		put32(u->out + 16, 1);
		v[0] = BUF_OUT(u->out, 24);
		v[1] = BUF_IN(u->in, 10);
		return 2;
	case PMEM:
		put32(u->in, 99);
		v[0] = BUF_OUT(u->out, 4);
		v[1] = BUF_IN(u->in, 4);
		return 2;
	case RTC:
		memset(u->in, 0xee, 16);
		memset(u->out, 0, 16);
		u->out[0] = u->out[8] = 1;	/* read CLOCK_MONOTONIC */
		v[0] = BUF_OUT(u->out, 16);
		v[1] = BUF_IN(u->in, 16);
		return 2;
	case FS:
		return ask_fuse(u, v);
	case VSOCK:
		return ask_vsock(u, v);
	default:
		memset(u->in, 0, 32);
		v[0] = BUF_IN(u->in, 32);
		return 1;
	}
}

static void ask(struct unit *u)
{
	struct buf v[3];
	unsigned int n;

	u->round++;
	n = put_request(u, v);
	if (u->kind == BALLOON)
		u->asks = u->round & 1 ? 0 : 1;		/* there and back */
	u->id = vq_add(&u->q[u->asks], v, n, false);
	u->since = now_ms();
	u->answered = u->kind != VSOCK;
	vq_kick(&u->q[u->asks], false);
}

/* ---- its answer ------------------------------------------------------------------ */

/* 1: carried out; 0: failed; -1: neither. */
static int judge(struct unit *u, uint32_t len)
{
	switch (u->kind) {
	case BLK:
		return u->in[512] == BLK_OK ? 1 : u->in[512] == BLK_IOERR ? 0 : -1;
	case RNG:
		return len == 32 ? 1 : len == 0 ? 0 : -1;
	case WATCHDOG:
		return len == 1 && u->in[0] == 1 ? 1 : len == 0 ? 0 : -1;
	case RTC:
		return len == 16 && u->in[0] == 0 ? 1 :
		    len == 8 && u->in[0] == 5 ? 0 : -1;
	case MEM:
		return len != 10 ? -1 : get16(u->in) == 0 ? 1 : get16(u->in) == 3 ? 0 : -1;
	case PMEM:
		return get32(u->in) == 0 ? 1 : get32(u->in) == 1 ? 0 : -1;
	case FS:
		if (len < 16 || get32(u->in + 8) != u->round)
			return -1;
		if (get32(u->in + 4) != 0)
			return get32(u->in + 4) == (uint32_t)-5 ? 0 : -1;
		u->fuse = false;
		return 1;
	default:
		return len == 0 ? 1 : -1;
	}
}

static void count(struct unit *u, int verdict)
{
	if (verdict < 0)
		fail("%s: an answer of another kind", u->name);
	else if (verdict == 0 && !cmdline_has("errors"))
		fail("%s: request %u has failed", u->name, u->round);
	u->done += verdict > 0;
	u->failed += verdict == 0;
	if (cmdline_has(u->name))
		pace();
}

static void receive(struct unit *u)
{
	uint32_t len;
	int id;

	while (vq_poll(&u->q[0], &id, &len)) {
		const uint8_t *h = u->rx + id * 64;

		if (len < VSOCK_HEADER || get16(h + 30) != VSOCK_RST ||
		    get32(h + 16) != 77)
			fail("vsock: a packet of %u bytes, %u", len, get16(h + 30));
		else if (!u->answered && get32(h + 20) == 4096 + u->round) {
			u->answered = true;
			count(u, 1);
		}
		vq_add(&u->q[0], &BUF_IN(u->rx + id * 64, 64), 1, false);
		vq_kick(&u->q[0], false);
	}
	if (vq_poll(&u->q[2], &id, &len)) {
		vq_add(&u->q[2], &BUF_IN(u->rx + 512 + id * 4, 4), 1, false);
		vq_kick(&u->q[2], false);
	}
	if (!u->answered && u->id < 0 && now_ms() - u->since > AGAIN_MS) {
		u->lost++;
		u->answered = true;
	}
}

static void look(struct unit *u, bool again)
{
	uint32_t len;
	int id;

	if (u->id >= 0 && vq_poll(&u->q[u->asks], &id, &len)) {
		if (id != u->id)
			fail("%s: an answer to nothing: %u", u->name, (uint32_t)id);
		u->id = -1;
		if (u->kind != VSOCK)
			count(u, judge(u, len));
	}
	if (u->kind == VSOCK)
		receive(u);
	if (u->id >= 0 || !u->answered || !again)
		return;
	if (cmdline_has("resets") && u->round % 8 == 7) {
		u->round++;
		if (!virtio_reset(&u->d, END_MS) || !start(u)) {
			fail("%s: it does not come back", u->name);
			u->there = false;
			return;
		}
	}
	ask(u);
}

/* ---- all of them ------------------------------------------------------------------ */

static void find(struct unit *u)
{
	u->there = virtio_find(&u->d, u->kind, u->nth);
	if (!u->there)
		return;
	u->out = alloc(PAGE, PAGE);
	u->in = alloc(PAGE, PAGE);
	u->rx = alloc(PAGE, PAGE);
	check(start(u));
}

static void say(void)
{
	for (unsigned int i = 0; i < ARRAY_LEN(units); i++)
		if (units[i].there)
			print("at %s %u %u\n", units[i].name, units[i].done,
			    units[i].failed);
}

void guest_main(void)
{
	uint32_t t, ms = cmdline_num("ms", 100000), from;

	begin("steady");
	for (unsigned int i = 0; i < ARRAY_LEN(units); i++)
		find(&units[i]);
	print("running\n");
	for (from = t = now_ms(); !button() && now_ms() - from < ms;) {
		for (unsigned int i = 0; i < ARRAY_LEN(units); i++)
			if (units[i].there)
				look(&units[i], true);
		if (now_ms() - t >= 500) {
			t = now_ms();
			say();
		}
	}
	for (unsigned int i = 0; i < ARRAY_LEN(units); i++) {
		struct unit *u = &units[i];

		for (t = now_ms(); u->there && u->id >= 0 && now_ms() - t < END_MS;)
			look(u, false);
		check(!u->there || u->id < 0);
		if (u->there && !(virtio_status(&u->d) & STATUS_NEEDS_RESET) ==
		    (cmdline_has("errors") || u->failed > 0))
			fail("%s: status %u, %u failed", u->name,
			    virtio_status(&u->d), u->failed);
	}
	end();
	say();
	pace_say();
}
