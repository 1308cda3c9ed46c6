/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent memory on a file whose fsync() is wrapped: how often it is called, and
 * what the guest hears when it fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>

#include "device-workers/pmem/pmem.h"
#include "tests/unit/device_harness.h"

#define REQUEST 0x20000u
#define ANSWER 0x30000u

static unsigned int syncs;
static int error;

int __wrap_fsync(int fd);

int
__wrap_fsync(int fd)
{
	assert_int_equal(fd, FD_BACKEND);
	syncs++;
	errno = error;
	return error == 0 ? 0 : -1;
}

static int
begin(bool discard, const char **why)
{
	Bh__PmemConfig pmem = BH__PMEM_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;

	pmem.start = 5ull << 30;
	pmem.size = 2 << 20;
	pmem.discard_writes = discard;
	pmem.queue_size = H_QUEUE;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_PMEM;
	config.pmem = &pmem;
	syncs = 0;
	error = 0;
	return h_start(&pmem_ops, &config, why);
}

static int
set_up(void **state)
{
	const char *why;
	int fd = open("/dev/null", O_RDWR);

	(void)state;
	assert_int_equal(dup2(fd, FD_BACKEND), FD_BACKEND);
	if (fd != FD_BACKEND)
		close(fd);
	assert_int_equal(begin(false, &why), 0);
	h_activate(1ull << VIRTIO_F_VERSION_1);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	h_reset();
	close(FD_BACKEND);
	return 0;
}

/* The @n-th request, of @type, and the answer that waits for it: not one yet. */
static void
add(unsigned int n, uint32_t type, uint32_t in, uint32_t out)
{
	const struct h_seg seg[2] = { { REQUEST + 16ull * n, in, false },
		{ ANSWER + 16ull * n, out, true } };

	memcpy(h.mem + REQUEST + 16ull * n, &type, 4);
	memset(h.mem + ANSWER + 16ull * n, 0xee, 16);
	h_add(0, seg, 2);
}

static uint32_t
ret_of(unsigned int n, uint32_t want_len)
{
	uint32_t id, len, ret;

	assert_true(h_used(0, &id, &len));
	assert_int_equal(len, want_len);
	memcpy(&ret, h.mem + ANSWER + 16ull * n, 4);
	return ret;
}

static void
test_one_for_all(void **state)
{
	uint64_t place[2];

	(void)state;
	memcpy(place, h.dev.config, 16);
	assert_int_equal(place[0], 5ull << 30);
	assert_int_equal(place[1], 2 << 20);
	for (unsigned int i = 0; i < 20; i++)
		add(i, 0, 4, 4);
	h_kick(0);
	assert_int_equal(syncs, 2);
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(ret_of(i, 4), 0);
	h_kick(0);
	assert_int_equal(syncs, 2);
}

static void
test_fails(void **state)
{
	(void)state;
	error = EIO;
	add(0, 0, 4, 4);
	h_kick(0);
	assert_int_equal(ret_of(0, 4), 1);
	/* The cause has gone. */
	error = 0;
	add(0, 0, 4, 4);
	h_kick(0);
	assert_int_equal(ret_of(0, 4), 0);
	assert_int_equal(syncs, 2);
}

static void
test_lies(void **state)
{
	(void)state;
	add(0, 1, 4, 4);
	add(1, 0, 3, 4);
	add(2, 0xffffffff, 4, 4);
	h_kick(0);
	assert_int_equal(syncs, 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(ret_of(i, 4), 1);
	/* No room for the answer; more than is asked for. */
	add(0, 0, 4, 2);
	add(1, 0, 16, 16);
	add(2, 7, 4, 4);
	h_kick(0);
	assert_int_equal(ret_of(0, 2) >> 16, 0xeeee);
	assert_int_equal(ret_of(1, 4), 0);
	assert_int_equal(ret_of(2, 4), 1);
	assert_int_equal(syncs, 1);
}

static void
test_discards(void **state)
{
	const char *why;

	(void)state;
	h_reset();
	close(FD_BACKEND);
	assert_int_equal(begin(false, &why), -EBADF);
	assert_int_equal(begin(true, &why), 0);
	h_activate(1ull << VIRTIO_F_VERSION_1);
	add(0, 0, 4, 4);
	h_kick(0);
	assert_int_equal(ret_of(0, 4), 0);
	assert_int_equal(syncs, 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_one_for_all), T(test_fails), T(test_lies), T(test_discards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
