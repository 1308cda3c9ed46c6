/* SPDX-License-Identifier: Apache-2.0 */
/* The door to guest memory: what it lets through and what it does not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/gmem.h"

#define PAGE 4096ull
#define SIZE (16 * PAGE)
#define HIGH 0x100000000ull

static int fd;

/* Two regions that touch (0..8, 8..12 pages), one high and read only. */
static int
set_up(void **state)
{
	static struct gmem mem;

	fd = memfd_create("ram", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(gmem_init(&mem, SIZE), 0);
	assert_int_equal(gmem_add(&mem, 0, 0, 8 * PAGE, fd, 0, false), 0);
	assert_int_equal(gmem_add(&mem, 5, 8 * PAGE, 4 * PAGE, fd, 8 * PAGE,
	    false), 0);
	assert_int_equal(gmem_add(&mem, 1, HIGH, 4 * PAGE, fd, 12 * PAGE,
	    true), 0);
	*state = &mem;
	return 0;
}

static int
tear_down(void **state)
{
	gmem_fini(*state);
	close(fd);
	return 0;
}

static void
spans_end_with_their_region(void **state)
{
	struct gmem *mem = *state;

	assert_non_null(gmem_span_read(mem, gpa(0), 8 * PAGE));
	assert_null(gmem_span_read(mem, gpa(0), 8 * PAGE + 1));
	assert_non_null(gmem_span_write(mem, gpa(8 * PAGE - 1), 1));
	assert_null(gmem_span_write(mem, gpa(8 * PAGE - 1), 2));
	assert_null(gmem_span_read(mem, gpa(12 * PAGE), 1));
	assert_null(gmem_span_read(mem, gpa(12 * PAGE), 0));
	assert_null(gmem_span_read(mem, gpa(HIGH - 1), 1));
	assert_non_null(gmem_span_read(mem, gpa(HIGH), 4 * PAGE));
	assert_null(gmem_span_read(mem, gpa(HIGH + 4 * PAGE), 1));
	assert_null(gmem_span_read(mem, gpa(UINT64_MAX), 1));
	assert_null(gmem_span_read(mem, gpa(UINT64_MAX), UINT64_MAX));
	assert_null(gmem_span_read(mem, gpa(PAGE), UINT64_MAX));
}

static void
read_only_regions_are_not_written(void **state)
{
	struct gmem *mem = *state;
	char c = 'x';

	assert_null(gmem_span_write(mem, gpa(HIGH), 1));
	assert_int_equal(gmem_write(mem, gpa(HIGH), &c, 1), -EFAULT);
	assert_int_equal(gmem_read(mem, gpa(HIGH), &c, 1), 0);
	assert_int_equal(c, 0);
}

static void
copies_cross_regions_that_touch(void **state)
{
	struct gmem *mem = *state;
	uint8_t out[64], in[64];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i + 1);
	assert_int_equal(gmem_write(mem, gpa(8 * PAGE - 32), out, 64), 0);
	assert_int_equal(gmem_read(mem, gpa(8 * PAGE - 32), in, 64), 0);
	assert_memory_equal(out, in, 64);
	assert_memory_equal(gmem_span_read(mem, gpa(8 * PAGE), 32), out + 32,
	    32);
}

static void
a_bad_copy_copies_nothing(void **state)
{
	struct gmem *mem = *state;
	uint8_t buf[64], zero[64] = { 0 };

	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(gmem_write(mem, gpa(12 * PAGE - 32), buf, 64),
	    -EFAULT);
	assert_memory_equal(gmem_span_read(mem, gpa(12 * PAGE - 32), 32), zero,
	    32);
	assert_int_equal(gmem_read(mem, gpa(UINT64_MAX - 8), buf, 16), -EFAULT);
}

static void
bad_regions_are_refused(void **state)
{
	struct gmem *mem = *state;

	assert_int_equal(gmem_add(mem, 0, HIGH * 2, PAGE, fd, 0, false),
	    -EEXIST);
	assert_int_equal(gmem_add(mem, 2, 11 * PAGE, 2 * PAGE, fd, 0, false),
	    -EEXIST);
	assert_int_equal(gmem_add(mem, GMEM_MAX_REGIONS, HIGH * 2, PAGE, fd, 0,
	    false), -EINVAL);
	assert_int_equal(gmem_add(mem, 2, HIGH * 2, 0, fd, 0, false), -EINVAL);
	assert_int_equal(gmem_add(mem, 2, HIGH * 2 + 1, PAGE, fd, 0, false),
	    -EINVAL);
	assert_int_equal(gmem_add(mem, 2, UINT64_MAX - PAGE + 1, 2 * PAGE, fd,
	    0, false), -EINVAL);
	assert_int_equal(gmem_add(mem, 2, HIGH * 2, PAGE, fd, 0, false),
	    -ENOSPC);
	assert_int_equal(gmem_add(mem, 2, HIGH * 2, UINT64_MAX & ~(PAGE - 1),
	    fd, 0, false), -EINVAL);
}

static void
a_removed_region_is_gone_and_its_room_is_used_again(void **state)
{
	struct gmem *mem = *state;

	assert_int_equal(gmem_remove(mem, 5), 0);
	assert_int_equal(gmem_remove(mem, 5), -ENOENT);
	assert_int_equal(gmem_remove(mem, GMEM_MAX_REGIONS), -EINVAL);
	assert_null(gmem_span_read(mem, gpa(8 * PAGE), 1));
	assert_int_equal(gmem_add(mem, 5, HIGH * 2, 4 * PAGE, fd, 8 * PAGE,
	    false), 0);
	assert_non_null(gmem_span_write(mem, gpa(HIGH * 2), 4 * PAGE));
}

static void
written_pages_are_marked(void **state)
{
	struct gmem *mem = *state;
	int log = memfd_create("log", MFD_CLOEXEC);
	uint8_t bits[4096];

	assert_int_equal(ftruncate(log, 4096), 0);
	assert_int_equal(gmem_set_dirty_log(mem, log, 2), 0);
	assert_int_equal(gmem_write(mem, gpa(2 * PAGE - 1), "ab", 2), 0);
	gmem_mark_dirty(mem, gpa(11 * PAGE), PAGE);
	gmem_mark_dirty(mem, gpa(HIGH), PAGE);		/* outside: ignored */
	gmem_mark_dirty(mem, gpa(UINT64_MAX), 2);	/* wraps: ignored */
	gmem_mark_dirty(mem, gpa(5 * PAGE), 0);
	assert_int_equal(pread(log, bits, sizeof(bits), 0), 4096);
	assert_int_equal(bits[0], 1 << 1 | 1 << 2);
	assert_int_equal(bits[1], 1 << (11 - 8));
	assert_int_equal(bits[2], 0);
	assert_int_equal(gmem_set_dirty_log(mem, -1, 0), 0);
	gmem_mark_dirty(mem, gpa(0), PAGE);
	assert_int_equal(pread(log, bits, 1, 0), 1);
	assert_int_equal(bits[0], 1 << 1 | 1 << 2);
	assert_int_equal(gmem_set_dirty_log(mem, log, 0), -EINVAL);
	assert_int_equal(gmem_set_dirty_log(mem, log, 1ull << 40), -ENOSPC);
	close(log);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(spans_end_with_their_region),
		T(read_only_regions_are_not_written),
		T(copies_cross_regions_that_touch),
		T(a_bad_copy_copies_nothing),
		T(bad_regions_are_refused),
		T(a_removed_region_is_gone_and_its_room_is_used_again),
		T(written_pages_are_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
