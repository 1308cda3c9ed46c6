/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent memory on a file whose fsync() is wrapped: how often it is called, what
 * the guest hears when it fails, and that a flush that was answered as done is one of
 * all that was written before, whenever the power fails.
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
static int (*model)(void);	/* what fsync() does, instead */

int __wrap_fsync(int fd);

int
__wrap_fsync(int fd)
{
	assert_int_equal(fd, FD_BACKEND);
	syncs++;
	if (model != NULL)
		return model();
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
	model = NULL;
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
	/* The cause has gone: what the kernel has dropped has not come back. */
	error = 0;
	for (unsigned int i = 0; i < 3; i++) {
		add(i, 0, 4, 4);
		h_kick(0);
		assert_int_equal(ret_of(i, 4), 1);
	}
	assert_int_equal(syncs, 1);
	/* Another driver has lost nothing yet. */
	h_reset();
	h_activate(1ull << VIRTIO_F_VERSION_1);
	add(0, 0, 4, 4);
	h_kick(0);
	assert_int_equal(ret_of(0, 4), 0);
	assert_int_equal(syncs, 2);
}

/* A signal is no error of the file. */
static int
interrupted(void)
{
	errno = EINTR;
	return syncs < 3 ? -1 : 0;
}

static void
test_interrupted(void **state)
{
	(void)state;
	model = interrupted;
	add(0, 0, 4, 4);
	h_kick(0);
	assert_int_equal(ret_of(0, 4), 0);
	assert_int_equal(syncs, 3);
}

/* What a worker hands on, and what is none. */
static void
test_state(void **state)
{
	uint8_t buf[8] = { 0 };
	const char *why;

	(void)state;
	assert_int_equal(pmem_ops.save(&h.dev, buf, 0), 0);
	assert_int_equal(pmem_ops.save(&h.dev, buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], 0);
	assert_int_equal(pmem_ops.load(&h.dev, 2, buf, 2), -EINVAL);
	buf[0] = 2;
	assert_int_equal(pmem_ops.load(&h.dev, 2, buf, 1), -EINVAL);
	error = EIO;
	add(0, 0, 4, 4);
	h_kick(0);
	assert_int_equal(pmem_ops.save(&h.dev, buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], 1);
	assert_int_equal(begin(false, &why), 0);
	assert_int_equal(pmem_ops.load(&h.dev, 1, buf, 0), 0);
	assert_int_equal(pmem_ops.load(&h.dev, 2, buf, 1), 0);
	assert_int_equal(ret_of(0, 4), 1);
	add(1, 0, 4, 4);
	h_kick(0);
	assert_int_equal(ret_of(1, 4), 1);
	assert_int_equal(syncs, 0);
}

/* ---- the power fails ------------------------------------------------------------- */

#define PAGES 16u

/* Of each page the number of the last write to it. */
static struct {
	uint32_t now[PAGES], durable[PAGES];
	bool dirty[PAGES];	/* the kernel will write it */
	bool mine[PAGES];	/* the driver wrote it since its reset */
	uint32_t asked[H_QUEUE][PAGES];	/* what a flush, by its head, is to cover */
	unsigned int writes, waiting, well, failed;
	uint32_t seed;
} file;

static uint32_t
chance(uint32_t n)
{
	file.seed = file.seed * 1664525 + 1013904223;
	return (file.seed >> 8) % n;
}

/* What is durable now is what there is if the power fails now. */
static void
hear_answers(void)
{
	uint32_t id, len, ret;

	while (h_used(0, &id, &len)) {
		assert_int_equal(len, 4);
		memcpy(&ret, h.mem + ANSWER + 16ull * id, 4);
		file.waiting--;
		file.well += ret == 0;
		file.failed += ret != 0;
		for (unsigned int i = 0; ret == 0 && i < PAGES; i++)
			assert_true(file.durable[i] >= file.asked[id][i]);
	}
}

static void
drive(void)
{
	for (unsigned int n = chance(6); n > 0; n--) {
		uint32_t head = h.next_desc[0], page = chance(PAGES);

		file.now[page] = ++file.writes;
		file.dirty[page] = file.mine[page] = true;
		if (chance(2) == 0 || file.waiting == H_QUEUE / 2)
			continue;
		for (unsigned int i = 0; i < PAGES; i++)
			file.asked[head][i] = file.mine[i] ? file.now[i] : 0;
		add(head, 0, 4, 4);
		file.waiting++;
	}
}

/* The driver does not wait for it; a page that could not be written is taken for clean. */
static int
power_fsync(void)
{
	bool fails = chance(40) == 0;

	hear_answers();
	for (unsigned int i = 0; i < PAGES; i++) {
		if (file.dirty[i] && !(fails && chance(2) == 0))
			file.durable[i] = file.now[i];
		file.dirty[i] = false;
	}
	drive();
	hear_answers();
	errno = EIO;
	return fails ? -1 : 0;
}

static void
test_power_fails(void **state)
{
	const char *why;
	uint8_t buf[8];
	size_t len;

	(void)state;
	memset(&file, 0, sizeof(file));
	model = power_fsync;
	for (unsigned int i = 0; i < 20000; i++) {
		drive();
		h_kick(0);
		hear_answers();
		if (chance(10) == 0) {	/* another worker */
			len = pmem_ops.save(&h.dev, buf, sizeof(buf));
			assert_int_equal(begin(false, &why), 0);
			model = power_fsync;
			assert_int_equal(pmem_ops.load(&h.dev, 2, buf, len), 0);
		}
		if (chance(100) != 0)
			continue;
		h_reset();
		h_activate(1ull << VIRTIO_F_VERSION_1);
		memset(file.mine, 0, sizeof(file.mine));
		file.waiting = 0;
	}
	assert_true(file.well > 1000 && file.failed > 1000);
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
		T(test_one_for_all), T(test_fails), T(test_interrupted), T(test_state),
		T(test_power_fails), T(test_lies), T(test_discards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
