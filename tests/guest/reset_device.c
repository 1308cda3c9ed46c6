/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device resets, a thousand with a request between them, and in the middle of
 * requests. "resets=N" on the command line for another number.
 */
#include "lib/blk.h"

static struct blk blk;

static void many(uint32_t count)
{
	uintptr_t mark = heap_mark();
	uint64_t f[] = { 0, F_INDIRECT, F_EVENT_IDX, F_PACKED };

	begin("resets");
	for (uint32_t i = 0; i < count; i++) {
		if (!virtio_reset(&blk.d, 5000)) {
			fail("reset %u did not end", i);
			break;
		}
		if (!blk_restart(&blk, f[i % 4])) {
			fail("start %u", i);
			break;
		}
		if (i % 8 == 0 && !blk_works(&blk, i % 64)) {
			fail("after reset %u", i);
			break;
		}
		heap_release(mark);
	}
	end();
}

/* Fill the ring, kick, reset at once: nothing may be written afterwards. */
static void in_flight(uint64_t features, const char *name)
{
	enum { N = 40, LEN = 65536 };
	uintptr_t mark = heap_mark();
	struct blk_header *h = alloc(sizeof(*h) * N, 16);
	uint8_t *data = alloc(LEN, PAGE), *status = alloc(N, 16);

	begin(name);
	for (unsigned int round = 0; round < 30; round++) {
		uintptr_t inner = heap_mark();

		if (!blk_restart(&blk, features)) {
			fail("start in round %u", round);
			break;
		}
		for (unsigned int i = 0; i < N; i++) {
			struct buf v[3] = { BUF_OUT(&h[i], 16),
				BUF_IN(data, LEN), BUF_IN(&status[i], 1) };

			h[i] = (struct blk_header){ BLK_IN, 0, 0 };
			if (vq_add(&blk.q, v, 3, false) < 0)
				break;
		}
		vq_kick(&blk.q, true);
		if (round % 3)
			delay_ms(round % 3);
		if (!virtio_reset(&blk.d, 5000)) {
			fail("reset in round %u", round);
			break;
		}
		memset(data, 0x5c, LEN);
		memset(status, 0x5c, N);
		delay_ms(2);
		for (unsigned int i = 0; i < LEN; i += 512)
			check_eq(data[i], 0x5c);
		for (unsigned int i = 0; i < N; i++)
			check_eq(status[i], 0x5c);
		heap_release(inner);
	}
	check(blk_restart(&blk, 0) && blk_works(&blk, 3));
	end();
	heap_release(mark);
}

/* Status written as no driver should: order, bits, twice. */
static void status_abuse(void)
{
	begin("status-abuse");
	for (unsigned int i = 0; i < 256; i++) {
		virtio_set_status(&blk.d, (uint8_t)i);
		(void)virtio_status(&blk.d);
	}
	check(virtio_reset(&blk.d, 5000));
	for (unsigned int i = 0; i < 50; i++) {
		virtio_set_status(&blk.d, 0);
		virtio_set_status(&blk.d, 0);
		virtio_set_status(&blk.d, 15);
		virtio_set_status(&blk.d, 0);
	}
	check(virtio_reset(&blk.d, 5000));
	/* Features that were not offered: FEATURES_OK must not stay. */
	virtio_set_status(&blk.d, 3);
	virtio_write_features(&blk.d, ~0ull);
	virtio_set_status(&blk.d, 11);
	check(!(virtio_status(&blk.d) & STATUS_FEATURES_OK) ||
	    cmdline_has("qemu"));
	check(virtio_reset(&blk.d, 5000));
	/* Nor without VERSION_1. */
	virtio_set_status(&blk.d, 3);
	virtio_write_features(&blk.d, 0);
	virtio_set_status(&blk.d, 11);
	check(!(virtio_status(&blk.d) & STATUS_FEATURES_OK) ||
	    cmdline_has("qemu"));
	check(virtio_reset(&blk.d, 5000));
	/* A reset forgets what was enabled. */
	check(blk_restart(&blk, 0));
	check(virtio_reset(&blk.d, 5000));
	write16(blk.d.common + CC_QUEUE_SELECT, 0);
	check_eq(read16(blk.d.common + CC_QUEUE_ENABLE), 0);
	check_eq(read32(blk.d.common + CC_QUEUE_DESC), 0);
	check(blk_restart(&blk, 0) && blk_works(&blk, 1));
	end();
}

void guest_main(void)
{
	if (!blk_open(&blk, 0, 0)) {
		begin("disk");
		fail("none found");
		end();
		return;
	}
	many(cmdline_num("resets", 1000));
	in_flight(0, "reset-in-flight");
	in_flight(F_PACKED, "reset-in-flight-packed");
	status_abuse();
}
