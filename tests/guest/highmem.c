/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM above 4 GiB: it is zero, it is not an alias of low RAM, and devices write there
 * what they should.
 */
#include "lib/blk.h"
#include "lib/window.h"

void guest_main(void)
{
	uint64_t size = 0;
	struct blk b;
	uint32_t last;
	struct buf v[3];

	for (uint32_t i = 0; i < boot.map_entries; i++)
		if (boot.map[i].type == 1 && boot.map[i].addr == HIGH)
			size = boot.map[i].size;
	print("# high %u MiB\n", (uint32_t)(size >> 20));
	begin("high-memory");
	check(size >= PAGE);
	if (size < PAGE) {
		end();
		return;
	}
	if (size > 0x40000000)
		size = 0x40000000;
	last = WINDOW + (uint32_t)size - PAGE;
	window_open(HIGH);
	for (uint32_t o = 0; o < PAGE; o += 4) {
		check_eq(read32(WINDOW + o), 0);
		check_eq(read32(last + o), 0);
	}
	write32(0x2000000, 0x11111111);
	write32(WINDOW + 0x2000000, 0x22222222);
	write32(last, 0x33333333);
	check_eq(read32(0x2000000), 0x11111111);
	check_eq(read32(WINDOW + 0x2000000), 0x22222222);
	check_eq(read32(last), 0x33333333);
	end();

	begin("device-writes-high");
	if (!blk_open(&b, 0, 0)) {
		fail("no disk");
		end();
		return;
	}
	/* Written from high memory, read back to its last bytes. */
	blk_pattern((void *)WINDOW, 512, 5);
	*b.header = (struct blk_header){ BLK_OUT, 0, 3 };
	v[0] = BUF_OUT(b.header, 16);
	v[1] = (struct buf){ HIGH, 512, false };
	v[2] = BUF_IN(b.status, 1);
	check(vq_do(&b.q, v, 3, false) >= 0);
	check_eq(*b.status, BLK_OK);
	*b.header = (struct blk_header){ BLK_IN, 0, 3 };
	v[1] = (struct buf){ HIGH + size - 512, 512, true };
	check_eq(vq_do(&b.q, v, 3, false), 513);
	check_eq(*b.status, BLK_OK);
	check(memcmp((void *)(last + PAGE - 512), (void *)WINDOW, 512) == 0);
	/* Rings and all up there. */
	check(virtio_negotiate(&b.d, 0));
	check(vq_setup(&b.q, &b.d, 0, 16));
	/* Enabled, it stays where it is. */
	check(virtio_negotiate(&b.d, 0));
	vq_program(&b.d, 0, 16, HIGH + 0x10000, HIGH + 0x11000, HIGH + 0x12000);
	memset((void *)(WINDOW + 0x10000), 0, 3 * PAGE);
	b.q.desc = (void *)(WINDOW + 0x10000);
	b.q.avail = (void *)(WINDOW + 0x11000);
	b.q.used = (void *)(WINDOW + 0x12000);
	virtio_driver_ok(&b.d);
	for (uint32_t i = 0; i < 40; i++)
		if (!blk_works(&b, i)) {
			fail("request %u with rings up there", i);
			break;
		}
	end();
}
