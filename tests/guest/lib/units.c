/* SPDX-License-Identifier: Apache-2.0 */
/* See units.h. */
#include "lib/units.h"

#include "lib/blk.h"

#define AGAIN_MS 1000u		/* what may be lost is sent again */

#define BALLOON_PAGE 0x4000000u	/* its page, 64 MiB */

enum { FUSE_STATFS = 17, FUSE_INIT = 26 };
enum { VSOCK_RST = 3, VSOCK_RW = 5, VSOCK_HEADER = 44 };

struct unit units[UNITS] = {
	{ .name = "blk", .kind = VIRTIO_BLK, .queues = 1 },
	{ .name = "front", .kind = VIRTIO_BLK, .nth = 1, .queues = 1 },
	{ .name = "net", .kind = VIRTIO_NET, .queues = 2, .asks = 1 },
	{ .name = "rng", .kind = VIRTIO_RNG, .queues = 1 },
	{ .name = "console", .kind = VIRTIO_CONSOLE, .queues = 2, .asks = 1 },
	{ .name = "fs", .kind = VIRTIO_FS, .queues = 2, .asks = 1 },
	{ .name = "balloon", .kind = VIRTIO_BALLOON, .queues = 2 },
	{ .name = "pmem", .kind = VIRTIO_PMEM, .queues = 1 },
	{ .name = "watchdog", .kind = VIRTIO_WATCHDOG, .queues = 1 },
	{ .name = "rtc", .kind = VIRTIO_RTC, .queues = 1 },
	{ .name = "mem", .kind = VIRTIO_MEM, .queues = 1 },
	{ .name = "vsock", .kind = VIRTIO_VSOCK, .queues = 3, .asks = 1, .lossy = true },
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

bool unit_find(struct unit *u)
{
	u->there = virtio_find(&u->d, u->kind, u->nth);
	if (!u->there)
		return false;
	u->out = alloc(PAGE, PAGE);
	u->in = alloc(PAGE, PAGE);
	u->rx = alloc(PAGE, PAGE);
	return true;
}

bool unit_start(struct unit *u, uint64_t features)
{
	if (!virtio_negotiate(&u->d, features))
		return false;
	for (uint16_t i = 0; i < u->queues; i++)
		if (!vq_setup(&u->q[i], &u->d, i, UNIT_QUEUE))
			return false;
	virtio_driver_ok(&u->d);
	if (u->kind == VIRTIO_VSOCK)
		for (int i = 0; i < 8; i++) {
			vq_add(&u->q[0], &BUF_IN(u->rx + i * 64, 64), 1, false);
			vq_add(&u->q[2], &BUF_IN(u->rx + 512 + i * 4, 4), 1, false);
		}
	u->id = -1;
	u->answered = true;
	u->fuse = u->kind == VIRTIO_FS;
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

unsigned int unit_request(struct unit *u, struct buf v[UNIT_BUFS])
{
	u->round++;
	if (u->kind == VIRTIO_BALLOON)
		u->asks = u->round & 1 ? 0 : 1;		/* there and back */
	switch (u->kind) {
	case VIRTIO_BLK:
		u->in[512] = 0xee;
		v[0] = BUF_OUT(u->out, 16);
		v[1] = BUF_IN(u->in, 512);
		v[2] = BUF_IN(u->in + 512, 1);
		return 3;
	case VIRTIO_NET:
		memset(u->out + 12, 0xff, 6);
		v[0] = BUF_OUT(u->out, 12 + 60);
		return 1;
	case VIRTIO_CONSOLE:
		u->out[0] = '\n';
		v[0] = BUF_OUT(u->out, 1);
		return 1;
	case VIRTIO_BALLOON:
		put32(u->out, BALLOON_PAGE / PAGE);
		v[0] = BUF_OUT(u->out, 4);
		return 1;
	case VIRTIO_MEM:	/* what is at its first block? */
		memset(u->in, 0xee, 10);
		put32(u->out, 3);
		put32(u->out + 8, read32(u->d.config + 16));
		put32(u->out + 12, read32(u->d.config + 20));
		put32(u->out + 16, 1);
		v[0] = BUF_OUT(u->out, 24);
		v[1] = BUF_IN(u->in, 10);
		return 2;
	case VIRTIO_PMEM:
		put32(u->in, 99);
		v[0] = BUF_OUT(u->out, 4);
		v[1] = BUF_IN(u->in, 4);
		return 2;
	case VIRTIO_RTC:
		memset(u->in, 0xee, 16);
		memset(u->out, 0, 16);
		u->out[0] = u->out[8] = 1;	/* read CLOCK_MONOTONIC */
		v[0] = BUF_OUT(u->out, 16);
		v[1] = BUF_IN(u->in, 16);
		return 2;
	case VIRTIO_FS:
		return ask_fuse(u, v);
	case VIRTIO_VSOCK:
		return ask_vsock(u, v);
	default:
		memset(u->in, 0, 32);
		v[0] = BUF_IN(u->in, 32);
		return 1;
	}
}

void unit_send(struct unit *u, const struct buf *v, unsigned int n, bool indirect)
{
	u->id = vq_add(&u->q[u->asks], v, n, indirect);
	u->since = now_ms();
	u->answered = u->kind != VIRTIO_VSOCK || u->lies;
	vq_kick(&u->q[u->asks], false);
}

void unit_ask(struct unit *u)
{
	struct buf v[UNIT_BUFS];
	unsigned int n = unit_request(u, v);

	unit_send(u, v, n, false);
}

/* ---- its answer ------------------------------------------------------------------ */

int unit_judge(struct unit *u, uint32_t len)
{
	switch (u->kind) {
	case VIRTIO_BLK:
		return u->in[512] == BLK_OK ? 1 : u->in[512] == BLK_IOERR ? 0 : -1;
	case VIRTIO_RNG:
		return len == 32 ? 1 : len == 0 ? 0 : -1;
	case VIRTIO_WATCHDOG:
		return len == 1 && u->in[0] == 1 ? 1 : len == 0 ? 0 : -1;
	case VIRTIO_RTC:
		return len == 16 && u->in[0] == 0 ? 1 :
		    len == 8 && u->in[0] == 5 ? 0 : -1;
	case VIRTIO_MEM:
		return len != 10 ? -1 : get16(u->in) == 0 ? 1 : get16(u->in) == 3 ? 0 : -1;
	case VIRTIO_PMEM:
		return get32(u->in) == 0 ? 1 : get32(u->in) == 1 ? 0 : -1;
	case VIRTIO_FS:
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

/* Has the answer come? */
static bool receive(struct unit *u)
{
	bool came = false;
	uint32_t len;
	int id;

	while (vq_poll(&u->q[0], &id, &len)) {
		const uint8_t *h = u->rx + id * 64;

		if (u->lies)
			;	/* it says what it likes */
		else if (len < VSOCK_HEADER || get16(h + 30) != VSOCK_RST ||
		    get32(h + 16) != 77)
			fail("vsock: a packet of %u bytes, %u", len, get16(h + 30));
		else if (!u->answered && get32(h + 20) == 4096 + u->round) {
			u->answered = came = true;
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
	return came;
}

int unit_look(struct unit *u)
{
	int verdict = UNIT_WAITS, id;
	uint32_t len;

	if (u->id >= 0 && vq_poll(&u->q[u->asks], &id, &len)) {
		if (id != u->id)
			fail("%s: an answer to nothing: %u", u->name, (uint32_t)id);
		u->id = -1;
		if (u->kind != VIRTIO_VSOCK)
			verdict = unit_judge(u, len);
	}
	if (u->kind == VIRTIO_VSOCK && receive(u))
		verdict = UNIT_DONE;
	return verdict;
}
