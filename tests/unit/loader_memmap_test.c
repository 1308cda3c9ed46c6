// SPDX-License-Identifier: Apache-2.0
/* The guest's memory map. */
#include "loader_fixture.h"

static struct gmem
regions(const uint64_t (*r)[3], unsigned int n)
{
	struct gmem mem = { 0 };

	for (unsigned int i = 0; i < n; i++)
		mem.region[i] = (struct gmem_region){
			.gpa = r[i][0], .size = r[i][1], .readonly = r[i][2] != 0,
		};
	return mem;
}

static void
assert_range(const struct memmap *m, unsigned int i, uint64_t start,
    uint64_t end, enum memmap_type type)
{
	assert_true(i < m->count);
	assert_int_equal(m->range[i].start, start);
	assert_int_equal(m->range[i].start + m->range[i].size, end);
	assert_int_equal(m->range[i].type, type);
}

static void
small(void **state)
{
	const uint64_t r[][3] = { { 0, 512 * MIB, 0 } };
	struct gmem mem = regions(r, 1);
	struct memmap m;

	(void)state;
	memmap_build(&m, &mem);
	assert_int_equal(m.count, 4);
	assert_range(&m, 0, 0, 0x9fc00, MEMMAP_RAM);
	assert_range(&m, 1, 0x9fc00, 0x100000, MEMMAP_RESERVED);
	assert_range(&m, 2, 0x100000, 512 * MIB, MEMMAP_RAM);
	/* ECAM, and KVM's four pages behind it. */
	assert_range(&m, 3, 0xe8000000, 0xf8004000, MEMMAP_RESERVED);
	assert_int_equal(memmap_low_end(&m), 512 * MIB);
	assert_int_equal(memmap_ram_end(&m), 512 * MIB);
	assert_true(memmap_is_ram(&m, 0x100000, 511 * MIB));
	assert_false(memmap_is_ram(&m, 0x100000, 511 * MIB + 1));
	assert_false(memmap_is_ram(&m, 0x9f000, 0x1000));
	assert_false(memmap_is_ram(&m, 0x100000, 0));
	assert_false(memmap_is_ram(&m, 0x200000, UINT64_MAX));
	assert_false(memmap_is_ram(&m, UINT64_MAX, 1));
}

/* Regions in any order, in pieces that touch, with the hole, one read-only. */
static void
pieces(void **state)
{
	const uint64_t r[][3] = {
		{ 0x100000000, 1024 * MIB, 0 }, { 2048 * MIB, 1024 * MIB, 0 },
		{ 0, 2048 * MIB, 0 }, { 0x200000000, 16 * MIB, 1 },
	};
	struct gmem mem = regions(r, 4);
	struct memmap m;

	(void)state;
	memmap_build(&m, &mem);
	assert_range(&m, 2, 0x100000, 0xc0000000, MEMMAP_RAM);
	assert_range(&m, m.count - 2, 0x100000000, 0x140000000, MEMMAP_RAM);
	assert_range(&m, m.count - 1, 0x200000000, 0x201000000,
	    MEMMAP_RESERVED);
	assert_int_equal(memmap_low_end(&m), LAYOUT_LOW_RAM_END);
	assert_int_equal(memmap_ram_end(&m), 0x140000000);
	assert_true(memmap_is_ram(&m, 2047 * MIB, 2 * MIB));
	assert_false(memmap_is_ram(&m, 0x200000000, 4096));
}

/* Whatever the regions, the table is sorted and overlaps nowhere. */
static void
odd(void **state)
{
	const uint64_t r[][3] = {
		{ 0xa0000, 0x10000, 0 }, { 0x1000, 0x9f000, 0 },
		{ 0xb0000, 0x100000, 0 }, { 0xf0000000, 0x10000000, 0 },
	};
	struct gmem mem = regions(r, 4);
	struct memmap m;

	(void)state;
	memmap_build(&m, &mem);
	for (unsigned int i = 1; i < m.count; i++)
		assert_true(m.range[i].start >=
		    m.range[i - 1].start + m.range[i - 1].size);
	assert_false(memmap_is_ram(&m, 0xa0000, 1));
}

static void
none(void **state)
{
	struct gmem mem = { 0 };
	struct memmap m;

	(void)state;
	memmap_build(&m, &mem);
	assert_int_equal(memmap_low_end(&m), LAYOUT_HIGH_RAM);
	assert_int_equal(memmap_ram_end(&m), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small),
		cmocka_unit_test(pieces),
		cmocka_unit_test(odd),
		cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
