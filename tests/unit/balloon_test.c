/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balloon without a host that takes memory: which ranges it gives back, in how
 * few calls, and what it does when that fails. Its madvise() is wrapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "device-workers/balloon/balloon.h"
#include "tests/unit/device_harness.h"

#define PAGE 4096u
#define NUMBERS 0x20000u
#define V1 (1ull << VIRTIO_F_VERSION_1)

static struct { uint64_t at, len; } gone[64];
static unsigned int ngone;
static int error;

int __wrap_madvise(void *addr, size_t len, int advice);

int
__wrap_madvise(void *addr, size_t len, int advice)
{
	assert_int_equal(advice, MADV_REMOVE);
	assert_true(ngone < 64);
	gone[ngone].at = (uint64_t)((uint8_t *)addr - h.mem);
	gone[ngone++].len = len;
	errno = error;
	return error == 0 ? 0 : -1;
}

static void
make(bool reporting)
{
	Bh__BalloonConfig balloon = BH__BALLOON_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	const char *why;

	balloon.host_page = PAGE;
	balloon.queue_size = H_QUEUE;
	balloon.free_page_reporting = reporting;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BALLOON;
	config.balloon = &balloon;
	assert_int_equal(h_start(&balloon_ops, &config, &why), 0);
	h_activate(V1);
	ngone = 0;
	error = 0;
}

static void
inflate(const uint32_t *numbers, unsigned int n)
{
	const struct h_seg seg = { NUMBERS, n * 4, false };
	uint32_t id, len;

	memcpy(h.mem + NUMBERS, numbers, n * 4u);
	h_add(0, &seg, 1);
	h_kick(0);
	assert_true(h_used(0, &id, &len));
	assert_int_equal(len, 0);
}

static void
test_runs(void **state)
{
	static const uint32_t numbers[] = { 10, 11, 12, 30, 29, 28, 27, 31, 40, 40,
		0x7fffffff, 41 };

	(void)state;
	make(false);
	inflate(numbers, 12);
	assert_int_equal(ngone, 4);
	assert_int_equal(gone[0].at, 10 * PAGE);
	assert_int_equal(gone[0].len, 3 * PAGE);
	assert_int_equal(gone[1].at, 27 * PAGE);
	assert_int_equal(gone[1].len, 5 * PAGE);
	assert_int_equal(gone[2].at, 40 * PAGE);
	/* The one that is no memory does not cut a run. */
	assert_int_equal(gone[3].at, 40 * PAGE);
	assert_int_equal(gone[3].len, 2 * PAGE);
}

/* Beside each other in the guest, and not here. */
static void
test_regions(void **state)
{
	static const uint32_t numbers[] = { 15, 16 };

	(void)state;
	make(false);
	h.dev.mem.region[0].size = 16ull * PAGE;
	h.dev.mem.region[1] = (struct gmem_region){ .gpa = 16ull * PAGE,
	    .size = H_MEM - 16ull * PAGE, .host = h.mem + 16ull * PAGE };
	inflate(numbers, 2);
	assert_int_equal(ngone, 1);
	h.dev.mem.region[2] = (struct gmem_region){ .gpa = 1ull << 32,
	    .size = PAGE, .host = h.mem };
	h.dev.mem.region[3] = (struct gmem_region){ .gpa = (1ull << 32) + PAGE,
	    .size = PAGE, .host = h.mem + 8ull * PAGE };
	ngone = 0;
	inflate((const uint32_t[]){ 0x100000, 0x100001 }, 2);
	assert_int_equal(ngone, 2);
	memset(&h.dev.mem, 0, sizeof(h.dev.mem));
}

static void
test_fails(void **state)
{
	uint64_t counters[COUNTERS] = { 0 };

	(void)state;
	make(false);
	h.dev.counters = counters;
	error = EINVAL;
	inflate((const uint32_t[]){ 20 }, 1);
	assert_int_equal(counters[BALLOON_COUNT_RETURNED], 0);
	error = 0;
	inflate((const uint32_t[]){ 20, 21 }, 2);
	assert_int_equal(counters[BALLOON_COUNT_RETURNED], 2 * PAGE);
	h.dev.counters = NULL;
}

/* A driver that did not ask for it reports nothing. */
static void
test_not_negotiated(void **state)
{
	const struct h_seg seg = { 0x40000, 4 * PAGE, true };
	uint32_t id, len;

	(void)state;
	make(true);
	h_add(3, &seg, 1);
	h_kick(3);
	assert_true(h_used(3, &id, &len));
	assert_int_equal(ngone, 0);
	h_reset();
	h_activate(V1 | 1u << BALLOON_F_REPORTING);
	h_add(4, &seg, 1);
	h_kick(4);
	assert_int_equal(ngone, 1);
	assert_int_equal(gone[0].len, 4 * PAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs), cmocka_unit_test(test_regions),
		cmocka_unit_test(test_fails), cmocka_unit_test(test_not_negotiated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
