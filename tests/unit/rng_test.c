/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entropy device with sources that give nothing now, little, or nothing any
 * more. Its read() is wrapped: no file at hand is as slow as a hardware source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>

#include "device-workers/rng/rng.h"
#include "tests/unit/device_harness.h"

#define BUFFER 0x20000u

static ssize_t answer;		/* of the next reads: bytes, 0, -errno */
static unsigned int reads;

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);

ssize_t
__wrap_read(int fd, void *buf, size_t len)
{
	if (fd != FD_BACKEND)
		return __real_read(fd, buf, len);
	reads++;
	if (answer < 0) {
		errno = (int)-answer;
		return -1;
	}
	if ((size_t)answer < len)
		len = (size_t)answer;
	memset(buf, 0x5a, len);
	return (ssize_t)len;
}

static int
set_up(void **state)
{
	Bh__RngConfig rng = BH__RNG_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	const char *why;
	int fd = open("/dev/urandom", O_RDONLY);

	(void)state;
	assert_int_equal(dup2(fd, FD_BACKEND), FD_BACKEND);
	if (fd != FD_BACKEND)
		close(fd);
	rng.queue_size = H_QUEUE;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_RNG;
	config.rng = &rng;
	assert_int_equal(h_start(&rng_ops, &config, &why), 0);
	h_activate(1ull << VIRTIO_F_VERSION_1);
	reads = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	h_reset();
	close(FD_BACKEND);
	close(FD_TIMER);
	return 0;
}

static void
add(uint32_t len)
{
	const struct h_seg seg = { BUFFER, len, true };

	h_add(0, &seg, 1);
}

/* EAGAIN where nothing can be watched: asked again, without a busy loop. */
static void
test_asked_again(void **state)
{
	uint32_t id, len;

	(void)state;
	answer = -EAGAIN;
	add(100);
	h_kick(0);
	assert_int_equal(reads, 1);
	assert_false(h_used(0, &id, &len));
	assert_false(h_poll(1));
	assert_int_equal(reads, 1);
	assert_true(h_poll(2000));
	assert_int_equal(reads, 2);
	assert_false(h_used(0, &id, &len));
	answer = 33;
	assert_true(h_poll(2000));
	assert_true(h_used(0, &id, &len));
	assert_int_equal(len, 33);
	assert_int_equal(h.mem[BUFFER + 32], 0x5a);
	assert_int_equal(h.mem[BUFFER + 33], 0);
	/* Nothing left to do: the timer rests. */
	assert_false(h_poll(50));
}

static void
test_interrupted(void **state)
{
	uint32_t id, len;

	(void)state;
	answer = -EAGAIN;
	add(100);
	h_kick(0);
	/* A reset while it waits: nothing comes later. */
	h_reset();
	answer = 10;
	assert_false(h_poll(50));
	h_activate(1ull << VIRTIO_F_VERSION_1);
	assert_false(h_used(0, &id, &len));
}

static void
test_bounded(void **state)
{
	uint32_t id, len;

	(void)state;
	answer = 1 << 20;
	add(0x10000);
	add(0);
	for (int i = 0; i < 40; i++)
		add(1);
	h_kick(0);
	assert_true(h_used(0, &id, &len));
	assert_int_equal(len, 4096);
	assert_true(h_used(0, &id, &len));
	assert_int_equal(len, 0);
	for (int i = 0; i < 40; i++) {
		assert_true(h_used(0, &id, &len));
		assert_int_equal(len, 1);
	}
	/* Nothing was read for the empty one. */
	assert_int_equal(reads, 41);
}

static void
test_ended(void **state)
{
	uint32_t id, len;

	(void)state;
	for (int i = 0; i < 2; i++) {
		answer = i == 0 ? 0 : -EIO;
		add(10);
		h_kick(0);
		h_kick(0);
		assert_int_equal(reads, 1);
		assert_false(h_used(0, &id, &len));
		assert_false(h_poll(50));
		tear_down(NULL);
		set_up(NULL);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_asked_again), T(test_interrupted), T(test_bounded),
		T(test_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
