/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker library with requests in flight: what needs quiet waits for them,
 * and none is lost. The worker is test-echo, which takes its time.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "device-workers/lib/virtq.h"
#include "ipc/slots.h"
#include "tests/native/fakevm.h"

#define V1 (1ull << VIRTIO_F_VERSION_1)
#define PACKED (1ull << VIRTIO_F_RING_PACKED)
#define EVENT (1ull << VIRTIO_F_EVENT_IDX)
#define HIGH 0x100000000ull
#define QUEUES 4u

static const uint64_t forms[] = { V1 | EVENT, V1 | PACKED | EVENT };

static struct fakevm vm;
static int told[2];

static int
start(void)
{
	Bh__BlkConfig blk = BH__BLK_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	struct fakevm_fd fds[] = { { FD_BACKEND, told[1] } };

	blk.block_size = 512;
	blk.num_queues = QUEUES;
	blk.queue_size = 64;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	return fakevm_start(&vm, "build/test-echo", &config, fds, 1);
}

static int
set_up(void **state)
{
	(void)state;
	drvq_errors = 0;
	if (fakevm_init(&vm) < 0 || pipe2(told, O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	return start();
}

static int
tear_down(void **state)
{
	(void)state;
	fakevm_fini(&vm);
	close(told[0]);
	close(told[1]);
	assert_int_equal(drvq_errors, 0);
	return 0;
}

/* What the device has told since the last time. */
static const char *
words(void)
{
	static char text[256];
	ssize_t n = read(told[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

#define IN(i) (FAKEVM_DATA + 4096ull * (i))
#define OUT(i) (FAKEVM_DATA + 0x100000ull + 4096ull * (i))

/* Queue @n requests on queue @q, numbered from @first on. */
static void
add(unsigned int q, uint64_t first, unsigned int n)
{
	for (uint64_t i = first; i < first + n; i++) {
		struct drvq_buf bufs[2] = {
			{ IN(i), 100, false }, { OUT(i), 100, true },
		};

		memset(vm.ram + IN(i), (int)(i + 1), 100);
		memset(vm.ram + OUT(i), 0, 100);
		assert_true(drvq_add(&vm.q[q], bufs, 2, 0, i) >= 0);
	}
	fakevm_publish(&vm, q);
}

/* Exactly @n of queue @q are back already, and are right. */
static void
check_back(unsigned int q, unsigned int n)
{
	uint64_t i;
	uint32_t len;

	for (unsigned int k = 0; k < n; k++) {
		assert_true(drvq_get(&vm.q[q], &i, &len));
		assert_int_equal(len, 100);
		assert_memory_equal(vm.ram + OUT(i), vm.ram + IN(i), 100);
	}
	assert_false(drvq_get(&vm.q[q], &i, &len));
}

/* All that was queued on queue @q has been taken. */
static void
let_it_take(unsigned int q)
{
	for (int i = 0; i < 5000 && !drvq_all_taken(&vm.q[q]); i++)
		usleep(1000);
	assert_true(drvq_all_taken(&vm.q[q]));
}

static void
test_quit(void **state)
{
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		assert_int_equal(fakevm_activate(&vm, forms[f], QUEUES, 0), 0);
		add(0, 0, 10);
		add(3, 10, 10);
		let_it_take(0);
		let_it_take(3);
		assert_int_equal(fakevm_quit(&vm), 0);
		check_back(0, 10);
		check_back(3, 10);
		assert_true(fakevm_called(&vm, 0));
		assert_true(fakevm_called(&vm, 3));
		assert_string_equal(words(), "F");
		assert_int_equal(start(), 0);
	}
}

/* The answer to a reset comes after the last write to guest memory. */
static void
test_reset(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(fakevm_activate(&vm, forms[i % 2], QUEUES, 0),
		    0);
		add(1, 0, 9);
		let_it_take(1);
		assert_int_equal(fakevm_reset(&vm), 0);
		check_back(1, 9);
		assert_string_equal(words(), "R0");
	}
}

static void
test_drain(void **state)
{
	(void)state;
	assert_int_equal(fakevm_activate(&vm, forms[0], QUEUES, 0), 0);
	add(1, 0, 9);
	let_it_take(1);
	assert_int_equal(fakevm_drain(&vm), 0);
	check_back(1, 9);
	assert_string_equal(words(), "R0");
	/* Inactive: another reset tells the device nothing. */
	assert_int_equal(fakevm_reset(&vm), 0);
	assert_string_equal(words(), "");
	assert_int_equal(fakevm_activate(&vm, forms[1], QUEUES, 0), 0);
	add(2, 0, 3);
	assert_int_equal(fakevm_quit(&vm), 0);
}

static void
test_save(void **state)
{
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		uint64_t cookie;
		uint32_t len;

		assert_int_equal(fakevm_activate(&vm, forms[f], 2, 0), 0);
		add(0, 0, 5);
		add(1, 5, 9);
		let_it_take(0);
		let_it_take(1);
		assert_int_equal(fakevm_save(&vm), 0);
		check_back(0, 5);
		check_back(1, 9);
		/* Queued, and not taken: the next one's. */
		add(0, 0, 7);
		usleep(50000);
		check_back(0, 0);
		fakevm_kill(&vm);
		assert_int_equal(start(), 0);
		assert_int_equal(fakevm_load(&vm), 0);
		for (int i = 0; i < 7; i++)
			assert_int_equal(fakevm_used(&vm, 0, &cookie, &len), 0);
		/* Its own state came along. */
		vm.config_changes = 0;
		assert_int_equal(fakevm_write_config(&vm, 4, 9, 4), 0);
		while (vm.config_changes == 0)
			assert_int_equal(fakevm_pump(&vm, 100), 0);
		assert_int_equal(fakevm_pump(&vm, 50), 0);
		assert_int_equal(vm.config[0], 14 + 7);
		fakevm_kill(&vm);
		assert_int_equal(start(), 0);
	}
}

/* Memory does not go while a request refers to it. */
static void
test_remove_memory(void **state)
{
	int fd = memfd_create("dimm", MFD_CLOEXEC);
	uint8_t *dimm;

	(void)state;
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	dimm = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(fakevm_activate(&vm, forms[1], QUEUES, 0), 0);
	for (int i = 0; i < 10; i++) {
		struct drvq_buf bufs[2] = {
			{ IN(0), 4000, false }, { HIGH, 4000, true },
		};
		uint64_t cookie;
		uint32_t len;

		memset(vm.ram + IN(0), i + 1, 4000);
		assert_int_equal(fakevm_add_memory(&vm, 9, HIGH, 1 << 20, fd, 0,
		    false), 0);
		assert_true(drvq_add(&vm.q[0], bufs, 2, 0, 0) >= 0);
		fakevm_publish(&vm, 0);
		let_it_take(0);
		assert_int_equal(fakevm_remove_memory(&vm, 9), 0);
		assert_true(drvq_get(&vm.q[0], &cookie, &len));
		assert_int_equal(len, 4000);
		assert_int_equal(dimm[0], i + 1);
		assert_int_equal(dimm[3999], i + 1);
		/* And traffic goes on by itself. */
		add(2, 1, 5);
		for (int k = 0; k < 5; k++)
			assert_int_equal(fakevm_used(&vm, 2, &cookie, &len), 0);
	}
	munmap(dimm, 1 << 20);
	close(fd);
}

/* Asked for at once; each is answered, in its order. */
static void
test_all_at_once(void **state)
{
	Bh__Drain drain = BH__DRAIN__INIT;
	Bh__SaveState save = BH__SAVE_STATE__INIT;
	Bh__RemoveMemory remove = BH__REMOVE_MEMORY__INIT;
	CHAN_PACKET(p, REMOVE_MEMORY, remove_memory, &remove);
	CHAN_PACKET(s, SAVE_STATE, save_state, &save);
	CHAN_PACKET(d, DRAIN, drain, &drain);

	(void)state;
	assert_int_equal(fakevm_activate(&vm, forms[0], QUEUES, 0), 0);
	add(0, 0, 9);
	let_it_take(0);
	remove.slot = 50;
	p.seq = 1001;
	s.seq = 1002;
	d.seq = 1003;
	assert_int_equal(chan_send(&vm.ctl, &p, NULL, 0), 0);
	assert_int_equal(chan_send(&vm.ctl, &s, NULL, 0), 0);
	assert_int_equal(chan_send(&vm.ctl, &d, NULL, 0), 0);
	vm.state_len = 0;
	while (vm.answered != 1003)
		assert_int_equal(fakevm_pump(&vm, 1000), 0);
	assert_true(vm.state_len > 0);
	assert_string_equal(vm.failed, "cannot remove guest memory");
	check_back(0, 9);
	assert_int_equal(fakevm_activate(&vm, forms[1], QUEUES, 0), 0);
	add(0, 0, 3);
	assert_int_equal(fakevm_quit(&vm), 0);
}

/* A device that would take more while it drains is not let. */
static void
test_held(void **state)
{
	unsigned int back = 0;
	uint64_t i;
	uint32_t len;

	(void)state;
	assert_int_equal(fakevm_activate(&vm, forms[0], QUEUES, 0), 0);
	for (unsigned int q = 0; q < QUEUES; q++)
		add(q, q * 32, 32);
	assert_int_equal(fakevm_save(&vm), 0);
	for (unsigned int q = 0; q < QUEUES; q++)
		while (drvq_get(&vm.q[q], &i, &len))
			back++;
	assert_true(back < QUEUES * 32);
	fakevm_kill(&vm);
	assert_int_equal(start(), 0);
	assert_int_equal(fakevm_load(&vm), 0);
	for (unsigned int q = 0; back < QUEUES * 32; q = (q + 1) % QUEUES)
		while (vm.q[q].nfree < vm.q[q].size) {
			assert_int_equal(fakevm_used(&vm, q, &i, &len), 0);
			back++;
		}
}

/* One bad queue: none of the others is left enabled. */
static void
test_half_activated(void **state)
{
	Bh__DeviceState *s;

	(void)state;
	drvq_init(&vm.q[0], vm.ram, 4096, 64, V1);
	drvq_init(&vm.q[1], vm.ram, 65536, 64, V1);
	vm.q[1].avail = FAKEVM_RAM;
	assert_int_equal(fakevm_activate_rings(&vm, V1, 2), -EFAULT);
	assert_int_equal(fakevm_save(&vm), 0);
	s = bh__device_state__unpack(NULL, vm.state_len, vm.state);
	assert_non_null(s);
	assert_false(s->active);
	assert_int_equal(s->n_queues, 0);
	bh__device_state__free_unpacked(s, NULL);
}

/* All queues, more requests than the device holds or takes at a time. */
static void
test_many(void **state)
{
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		assert_int_equal(fakevm_activate(&vm, forms[f], QUEUES, 0), 0);
		for (int round = 0; round < 5; round++) {
			for (unsigned int q = 0; q < QUEUES; q++)
				add(q, q * 30, 30);
			for (unsigned int q = 0; q < QUEUES; q++) {
				for (int i = 0; i < 30; i++) {
					uint64_t c;
					uint32_t len;

					assert_int_equal(fakevm_used(&vm, q, &c,
					    &len), 0);
					assert_in_range(c, q * 30, q * 30 + 29);
				}
			}
		}
		assert_int_equal(fakevm_reset(&vm), 0);
	}
}

static void
test_device_calls(void **state)
{
	(void)state;
	/* Inactive: the space is told anew, and nobody is interrupted. */
	assert_int_equal(fakevm_write_config(&vm, 4, 7, 4), 0);
	while (vm.config_changes == 0)
		assert_int_equal(fakevm_pump(&vm, 1000), 0);
	assert_int_equal(vm.config[4], 7);
	assert_int_equal(fakevm_reset(&vm), 0);
	/* Beyond the space: not for the device. */
	assert_int_equal(fakevm_write_config(&vm, 6, 1, 4), 0);
	assert_int_equal(fakevm_activate(&vm, V1, QUEUES, 0), 0);
	assert_int_equal(vm.config_changes, 1);

	assert_int_equal(fakevm_write_config(&vm, 4, 2, 4), 0);
	while (!vm.stop_requested || vm.config_changes < 2)
		assert_int_equal(fakevm_pump(&vm, 1000), 0);
	assert_int_equal(vm.config_changes, 2);
	assert_int_equal(fakevm_write_config(&vm, 4, 1, 4), 0);
	assert_int_equal(fakevm_write_config(&vm, 4, 1, 4), 0);
	while (vm.config_changes < 4)
		assert_int_equal(fakevm_pump(&vm, 1000), 0);
	assert_int_equal(vm.needs_reset, 1);
	add(0, 0, 3);
	fakevm_kick(&vm, 0);
	usleep(50000);
	check_back(0, 0);
	assert_int_equal(fakevm_reset(&vm), 0);
	assert_int_equal(fakevm_activate(&vm, V1, QUEUES, 0), 0);
	add(0, 0, 3);
	assert_int_equal(fakevm_quit(&vm), 0);
}

/* Something of the driver's is wrong while good requests are on their way. */
static void
test_broken_in_flight(void **state)
{
	struct drvq_buf bad = { FAKEVM_RAM - 8, 9, true };

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fakevm_activate(&vm, forms[i % 2], QUEUES, 0),
		    0);
		add(0, 0, 3);
		add(1, 10, 3);
		assert_true(drvq_add(&vm.q[0], &bad, 1, 0, 99) >= 0);
		fakevm_publish(&vm, 0);
		while (vm.needs_reset == 0)
			assert_int_equal(fakevm_pump(&vm, 1000), 0);
		assert_int_equal(fakevm_reset(&vm), 0);
		/* What was taken before it is finished, and no more. */
		check_back(0, 3);
		assert_string_equal(words(), "R0");
		vm.needs_reset = 0;
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_quit), T(test_reset), T(test_drain), T(test_save),
		T(test_remove_memory), T(test_all_at_once), T(test_held),
		T(test_half_activated), T(test_many),
		T(test_device_calls), T(test_broken_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
