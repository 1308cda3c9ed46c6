/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of two equal zones that touch below 4 GiB: each is RAM of its own, a device
 * reads and writes across their edge. Prints what ACPI says of nodes for the runner.
 */
#include "lib/blk.h"
#include "lib/guest.h"
#include "lib/pci.h"

#define STEP 0x100000u
#define FIRST 0x1000000u

static void both(uint32_t top)
{
	begin("both-zones");
	for (uint32_t p = FIRST; p < top; p += STEP) {
		check_eq(read32(p), 0);
		write32(p, p ^ 0x5a5a5a5a);
		write32(p + STEP - 4, ~p);
	}
	for (uint32_t p = FIRST; p < top; p += STEP) {
		check_eq(read32(p), p ^ 0x5a5a5a5a);
		check_eq(read32(p + STEP - 4), ~p);
	}
	end();
}

static void across(uint32_t edge)
{
	uint8_t *data = (void *)(uintptr_t)(edge - 512), *same;
	struct blk b;

	begin("device-across");
	if (!blk_open(&b, 0, 0)) {
		fail("no disk");
		end();
		return;
	}
	same = alloc(1024, 512);
	blk_pattern(same, 1024, 7);
	memcpy(data, same, 1024);
	check_eq(blk_do(&b, BLK_OUT, 4, data, 1024), BLK_OK);
	memset(data, 0, 1024);
	check_eq(blk_do(&b, BLK_IN, 4, data, 1024), BLK_OK);
	check(memcmp(data, same, 1024) == 0);
	end();
}

/* ACPI 6.4 5.2.16, 5.2.17. */
static void nodes(void)
{
	const struct acpi_header *srat = acpi_find("SRAT");
	const struct acpi_header *slit = acpi_find("SLIT");
	const uint8_t *s = (const void *)srat, *d = (const void *)slit;

	if (srat == 0 || slit == 0) {
		print("# no nodes\n");
		return;
	}
	for (uint32_t o = 48; o + 2 <= srat->length && s[o + 1] != 0; o += s[o + 1]) {
		uintptr_t at = (uintptr_t)s + o;

		if (s[o] == 2)
			print("# apic %u node %u flags %u\n", read32(at + 8),
			    read32(at + 4), read32(at + 12));
		else if (s[o] == 1)
			print("# memory 0x%llx+0x%llx node %u flags %u\n",
			    (uint64_t)read32(at + 12) << 32 | read32(at + 8),
			    (uint64_t)read32(at + 20) << 32 | read32(at + 16),
			    read32(at + 2), read32(at + 28));
	}
	for (uint32_t i = 0; i < d[36] * d[36]; i++)
		print("# distance %u to %u is %u\n", i / d[36], i % d[36],
		    d[44 + i]);
}

void guest_main(void)
{
	uint32_t top = (uint32_t)low_ram_end();

	nodes();
	both(top);
	across(top / 2);
}
