/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mem: plugs what the device asks for on each kind of ring, asks for what may not
 * be, and then does, on the last one, for as long as it is asked: "ms=" from the last
 * change on.
 */
#include "lib/virtio.h"
#include "lib/window.h"

#define BLOCK 0x200000u
#define REGION HIGH
#define STEP 64u		/* blocks a request */

enum { PLUG, UNPLUG, UNPLUG_ALL, STATE };
enum { ACK, NACK, BUSY, ERROR };
enum { PLUGGED, UNPLUGGED, MIXED };
enum { AT_BLOCK = 0, AT_ADDR = 16, AT_SIZE = 24, AT_PLUGGED = 40, AT_REQUESTED = 48 };

static struct request {
	uint16_t type, padding[3];
	uint64_t addr;
	uint16_t n, padding2[3];
} *req;
static struct response {
	uint16_t type, padding[3], state;
} *resp;
static uint32_t have, total;	/* blocks */

static uint32_t blocks(const struct vdev *d, uint32_t at)
{
	return read32(d->config + at) / BLOCK + read32(d->config + at + 4) * 2048;
}

/* The answer, or -1 where it is none. */
static int ask(struct vq *q, uint16_t type, uint64_t addr, uint32_t n)
{
	struct buf b[2] = { BUF_OUT(req, 24), BUF_IN(resp, 10) };

	memset(req, 0, sizeof(*req));
	memset(resp, 0xff, sizeof(*resp));
	req->type = type;
	req->addr = addr;
	req->n = (uint16_t)n;
	return vq_do(q, b, 2, false) == 10 ? resp->type : -1;
}

static volatile uint32_t *at(uint32_t block)
{
	return (void *)(uintptr_t)(WINDOW + block * BLOCK);
}

/* Every new block is zero; what is in it stays until it goes. */
static bool follow(const struct vdev *d, struct vq *q)
{
	uint32_t want = blocks(d, AT_REQUESTED);

	while (have != want) {
		uint32_t n = have < want ? want - have : have - want;

		if (n > STEP)
			n = STEP;
		if (have < want) {
			if (ask(q, PLUG, REGION + (uint64_t)have * BLOCK, n) != ACK)
				return false;
			for (uint32_t i = have; i < have + n; i++) {
				if (*at(i) != 0 || at(i)[BLOCK / 4 - 1] != 0)
					return false;
				*at(i) = at(i)[BLOCK / 4 - 1] = i + 1;
			}
			have += n;
		} else {
			have -= n;
			for (uint32_t i = have; i < have + n; i++)
				if (*at(i) != i + 1)
					return false;
			if (ask(q, UNPLUG, REGION + (uint64_t)have * BLOCK, n) != ACK)
				return false;
		}
		if (blocks(d, AT_PLUGGED) != have)
			return false;
	}
	return true;
}

static void lies(struct vq *q)
{
	struct buf b[2] = { BUF_OUT(req, 24), BUF_IN(resp, 10) };

	check_eq(ask(q, PLUG, REGION + 4096, 1), ERROR);
	check_eq(ask(q, PLUG, REGION - BLOCK, 1), ERROR);
	check_eq(ask(q, PLUG, 0, 1), ERROR);
	check_eq(ask(q, UNPLUG, 0, 8), ERROR);
	check_eq(ask(q, PLUG, REGION + (uint64_t)total * BLOCK, 1), ERROR);
	check_eq(ask(q, PLUG, REGION + (uint64_t)(total - 1) * BLOCK, 2), ERROR);
	check_eq(ask(q, PLUG, ~0ull - BLOCK + 1, 1), ERROR);
	check_eq(ask(q, PLUG, REGION, 0), ERROR);
	check_eq(ask(q, PLUG, REGION, 1), ERROR);
	check_eq(ask(q, UNPLUG, REGION + (uint64_t)have * BLOCK, 1), ERROR);
	check_eq(ask(q, UNPLUG, REGION + (uint64_t)(have - 1) * BLOCK, 2), ERROR);
	check_eq(ask(q, PLUG, REGION + (uint64_t)have * BLOCK, 1), NACK);
	check_eq(ask(q, 4, REGION, 1), ERROR);
	check_eq(ask(q, 0xffff, REGION, 1), ERROR);
	check_eq(ask(q, STATE, REGION, have), ACK);
	check_eq(resp->state, PLUGGED);
	check_eq(ask(q, STATE, REGION, have + 1), ACK);
	check_eq(resp->state, MIXED);
	check_eq(ask(q, STATE, REGION + (uint64_t)have * BLOCK, 1), ACK);
	check_eq(resp->state, UNPLUGGED);
	for (b[0].len = 1; b[0].len < 24; b[0].len++) {
		check_eq(vq_do(q, b, 2, false), 10);
		check_eq(resp->type, ERROR);
	}
	b[0].len = 24;
	b[1].len = 3;
	check_eq(vq_do(q, b, 2, false), 3);
	check_eq(vq_do(q, b, 1, false), 0);
}

static void mem(struct vdev *d, const char *name, uint64_t features)
{
	static struct vq q;

	begin(name);
	check(virtio_negotiate(d, features));
	check(vq_setup(&q, d, 0, 64));
	virtio_driver_ok(d);
	check_eq(read32(d->config + AT_BLOCK), BLOCK);
	check_eq(read32(d->config + AT_ADDR + 4), 1);
	total = blocks(d, AT_SIZE);
	/* What was plugged is, whoever drives it. */
	check_eq(blocks(d, AT_PLUGGED), have);
	check_eq(ask(&q, UNPLUG_ALL, 0, 0), ACK);
	have = 0;
	check_eq(blocks(d, AT_PLUGGED), 0);
	check(follow(d, &q));
	check_eq(have, cmdline_num("blocks", 0));
	if (have > 0 && have < total)
		lies(&q);
	end();
	if (!cmdline_has("follow") || !(features & F_EVENT_IDX))
		return;
	begin("followed");
	print("blocks %u\n", have);
	for (uint32_t last = now_ms(); now_ms() - last < cmdline_num("ms", 0);)
		if (blocks(d, AT_REQUESTED) != have) {
			check(follow(d, &q));
			print("blocks %u\n", have);
			last = now_ms();
		}
	end();
}

void guest_main(void)
{
	struct vdev d;

	if (!virtio_find(&d, VIRTIO_MEM, 0)) {
		begin("mem");
		fail("none found");
		end();
		return;
	}
	req = alloc(PAGE, PAGE);
	resp = alloc(PAGE, PAGE);
	window_open(REGION);
	mem(&d, "split", 0);
	if (virtio_offered(&d) & F_PACKED)
		mem(&d, "packed-event", F_PACKED | F_EVENT_IDX);
	mem(&d, "split-event", F_EVENT_IDX);
	if (cmdline_has("reboot")) {
		print("again\n");
		outb(0x601, 1);
	}
}
