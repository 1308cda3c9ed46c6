/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rtc: which clocks there are, that they go on and agree with the TSC's pace, and
 * an error for each wrong request. "now=N": the host's time in seconds since 1970.
 */
#include "lib/virtio.h"

#define REQ_READ 1
#define REQ_READ_CROSS 2
#define REQ_CFG 0x1000
#define REQ_CLOCK_CAP 0x1001
#define REQ_CROSS_CAP 0x1002

#define S_OK 0
#define S_EOPNOTSUPP 2
#define S_ENODEV 3
#define S_EINVAL 4
#define NONE 0xff

static struct vq q;
static uint8_t *io;		/* request; answer + 64 */

/* The status of @type with @clock: @in bytes of request, @out of room. */
static int ask(uint16_t type, uint16_t clock, uint32_t in, uint32_t out, int want)
{
	struct buf v[3] = { BUF_OUT(io, 3), BUF_OUT(io + 3, in - 3),
	    BUF_IN(io + 64, out) };
	int len;

	memset(io, 0, 128);
	memset(io + 64, NONE, 64);
	memcpy(io, &type, 2);
	memcpy(io + 8, &clock, 2);
	len = in > 3 ? vq_do(&q, v, 3, false) : vq_do(&q, &v[2], 1, false);
	check_eq(len, want);
	for (int i = len; i >= 0 && i < 64; i++)
		check_eq(io[64 + i], NONE);
	return io[64];
}

static uint64_t reading(uint16_t clock)
{
	uint64_t ns;

	check_eq(ask(REQ_READ, clock, 16, 16, 16), S_OK);
	memcpy(&ns, io + 72, 8);
	return ns;
}

static void clocks(void)
{
	const uint32_t now = cmdline_num("now", 0);
	uint64_t utc, mono, before = 0;
	uint32_t secs;

	begin("clocks");
	check_eq(ask(REQ_CFG, 0, 8, 16, 16), S_OK);
	check_eq(io[72], 2);
	check_eq(ask(REQ_CLOCK_CAP, 0, 16, 16, 16), S_OK);
	check_eq(io[72], 4);
	check_eq(io[73], 0);
	check_eq(ask(REQ_CLOCK_CAP, 1, 16, 16, 16), S_OK);
	check_eq(io[72], 2);
	check_eq(ask(REQ_CROSS_CAP, 0, 16, 16, 16), S_OK);
	check_eq(io[72], 0);
	for (unsigned int i = 0; i < 100; i++) {
		mono = reading(1);
		check(mono > before);
		before = mono;
	}
	utc = reading(0);
	/* 64 bits are not divided here: 2^30 ns are 1.07 s, times that in 2^-20. */
	secs = (uint32_t)((utc >> 30) * 1125900u >> 20);
	print("# %u\n", secs);
	check(now == 0 || (secs + 1000 > now && secs < now + 1000));
	end();
	begin("pace");
	mono = reading(1);
	delay_ms(100);
	before = reading(1);
	check(before - mono > 80000000u && before - mono < 2000000000u);
	check(reading(0) - utc < 5000000000u);
	end();
}

static void errors(void)
{
	begin("errors");
	check_eq(ask(REQ_READ, 2, 16, 16, 8), S_ENODEV);
	check_eq(ask(REQ_READ, 0xffff, 16, 64, 8), S_ENODEV);
	check_eq(ask(REQ_CLOCK_CAP, 2, 16, 16, 8), S_ENODEV);
	check_eq(ask(REQ_CROSS_CAP, 2, 16, 16, 8), S_ENODEV);
	check_eq(ask(REQ_READ_CROSS, 0, 16, 24, 8), S_EOPNOTSUPP);
	check_eq(ask(0x1003, 0, 16, 16, 8), S_EOPNOTSUPP);
	check_eq(ask(0xffff, 0, 16, 16, 8), S_EOPNOTSUPP);
	check_eq(ask(0, 0, 16, 16, 8), S_EOPNOTSUPP);
	/* Too short, at every byte; no room for the answer. */
	for (uint32_t n = 4; n < 16; n++)
		check_eq(ask(REQ_READ, 0, n, 16, 8), S_EINVAL);
	for (uint32_t n = 4; n < 8; n++)
		check_eq(ask(REQ_CFG, 0, n, 16, 8), S_EINVAL);
	check_eq(ask(REQ_READ, 0, 0, 16, 8), S_EINVAL);
	for (uint32_t n = 8; n < 16; n++)
		check_eq(ask(REQ_READ, 0, 16, n, 8), S_EINVAL);
	check_eq(ask(REQ_READ, 0, 16, 1, 1), S_EINVAL);
	check_eq(vq_do(&q, &BUF_OUT(io, 16), 1, false), 0);
	check_eq(ask(REQ_READ, 0, 40, 64, 16), S_OK);
	end();
}

void guest_main(void)
{
	struct vdev d;

	begin("rtc");
	check(virtio_find(&d, VIRTIO_RTC, 0));
	check(virtio_negotiate(&d, cmdline_has("packed") ? F_PACKED : 0));
	check_eq(d.offered & 0xffffff, 0);
	check(vq_setup(&q, &d, 0, 0));
	virtio_driver_ok(&d);
	end();
	io = alloc(PAGE, 16);
	clocks();
	errors();
}
