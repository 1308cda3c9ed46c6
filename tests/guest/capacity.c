/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that gets another size: each time the device says so by its ISR, "capacity N"
 * and what of it works: the first sector has what was written to it at first, the last
 * can be written to, the one behind the end not. The power button ends it.
 */
#include "lib/blk.h"

#define ISR_CONFIG 2u

static struct blk blk;

static uint64_t capacity(void)
{
	uint32_t before;
	uint64_t size;

	do {
		before = read8(blk.d.common + 21);	/* config_generation */
		size = read32(blk.d.config) |
		    (uint64_t)read32(blk.d.config + 4) << 32;
	} while (read8(blk.d.common + 21) != before);
	return size;
}

static void look(void)
{
	static uint8_t first[512], data[512];
	uint64_t size = capacity();
	bool good;

	blk_pattern(first, sizeof(first), 4711);
	if (blk.capacity == size)
		good = blk_do(&blk, BLK_OUT, 0, first, 512) == BLK_OK;
	else
		good = blk_do(&blk, BLK_IN, 0, data, 512) == BLK_OK &&
		    memcmp(data, first, 512) == 0;
	blk.capacity = size;
	good = good && blk_works(&blk, size - 1) &&
	    blk_do(&blk, BLK_IN, size, data, 512) == BLK_IOERR;
	print("capacity %u %s\n", (uint32_t)size, good ? "works" : "is not");
}

void guest_main(void)
{
	begin("capacity");
	check(blk_open(&blk, 0, BLK_F_FLUSH));
	look();
	while (!(inb(LAYOUT_PORT_GED) & LAYOUT_GED_POWER_BUTTON)) {
		if (read8(blk.d.isr) & ISR_CONFIG)
			look();
		delay_ms(1);
	}
	end();
	print("done\n");
	power_off();
}
