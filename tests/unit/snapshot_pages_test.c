/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory in a snapshot: it comes back as it was, holes stay holes, and files that
 * were cut or flipped anywhere are refused or have another digest.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "controller/migration/pages.h"

#define PAGE 4096ull
#define HIGH 0x100000000ull
#define LOW_PAGES 1024ull	/* in two regions that touch */
#define HIGH_PAGES 8ull
#define PAGES (LOW_PAGES + HIGH_PAGES)

struct fixture {
	int ram, memory, ranges;
	uint64_t memory_size, ranges_size;
	uint8_t memory_digest[HASHED_DIGEST], ranges_digest[HASHED_DIGEST];
	struct pages_region regions[3];
};

static struct fixture fix;
static const char *why;

static int
new_file(uint64_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void
fill(uint64_t page, int byte)
{
	uint8_t data[PAGE];

	memset(data, byte, sizeof(data));
	assert_int_equal(pwrite(fix.ram, data, PAGE, (off_t)(page * PAGE)), PAGE);
}

static int
save(void)
{
	struct hashed memory, ranges;
	int rc;

	hashed_begin(&memory, fix.memory);
	hashed_begin(&ranges, fix.ranges);
	rc = pages_save(fix.regions, 3, &memory, &ranges);
	fix.memory_size = memory.size;
	fix.ranges_size = ranges.size;
	hashed_end(&memory, fix.memory_digest);
	hashed_end(&ranges, fix.ranges_digest);
	return rc;
}

/* Into memory of its own, which is then compared if @same. 1: another digest. */
static int
load(uint64_t memory_size, uint64_t ranges_size, bool same)
{
	int fd = new_file(PAGES * PAGE), rc;
	struct hashed memory, ranges;
	uint8_t digests[2][HASHED_DIGEST];
	struct gmem mem;

	assert_int_equal(gmem_init(&mem, PAGES * PAGE), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(gmem_add(&mem, i, fix.regions[i].gpa,
		    fix.regions[i].size, fd, fix.regions[i].offset, false), 0);
	hashed_begin(&memory, fix.memory);
	hashed_begin(&ranges, fix.ranges);
	rc = pages_load(&mem, &memory, memory_size, &ranges, ranges_size, &why);
	hashed_end(&memory, digests[0]);
	hashed_end(&ranges, digests[1]);
	if (rc == 0 && (memcmp(digests[0], fix.memory_digest, HASHED_DIGEST) != 0 ||
	    memcmp(digests[1], fix.ranges_digest, HASHED_DIGEST) != 0))
		rc = 1;
	for (uint64_t i = 0; same && i < PAGES; i++) {
		uint8_t is[PAGE], was[PAGE];

		assert_int_equal(pread(fd, is, PAGE, (off_t)(i * PAGE)), PAGE);
		assert_int_equal(pread(fix.ram, was, PAGE, (off_t)(i * PAGE)), PAGE);
		assert_memory_equal(is, was, PAGE);
	}
	gmem_fini(&mem);
	close(fd);
	return rc;
}

static int
set_up(void **state)
{
	(void)state;
	fix = (struct fixture){ .ram = new_file(PAGES * PAGE),
	    .memory = new_file(0), .ranges = new_file(0) };
	fix.regions[0] = (struct pages_region){ .gpa = 0,
	    .size = LOW_PAGES / 2 * PAGE, .fd = fix.ram };
	fix.regions[1] = (struct pages_region){ .gpa = LOW_PAGES / 2 * PAGE,
	    .size = LOW_PAGES / 2 * PAGE, .offset = LOW_PAGES / 2 * PAGE,
	    .fd = fix.ram };
	fix.regions[2] = (struct pages_region){ .gpa = HIGH,
	    .size = HIGH_PAGES * PAGE, .offset = LOW_PAGES * PAGE, .fd = fix.ram };
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(fix.ram);
	close(fix.memory);
	close(fix.ranges);
	return 0;
}

static void
some_pages(void)
{
	fill(0, 1);
	fill(1, 0);				/* zero, and not a hole */
	fill(2, 2);
	for (uint64_t i = 60; i < 200; i++)	/* over the edges of chunks */
		fill(i, (int)i);
	fill(LOW_PAGES / 2 - 1, 3);		/* ... and of regions */
	fill(LOW_PAGES / 2, 4);
	fill(LOW_PAGES, 5);
	fill(PAGES - 1, 6);
}

static void
comes_back(void **state)
{
	struct stat before, after;

	(void)state;
	some_pages();
	assert_int_equal(fstat(fix.ram, &before), 0);
	assert_int_equal(save(), 0);
	assert_int_equal(fstat(fix.ram, &after), 0);
	assert_int_equal(before.st_blocks, after.st_blocks);
	assert_int_equal(fix.memory_size, (2 + 140 + 4) * PAGE);
	assert_int_equal(fix.ranges_size, (2 + 1 + 2 + 2) * PAGES_RANGE);
	assert_int_equal(load(fix.memory_size, fix.ranges_size, true), 0);
}

static void
nothing_at_all(void **state)
{
	(void)state;
	assert_int_equal(save(), 0);
	assert_int_equal(fix.memory_size, 0);
	assert_int_equal(fix.ranges_size, 0);
	assert_int_equal(load(0, 0, true), 0);
}

/* More ranges than are written at once, and a byte at each end of a page alone. */
static void
many_ranges(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < LOW_PAGES; i += 2)
		assert_int_equal(pwrite(fix.ram, "x", 1, (off_t)(i * PAGE +
		    (i % 4 == 0 ? 0 : PAGE - 1))), 1);
	assert_int_equal(save(), 0);
	assert_int_equal(fix.ranges_size, LOW_PAGES / 2 * PAGES_RANGE);
	assert_int_equal(load(fix.memory_size, fix.ranges_size, true), 0);
}

static void
no_room(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), kept = fix.memory;

	(void)state;
	assert_true(full >= 0);
	some_pages();
	fix.memory = full;
	assert_int_equal(save(), -ENOSPC);
	fix.memory = kept;
	kept = fix.ranges;
	fix.ranges = full;
	assert_int_equal(save(), -ENOSPC);
	fix.ranges = kept;
	close(full);
}

