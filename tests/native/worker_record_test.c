/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that die in the middle of requests, and their successors: each request
 * is answered once; one that kills whoever takes it is refused. The worker is
 * test-echo, which takes its time and answers the last one first.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "device-workers/lib/device.h"
#include "ipc/slots.h"
#include "proto/limits.h"
#include "tests/native/fakevm.h"

#define V1 (1ull << VIRTIO_F_VERSION_1)
#define PACKED (1ull << VIRTIO_F_RING_PACKED)
#define EVENT (1ull << VIRTIO_F_EVENT_IDX)
#define QUEUES 2u
#define SLOTS 24u
#define POISONED 7u

static const uint64_t forms[] = { V1, V1 | EVENT, V1 | PACKED,
	V1 | PACKED | EVENT };

static struct fakevm vm;
static int told[2], record;

static int
start(bool suspect)
{
	Bh__BlkConfig blk = BH__BLK_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	struct fakevm_fd fds[] = { { FD_BACKEND, told[1] },
		{ FD_RECORD, record } };

	blk.block_size = 512;
	blk.num_queues = QUEUES;
	blk.queue_size = 64;
	config.packed = true;
	config.suspect = suspect;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	return fakevm_start(&vm, "build/test-echo", &config, fds, 2);
}

static int
set_up(void **state)
{
	(void)state;
	drvq_errors = 0;
	record = memfd_create("record", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (record < 0 || ftruncate(record, RECORD_SIZE(QUEUES)) < 0 ||
	    fcntl(record, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0 ||
	    fakevm_init(&vm) < 0 || pipe2(told, O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	return start(false);
}

static int
tear_down(void **state)
{
	(void)state;
	fakevm_fini(&vm);
	close(told[0]);
	close(told[1]);
	close(record);
	assert_int_equal(drvq_errors, 0);
	return 0;
}

#define IN(i) (FAKEVM_DATA + 4096ull * (i))
#define OUT(i) (FAKEVM_DATA + 0x100000ull + 4096ull * (i))

static void
add(unsigned int q, uint64_t i, int byte)
{
	struct drvq_buf bufs[2] = {
		{ IN(i), 100, false }, { OUT(i), 100, true },
	};

	memset(vm.ram + IN(i), byte, 100);
	memset(vm.ram + OUT(i), 0, 100);
	assert_true(drvq_add(&vm.q[q], bufs, 2, 0, i) >= 0);
}

/* Requests come back, in any order, until all of @missing have; each once. */
static void
await_all(unsigned int q, uint32_t missing)
{
	uint64_t i;
	uint32_t len;

	while (missing != 0) {
		assert_int_equal(fakevm_used(&vm, q, &i, &len), 0);
		assert_true(i < 32 && (missing >> i & 1) != 0);
		missing &= ~(1u << i);
		if (i == POISONED && len == 0)
			continue;
		assert_int_equal(len, 100);
		assert_memory_equal(vm.ram + OUT(i), vm.ram + IN(i), 100);
	}
	assert_false(drvq_get(&vm.q[q], &i, &len));
}

/* 0, or -EPIPE if it died as soon as it went on. */
static int
succeed(uint64_t features, bool suspect)
{
	int rc;

	fakevm_kill(&vm);
	assert_int_equal(start(suspect), 0);
	vm.resume = true;
	rc = fakevm_activate_rings(&vm, features, QUEUES);
	vm.resume = false;
	return rc;
}

/* Killed at any moment, again and again. */
static void
test_kills(void **state)
{
	uint64_t i;
	uint32_t len;

	(void)state;
	srand(1);
	for (unsigned int round = 0; round < 24; round++) {
		const uint64_t features = forms[round % 4];
		uint32_t missing = 0;

		assert_int_equal(fakevm_activate(&vm, features, QUEUES, 0), 0);
		for (unsigned int k = 0; k < 4; k++) {
			for (i = 0; i < SLOTS; i++)
				if ((missing >> i & 1) == 0) {
					missing |= 1u << i;
					add(1, i, (int)(round + i + k + 1));
				}
			fakevm_publish(&vm, 1);
			usleep((useconds_t)(rand() % 40000));
			/* Its last answers may have come already. */
			fakevm_kill(&vm);
			while (drvq_get(&vm.q[1], &i, &len)) {
				assert_true((missing >> i & 1) != 0);
				missing &= ~(1u << i);
			}
			assert_int_equal(succeed(features, false), 0);
		}
		await_all(1, missing);
		assert_int_equal(fakevm_reset(&vm), 0);
	}
}

/* Asked to hand over, it finishes what it took; the next one has the rest. */
static void
test_hand_over(void **state)
{
	Bh__HandOver over = BH__HAND_OVER__INIT;
	CHAN_PACKET(p, HAND_OVER, hand_over, &over);

	(void)state;
	for (unsigned int f = 0; f < 4; f++) {
		assert_int_equal(fakevm_activate(&vm, forms[f], QUEUES, 0), 0);
		for (unsigned int k = 0; k < 5; k++) {
			for (uint64_t i = 0; i < SLOTS; i++)
				add(1, i, (int)(f + i + k + 1));
			fakevm_publish(&vm, 1);
			usleep(k * 3000);
			p.seq = chan_next_seq(&vm.ctl);
			assert_int_equal(chan_send(&vm.ctl, &p, NULL, 0), 0);
			/* Its bus may be seen to end before it is heard. */
			for (unsigned int n = 0; vm.answered != p.seq; n++) {
				assert_true(n < 1000);
				(void)fakevm_pump(&vm, 5000);
			}
			assert_int_equal(vm.answer, 0);
			assert_int_equal(fakevm_wait_exit(&vm), 0);
			assert_int_equal(succeed(forms[f], false), 0);
			await_all(1, (1u << SLOTS) - 1);
		}
		assert_int_equal(fakevm_reset(&vm), 0);
	}
}

/* It was not meant so: it goes on, and has let go of nothing. */
static void
test_take_back(void **state)
{
	Bh__HandOver over = BH__HAND_OVER__INIT;
	Bh__TakeBack back = BH__TAKE_BACK__INIT;
	CHAN_PACKET(p, HAND_OVER, hand_over, &over);
	CHAN_PACKET(q, TAKE_BACK, take_back, &back);

	(void)state;
	assert_int_equal(fakevm_activate(&vm, forms[3], QUEUES, 0), 0);
	for (unsigned int k = 0; k < 10; k++) {
		for (uint64_t i = 0; i < SLOTS; i++)
			add(1, i, (int)(i + k + 1));
		fakevm_publish(&vm, 1);
		usleep(2000);
		p.seq = chan_next_seq(&vm.ctl);
		assert_int_equal(chan_send(&vm.ctl, &p, NULL, 0), 0);
		assert_int_equal(chan_send(&vm.ctl, &q, NULL, 0), 0);
		while (vm.answered != p.seq)
			assert_true(fakevm_pump(&vm, 5000) >= 0);
		assert_int_equal(vm.answer, -ECANCELED);
		await_all(1, (1u << SLOTS) - 1);
		/* Nothing to take back. */
		assert_int_equal(chan_send(&vm.ctl, &q, NULL, 0), 0);
	}
	assert_int_equal(fakevm_reset(&vm), 0);
}

/* A record of a version to come, or of one that was never made. */
static void
test_version(void **state)
{
	uint32_t *head = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
	    record, 0);

	(void)state;
	assert_true(head != MAP_FAILED);
	assert_int_equal(fakevm_activate(&vm, V1, QUEUES, 0), 0);
	assert_int_equal(head[3], DEVICE_STATE_VERSION);
	add(0, 1, 9);
	fakevm_publish(&vm, 0);
	fakevm_kill(&vm);
	head[3] = DEVICE_STATE_VERSION + 1;
	assert_int_equal(start(false), 0);
	vm.resume = true;
	assert_true(fakevm_activate_rings(&vm, V1, QUEUES) < 0);
	/* Of the one before, which did not say. */
	head[3] = 0;
	fakevm_kill(&vm);
	assert_int_equal(start(false), 0);
	assert_int_equal(fakevm_activate_rings(&vm, V1, QUEUES), 0);
	vm.resume = false;
	await_all(0, 2);
	assert_int_equal(head[3], DEVICE_STATE_VERSION);
	assert_int_equal(fakevm_reset(&vm), 0);
	munmap(head, 4096);
}

/*
 * A driver begins anew, with other rings, and the worker dies before it hears of them:
 * its successor goes on with these, and not where the driver before was.
 */
static void
test_dies_before_it_begins(void **state)
{
	(void)state;
	for (unsigned int f = 0; f < 4; f++) {
		assert_int_equal(fakevm_activate(&vm, forms[f], QUEUES, 0), 0);
		for (uint64_t i = 0; i < 12; i++)
			add(0, i, (int)i + 1);
		fakevm_publish(&vm, 0);
		await_all(0, 0xfff);
		assert_int_equal(fakevm_reset(&vm), 0);
		fakevm_kill(&vm);
		assert_int_equal(start(false), 0);
		vm.resume = true;
		assert_int_equal(fakevm_activate(&vm, forms[f], QUEUES, 0), 0);
		vm.resume = false;
		add(0, 1, 9);
		fakevm_publish(&vm, 0);
		await_all(0, 2);
		assert_int_equal(fakevm_reset(&vm), 0);
	}
}

/* Two die of one request; the third refuses it, and does all others. */
static void
test_poison(void **state)
{
	(void)state;
	for (unsigned int f = 0; f < 4; f++) {
		assert_int_equal(fakevm_activate(&vm, forms[f], QUEUES, 0), 0);
		for (uint64_t i = 0; i < 12; i++)
			add(0, i, (int)i + 1);
		memcpy(vm.ram + IN(POISONED), "poison", 7);
		fakevm_publish(&vm, 0);
		assert_true(fakevm_wait_exit(&vm) > 1000);
		(void)succeed(forms[f], true);
		assert_true(fakevm_wait_exit(&vm) > 1000);
		assert_int_equal(succeed(forms[f], true), 0);
		await_all(0, 0xfff);
		/* It goes on, and holds nothing against that place in the ring. */
		for (uint64_t i = 0; i < 12; i++)
			add(0, i, (int)i + 50);
		fakevm_publish(&vm, 0);
		await_all(0, 0xfff);
		assert_int_equal(fakevm_reset(&vm), 0);
	}
}

/* A hostile predecessor's record costs the queue, never the worker. */
static void
test_hostile_record(void **state)
{
	uint8_t *map = mmap(NULL, RECORD_SIZE(QUEUES), PROT_READ | PROT_WRITE,
	    MAP_SHARED, record, 0);

	(void)state;
	assert_true(map != MAP_FAILED);
	srand(2);
	for (unsigned int round = 0; round < 40; round++) {
		const uint64_t features = forms[round % 4];

		assert_int_equal(fakevm_activate(&vm, features, QUEUES, 0), 0);
		for (uint64_t i = 0; i < SLOTS; i++)
			add(0, i, (int)i + 1);
		fakevm_publish(&vm, 0);
		fakevm_kill(&vm);
		for (unsigned int n = 0; n < 200; n++) {
			size_t at = n % 2 == 0 ? (size_t)rand() % 4096 :
			    RECORD_QUEUE_SIZE + (size_t)rand() % 2048;

			map[at] = (uint8_t)rand();
		}
		assert_int_equal(start(true), 0);
		vm.resume = true;
		(void)fakevm_activate_rings(&vm, features, QUEUES);
		vm.resume = false;
		usleep(30000);
		assert_int_equal(fakevm_reset(&vm), 0);
		/* The driver that follows has a device. */
		vm.needs_reset = 0;
		assert_int_equal(fakevm_activate(&vm, features, QUEUES, 0), 0);
		add(0, 1, 9);
		fakevm_publish(&vm, 0);
		await_all(0, 2);
		assert_int_equal(fakevm_reset(&vm), 0);
	}
	munmap(map, RECORD_SIZE(QUEUES));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_kills), T(test_poison), T(test_hostile_record),
		T(test_hand_over), T(test_take_back), T(test_version),
		T(test_dies_before_it_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
