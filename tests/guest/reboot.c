/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reboots three times, by the ACPI reset register, the i8042 and a triple
 * fault, counting them in sector 100 of the disk; each time memory must be zero
 * again and the disk as it was left. Powers off in the fourth life.
 */
#include "lib/blk.h"

#define MARK_ADDR 0x2000000u		/* 32 MiB */

void guest_main(void)
{
	static uint32_t sector[128];
	struct blk blk;
	uint32_t life;

	if (!blk_open(&blk, 0, F_INDIRECT)) {
		begin("disk");
		fail("none found");
		end();
		return;
	}
	if (blk_do(&blk, BLK_IN, 100, sector, 512) != BLK_OK) {
		begin("read");
		fail("no count");
		end();
		return;
	}
	life = sector[0];
	print("# life %u\n", life);
	begin("memory-is-zero");
	check_eq(read32(MARK_ADDR), 0);
	check_eq(read32((uintptr_t)low_ram_end() - 4), 0);
	end();
	write32(MARK_ADDR, 0xdeadbeef);
	write32((uintptr_t)low_ram_end() - 4, 0xdeadbeef);
	begin("disk-kept");
	if (life)
		check_eq(sector[1], 0xfeed0000u + life);
	sector[0] = life + 1;
	sector[1] = 0xfeed0000u + life + 1;
	check(blk_do(&blk, BLK_OUT, 100, sector, 512) == BLK_OK);
	check(blk_do(&blk, BLK_FLUSH, 0, NULL, 0) == BLK_OK);
	end();
	if (life == 0)
		reset_acpi();
	else if (life == 1)
		reset_i8042();
	else if (life == 2)
		triple_fault();
	else
		return;
	delay_ms(3000);
	begin("reset");
	fail("life %u goes on", life);
	end();
}