static void
damaged_anywhere(void **state)
{
	(void)state;
	fill(3, 1);
	fill(LOW_PAGES, 2);
	assert_int_equal(save(), 0);
	for (uint64_t i = 0; i < fix.ranges_size * 8; i++) {
		uint8_t byte, flipped;

		assert_int_equal(pread(fix.ranges, &byte, 1, (off_t)(i / 8)), 1);
		flipped = (uint8_t)(byte ^ 1 << i % 8);
		assert_int_equal(pwrite(fix.ranges, &flipped, 1, (off_t)(i / 8)), 1);
		assert_int_not_equal(load(fix.memory_size, fix.ranges_size, false), 0);
		assert_int_equal(pwrite(fix.ranges, &byte, 1, (off_t)(i / 8)), 1);
	}
	for (uint64_t i = 0; i < fix.ranges_size; i++)
		assert_int_equal(load(fix.memory_size, i, false), -EINVAL);
	for (uint64_t i = 0; i < fix.memory_size; i += 257)
		assert_int_equal(load(i, fix.ranges_size, false), -EINVAL);
	assert_int_equal(load(PAGE, fix.ranges_size, false), -EINVAL);
	assert_string_equal(why, "its memory is shorter than its memory ranges say");
	assert_int_equal(load(fix.memory_size + 1, fix.ranges_size, false), -EINVAL);
	assert_int_equal(pwrite(fix.memory, "x", 1, 5000), 1);
	assert_int_equal(load(fix.memory_size, fix.ranges_size, false), 1);
	assert_int_equal(ftruncate(fix.memory, 5000), 0);
	assert_int_equal(load(fix.memory_size, fix.ranges_size, false), -ENODATA);
	assert_int_equal(ftruncate(fix.ranges, 20), 0);
	assert_int_equal(load(fix.memory_size, fix.ranges_size, false), -ENODATA);
}

static void
ranges_of_no_vm(void **state)
{
	static const struct { uint64_t gpa, size; } refused[] = {
		{ 0, 0 },
		{ 1, PAGE },
		{ 0, PAGE - 1 },
		{ LOW_PAGES * PAGE, PAGE },		/* behind a region */
		{ (LOW_PAGES - 1) * PAGE, 2 * PAGE },	/* ... and over its end */
		{ HIGH - PAGE, 2 * PAGE },
		{ (LOW_PAGES / 2 - 1) * PAGE, 2 * PAGE },	/* over two */
		{ 0 - PAGE, PAGE },
		{ 0 - PAGE, 2 * PAGE },
		{ PAGE, 0 - PAGE },
	};

	(void)state;
	assert_int_equal(ftruncate(fix.memory, 4 * PAGE), 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		uint64_t range[2] = { htole64(refused[i].gpa),
		    htole64(refused[i].size) };

		assert_int_equal(pwrite(fix.ranges, range, 16, 0), 16);
		assert_int_equal(load(refused[i].size % (4 * PAGE), 16, false),
		    -EINVAL);
		assert_string_equal(why, "a memory range that is none of the VM's");
	}
}

/* Twice the same page, or one that was passed: not in a file of ours. */
static void
ranges_out_of_order(void **state)
{
	uint64_t range[4] = { htole64(PAGE), htole64(PAGE), htole64(PAGE),
	    htole64(PAGE) };

	(void)state;
	assert_int_equal(ftruncate(fix.memory, 2 * PAGE), 0);
	assert_int_equal(pwrite(fix.ranges, range, 32, 0), 32);
	assert_int_equal(load(2 * PAGE, 32, false), -EINVAL);
	range[2] = 0;
	assert_int_equal(pwrite(fix.ranges, range, 32, 0), 32);
	assert_int_equal(load(2 * PAGE, 32, false), -EINVAL);
	range[2] = htole64(2 * PAGE);
	assert_int_equal(pwrite(fix.ranges, range, 32, 0), 32);
	assert_int_equal(load(2 * PAGE, 32, false), 1);
}

/* As sha256sum has it, so that a user can look at a snapshot. */
static void
known_digest(void **state)
{
	static const uint8_t abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01 };
	uint8_t digest[HASHED_DIGEST];
	struct hashed f;

	(void)state;
	hashed_begin(&f, fix.memory);
	assert_int_equal(hashed_write(&f, "a", 1), 0);
	assert_int_equal(hashed_write(&f, "bc", 2), 0);
	assert_int_equal(f.size, 3);
	hashed_end(&f, digest);
	assert_memory_equal(digest, abc, sizeof(abc));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(comes_back), TEST(nothing_at_all), TEST(many_ranges),
		TEST(no_room), TEST(damaged_anywhere),
		TEST(ranges_of_no_vm), TEST(ranges_out_of_order),
		TEST(known_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
