/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker library at work: the shipped bulkhead-rng, jailed, with a controller,
 * vcpu-worker and driver played by fakevm.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "device-workers/lib/virtq.h"
#include "ipc/slots.h"
#include "tests/native/fakevm.h"

#define V1 (1ull << VIRTIO_F_VERSION_1)
#define PACKED (1ull << VIRTIO_F_RING_PACKED)
#define EVENT (1ull << VIRTIO_F_EVENT_IDX)
#define TABLES (1ull << VIRTIO_F_INDIRECT_DESC)
#define HIGH 0x100000000ull

static const uint64_t forms[] = { V1 | EVENT | TABLES,
	V1 | PACKED | EVENT | TABLES, V1, V1 | PACKED };

static struct fakevm vm;
static int source = -1, feed = -1;	/* of entropy */

static int
start(int source_fd)
{
	Bh__RngConfig rng = BH__RNG_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	struct fakevm_fd fds[] = { { FD_BACKEND, source_fd } };
	char id[] = "rng0";

	rng.queue_size = 64;
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_RNG;
	config.rng = &rng;
	return fakevm_start(&vm, "build/bulkhead-rng", &config, fds,
	    source_fd >= 0 ? 1 : 0);
}

/* With a source that never ends. */
static int
set_up(void **state)
{
	(void)state;
	drvq_errors = 0;
	source = open("/dev/urandom", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fakevm_init(&vm) < 0 || source < 0)
		return -1;
	return start(source);
}

/* With a source that gives what is fed to it. */
static int
set_up_pipe(void **state)
{
	int pipe_fd[2];

	(void)state;
	drvq_errors = 0;
	if (fakevm_init(&vm) < 0 ||
	    pipe2(pipe_fd, O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	source = pipe_fd[0];
	feed = pipe_fd[1];
	return start(source);
}

static int
set_up_none(void **state)
{
	(void)state;
	drvq_errors = 0;
	return fakevm_init(&vm);
}

static int
tear_down(void **state)
{
	(void)state;
	fakevm_fini(&vm);
	if (source >= 0)
		close(source);
	if (feed >= 0)
		close(feed);
	source = feed = -1;
	assert_int_equal(drvq_errors, 0);
	return 0;
}

/* A request of @len bytes at @addr comes back filled. */
static void
check_request(uint64_t addr, uint32_t len)
{
	struct drvq_buf buf = { .addr = addr, .len = len, .write = true };
	uint32_t got = 0;

	assert_int_equal(fakevm_request(&vm, 0, &buf, 1, &got), 0);
	assert_int_equal(got, len < 4096 ? len : 4096);
}

static void
test_handshake(void **state)
{
	(void)state;
	assert_int_equal(vm.virtio_id, 4);
	assert_int_equal(vm.nqueues, 1);
	assert_int_equal(vm.queue_max[0], 64);
	assert_int_equal(vm.features, V1 | PACKED | EVENT | TABLES);
	assert_true(vm.listener >= 0);
	assert_int_equal(fakevm_quit(&vm), 0);
	assert_string_equal(vm.denied, "");
}

static void
test_modes(void **state)
{
	(void)state;
	for (int mode = 0; mode < 4; mode++) {
		Bh__RngConfig rng = BH__RNG_CONFIG__INIT;
		Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
		int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
		struct fakevm_fd fds[] = { { FD_BACKEND, fd } };

		rng.queue_size = 8;
		config.seccomp = (Bh__SeccompMode)mode;
		config.device_case = BH__DEVICE_CONFIG__DEVICE_RNG;
		config.rng = &rng;
		assert_int_equal(fakevm_start(&vm, "build/bulkhead-rng",
		    &config, fds, 1), 0);
		assert_int_equal(vm.listener >= 0, mode == 0);
		assert_int_equal(vm.features, V1 | EVENT | TABLES);
		assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
		check_request(FAKEVM_DATA, 100);
		assert_int_equal(fakevm_quit(&vm), 0);
		close(fd);
	}
}

static void
test_bad_start(void **state)
{
	Bh__BlkConfig blk = BH__BLK_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	int pipe_fd[2];

	(void)state;
	blk.block_size = 512;
	blk.num_queues = 1;
	blk.queue_size = 8;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	assert_int_equal(fakevm_start(&vm, "build/bulkhead-rng", &config,
	    NULL, 0) < 0, 1);
	assert_string_equal(vm.failed, "configuration of another device");
	assert_int_equal(fakevm_wait_exit(&vm), 1);

	assert_true(start(-1) < 0);
	assert_string_equal(vm.failed, "no source of entropy");
	assert_int_equal(fakevm_wait_exit(&vm), 1);

	/* A pipe that would block. */
	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
	assert_true(start(pipe_fd[0]) < 0);
	assert_string_equal(vm.failed,
	    "the source of entropy was not opened non-blocking");
	assert_int_equal(fakevm_wait_exit(&vm), 1);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void
test_requests(void **state)
{
	(void)state;
	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		uint8_t all = 0;

		assert_int_equal(fakevm_activate(&vm, forms[f], 1,
		    f == 1 ? 37 : 0), 0);
		for (uint32_t i = 0; i < 500; i++)
			check_request(FAKEVM_DATA + i * 8192, 1 + i * 17 % 5000);
		for (uint32_t i = 0; i < 4096; i++)
			all |= vm.ram[FAKEVM_DATA + 300 * 8192 + i];
		assert_int_equal(all, 0xff);
		assert_int_equal(fakevm_reset(&vm), 0);
	}
	assert_int_equal(fakevm_quit(&vm), 0);
}

/* Two descriptors, a table, bytes to read that do not concern it. */
static void
test_shapes(void **state)
{
	struct drvq_buf bufs[3] = {
		{ FAKEVM_DATA, 16, false },
		{ FAKEVM_DATA + 4096, 10, true },
		{ FAKEVM_DATA + 8192, 20, true },
	};
	uint64_t cookie;
	uint32_t len;

	(void)state;
	assert_int_equal(fakevm_activate(&vm, V1 | TABLES, 1, 0), 0);
	assert_int_equal(fakevm_request(&vm, 0, bufs, 3, &len), 0);
	assert_int_equal(len, 30);
	assert_true(drvq_add(&vm.q[0], bufs, 3, FAKEVM_DATA + 0x10000, 7) >= 0);
	fakevm_publish(&vm, 0);
	assert_int_equal(fakevm_used(&vm, 0, &cookie, &len), 0);
	assert_int_equal(cookie, 7);
	assert_int_equal(len, 30);
	/* Nothing to write to: returned as it is. */
	assert_int_equal(fakevm_request(&vm, 0, bufs, 1, &len), 0);
	assert_int_equal(len, 0);
}

/* What was queued before DRIVER_OK is seen without a kick. */
static void
test_queued_before(void **state)
{
	struct drvq_buf buf = { FAKEVM_DATA, 64, true };
	uint64_t cookie;
	uint32_t len;

	(void)state;
	drvq_init(&vm.q[0], vm.ram, 4096, 64, V1 | EVENT);
	assert_true(drvq_add(&vm.q[0], &buf, 1, 0, 9) >= 0);
	(void)drvq_publish(&vm.q[0]);
	assert_int_equal(fakevm_activate_rings(&vm, V1 | EVENT, 1), 0);
	assert_int_equal(fakevm_used(&vm, 0, &cookie, &len), 0);
	assert_int_equal(cookie, 9);
}

static void
test_bad_activations(void **state)
{
	(void)state;
	assert_int_equal(fakevm_activate(&vm, EVENT, 1, 0), -EINVAL);
	assert_int_equal(fakevm_activate(&vm, V1 | 1, 1, 0), -EINVAL);
	assert_int_equal(fakevm_activate(&vm, V1 | 1ull << 40, 1, 0), -EINVAL);
	assert_int_equal(fakevm_activate(&vm, V1, 1, 128), -EINVAL);
	assert_int_equal(fakevm_activate(&vm, V1, 2, 8), -EINVAL);
	assert_int_equal(fakevm_activate(&vm, V1, 1, 24), -EINVAL);
	drvq_init(&vm.q[0], vm.ram, 4096, 64, V1);
	vm.q[0].used = FAKEVM_RAM - 8;
	assert_int_equal(fakevm_activate_rings(&vm, V1, 1), -EFAULT);
	vm.q[0].used = UINT64_MAX - 3;
	assert_int_equal(fakevm_activate_rings(&vm, V1, 1), -EFAULT);
	/* None of it is the end. */
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), -EBUSY);
	check_request(FAKEVM_DATA, 100);
	assert_int_equal(vm.needs_reset, 0);
}

static void
test_needs_reset(void **state)
{
	struct drvq_buf bad = { FAKEVM_RAM, 64, true };
	struct drvq_buf good = { FAKEVM_DATA, 64, true };
	uint64_t cookie;
	uint32_t len;

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		vm.needs_reset = 0;
		assert_int_equal(fakevm_activate(&vm, forms[f], 1, 0), 0);
		assert_true(drvq_add(&vm.q[0], &good, 1, 0, 1) >= 0);
		assert_true(drvq_add(&vm.q[0], &bad, 1, 0, 2) >= 0);
		fakevm_publish(&vm, 0);
		/* The one before it came back; then the device stops. */
		while (vm.needs_reset == 0)
			assert_int_equal(fakevm_pump(&vm, 5000), 0);
		assert_true(drvq_get(&vm.q[0], &cookie, &len));
		assert_int_equal(cookie, 1);
		assert_true(drvq_add(&vm.q[0], &good, 1, 0, 3) >= 0);
		(void)drvq_publish(&vm.q[0]);
		for (int i = 0; i < 100; i++)
			fakevm_kick(&vm, 0);
		assert_int_equal(fakevm_pump(&vm, 100), 0);
		assert_false(drvq_get(&vm.q[0], &cookie, &len));
		assert_int_equal(vm.needs_reset, 1);
		assert_int_equal(fakevm_reset(&vm), 0);
		vm.needs_reset = 0;
		assert_int_equal(fakevm_activate(&vm, forms[f], 1, 0), 0);
		check_request(FAKEVM_DATA, 100);
		assert_int_equal(fakevm_reset(&vm), 0);
	}
	/* A guest cannot fill the log with it. */
	assert_true(vm.log_lines < 20);
}

/* A reset lets go of requests that wait for the source. */
static void
test_reset_waiting(void **state)
{
	struct drvq_buf buf = { FAKEVM_DATA, 64, true };

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(fakevm_activate(&vm, forms[i % 4], 1, 0), 0);
		for (int k = 0; k < 10; k++)
			(void)drvq_add(&vm.q[0], &buf, 1, 0, 0);
		fakevm_publish(&vm, 0);
		assert_int_equal(fakevm_reset(&vm), 0);
		memset(vm.ram + 4096, 0xff, 65536);
		assert_int_equal(write(feed, &buf, 16), 16);
	}
	assert_int_equal(vm.needs_reset, 0);
	assert_int_equal(fakevm_quit(&vm), 0);
}

/* The guest reboots: drained, a new vcpu-worker, and on. */
static void
test_drain(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(fakevm_activate(&vm, forms[i % 4], 1, 0), 0);
		check_request(FAKEVM_DATA, 100);
		assert_int_equal(fakevm_drain(&vm), 0);
		memset(vm.ram, 0, FAKEVM_DATA);
		fakevm_kick(&vm, 0);
		assert_int_equal(fakevm_attach_bus(&vm), 0);
	}
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	check_request(FAKEVM_DATA, 100);
	assert_int_equal(fakevm_quit(&vm), 0);
}

static void
test_bus_lost(void **state)
{
	(void)state;
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	close(vm.bus_fd);
	vm.bus_fd = -1;
	assert_int_equal(fakevm_pump(&vm, 50), 0);
	memset(vm.ram, 0xff, FAKEVM_DATA);
	fakevm_kick(&vm, 0);
	assert_int_equal(fakevm_attach_bus(&vm), 0);
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	check_request(FAKEVM_DATA, 100);
	assert_int_equal(fakevm_quit(&vm), 0);
}

static void
take(bool *seen, unsigned int *done, uint64_t cookie)
{
	assert_true(cookie < 60);
	assert_false(seen[cookie]);
	seen[cookie] = true;
	(*done)++;
}

/* Saved in mid-ring, killed, loaded into another: each completes once. */
static void
test_save_and_load(void **state)
{
	struct drvq_buf buf = { FAKEVM_DATA, 64, true };
	uint8_t bytes[64];
	uint64_t cookie;
	uint32_t len;

	(void)state;
	memset(bytes, 0xa5, sizeof(bytes));
	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		bool seen[60] = { false };
		unsigned int done = 0, workers = 0;

		assert_int_equal(fakevm_activate(&vm, forms[f], 1, 0), 0);
		for (uint64_t i = 0; i < 60; i++)
			assert_true(drvq_add(&vm.q[0], &buf, 1,
			    (forms[f] & TABLES) != 0 && i % 2 != 0 ?
			    FAKEVM_DATA + 0x10000 + i * 64 : 0, i) >= 0);
		fakevm_publish(&vm, 0);
		while (done < 60) {
			/* Some come back, then another takes over. */
			for (int i = 0; i < 7; i++)
				assert_int_equal(write(feed, bytes, 64), 64);
			assert_int_equal(fakevm_used(&vm, 0, &cookie, &len), 0);
			take(seen, &done, cookie);
			assert_int_equal(fakevm_save(&vm), 0);
			assert_true(vm.state_len > 0);
			/* It stays stopped. */
			fakevm_kick(&vm, 0);
			assert_int_equal(fakevm_pump(&vm, 5), 0);
			fakevm_kill(&vm);
			workers++;
			while (drvq_get(&vm.q[0], &cookie, &len))
				take(seen, &done, cookie);
			assert_int_equal(start(source), 0);
			assert_int_equal(fakevm_load(&vm), 0);
		}
		assert_false(drvq_get(&vm.q[0], &cookie, &len));
		assert_true(workers > 1);
		/* And it goes on. */
		assert_int_equal(write(feed, bytes, 64), 64);
		check_request(FAKEVM_DATA, 64);
		assert_int_equal(fakevm_reset(&vm), 0);
	}
	assert_int_equal(fakevm_quit(&vm), 0);
}

static void
test_bad_load(void **state)
{
	Bh__DeviceState *s;

	(void)state;
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	assert_int_equal(fakevm_save(&vm), 0);
	assert_int_equal(fakevm_load(&vm), -EBUSY);
	fakevm_kill(&vm);
	assert_int_equal(start(source), 0);
	for (int i = 0; i < 6; i++) {
		uint8_t good[4096];
		size_t len = vm.state_len;

		memcpy(good, vm.state, len);
		s = bh__device_state__unpack(NULL, len, good);
		assert_non_null(s);
		switch (i) {
		case 0: s->version = 9; break;
		case 1: s->features |= 1; break;
		case 2: s->queues[0]->index = 1; break;
		case 3: s->queues[0]->next_used++; break;
		case 4: s->queues[0]->desc = FAKEVM_RAM; break;
		default: s->active = false; break;
		}
		vm.state_len = bh__device_state__pack(s, vm.state);
		bh__device_state__free_unpacked(s, NULL);
		assert_true(fakevm_load(&vm) < 0);
		memcpy(vm.state, good, len);
		vm.state_len = len;
	}
	assert_int_equal(fakevm_load(&vm), 0);
	check_request(FAKEVM_DATA, 64);
}

static void
test_memory_under_traffic(void **state)
{
	struct drvq_buf buf = { HIGH, 4096, true };
	int fd = memfd_create("dimm", MFD_CLOEXEC);
	uint8_t *dimm;
	uint32_t len;

	(void)state;
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	dimm = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(fakevm_activate(&vm, V1 | PACKED | EVENT, 1, 0), 0);
	for (int i = 0; i < 30; i++) {
		uint64_t cookie, first;

		/* Requests are on their way while the region comes and goes. */
		for (uint64_t k = 0; k < 20; k++) {
			struct drvq_buf low = { FAKEVM_DATA + k * 4096, 4096, true };

			assert_true(drvq_add(&vm.q[0], &low, 1, 0, k) >= 0);
		}
		fakevm_publish(&vm, 0);
		assert_int_equal(fakevm_add_memory(&vm, 5, HIGH, 1 << 20, fd, 0,
		    false), 0);
		for (first = 0; first < 10; first++)
			assert_int_equal(fakevm_used(&vm, 0, &cookie, &len), 0);
		assert_true(drvq_add(&vm.q[0], &buf, 1, 0, 100) >= 0);
		fakevm_publish(&vm, 0);
		do {
			assert_int_equal(fakevm_used(&vm, 0, &cookie, &len), 0);
		} while (cookie != 100);
		assert_memory_not_equal(dimm, dimm + 4096, 4096);
		memset(dimm, 0, 4096);
		for (uint64_t k = 0; k < 20; k++) {
			struct drvq_buf low = { FAKEVM_DATA + k * 4096, 4096, true };

			assert_true(drvq_add(&vm.q[0], &low, 1, 0, k) >= 0);
		}
		fakevm_publish(&vm, 0);
		assert_int_equal(fakevm_remove_memory(&vm, 5), 0);
		for (uint64_t k = 0; k < 20; k++)
			assert_int_equal(fakevm_used(&vm, 0, &cookie, &len), 0);
	}
	assert_int_equal(fakevm_remove_memory(&vm, 5), -ENOENT);
	assert_int_equal(fakevm_remove_memory(&vm, 6), -ENOENT);
	assert_int_equal(fakevm_add_memory(&vm, 0, HIGH, 4096, fd, 0, false),
	    -EEXIST);
	assert_int_equal(fakevm_add_memory(&vm, 6, 4096, 4096, fd, 0, false),
	    -EEXIST);
	/* It is gone: who uses it breaks the rules. */
	assert_int_equal(fakevm_request(&vm, 0, &buf, 1, &len), -EIO);
	assert_int_equal(vm.needs_reset, 1);

	/* Read only: cannot be written. */
	vm.needs_reset = 0;
	assert_int_equal(fakevm_reset(&vm), 0);
	assert_int_equal(fakevm_add_memory(&vm, 7, HIGH, 4096, fd, 0, true), 0);
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	assert_int_equal(fakevm_request(&vm, 0, &buf, 1, &len), -EIO);
	assert_int_equal(vm.needs_reset, 1);
	munmap(dimm, 1 << 20);
	close(fd);
}

/* The ring itself is in memory that goes. */
static void
test_ring_goes(void **state)
{
	struct drvq_buf buf = { FAKEVM_DATA, 64, true };

	(void)state;
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	check_request(FAKEVM_DATA, 100);
	assert_int_equal(fakevm_remove_memory(&vm, 0), 0);
	(void)drvq_add(&vm.q[0], &buf, 1, 0, 0);
	(void)drvq_publish(&vm.q[0]);
	fakevm_kick(&vm, 0);
	while (vm.needs_reset == 0)
		assert_int_equal(fakevm_pump(&vm, 5000), 0);
	assert_int_equal(fakevm_pump(&vm, 50), 0);
	assert_int_equal(vm.needs_reset, 1);
	assert_int_equal(fakevm_reset(&vm), 0);
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), -EFAULT);
	assert_int_equal(fakevm_add_memory(&vm, 3, 0, FAKEVM_RAM, vm.ram_fd, 0,
	    false), 0);
	vm.needs_reset = 0;
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	check_request(FAKEVM_DATA, 100);
}

/* The bitmap is what a comparison of all pages finds. */
static void
test_dirty(void **state)
{
	const uint64_t pages = FAKEVM_RAM / 4096;
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t *before = malloc(FAKEVM_RAM), *bits;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)pages / 8), 0);
	bits = mmap(NULL, pages / 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		uint64_t used, ring_end;

		assert_int_equal(fakevm_activate(&vm, forms[f], 1, 0), 0);
		ring_end = vm.next_ring / 4096;
		used = (forms[f] & PACKED ? vm.q[0].desc : vm.q[0].used) / 4096;
		memset(bits, 0, pages / 8);
		assert_int_equal(fakevm_dirty_log(&vm, fd, pages / 8), 0);
		memcpy(before, vm.ram, FAKEVM_RAM);
		for (uint32_t i = 0; i < 300; i++)
			check_request(FAKEVM_DATA + i * 30011, 40 + i * 13 % 4000);
		for (uint64_t p = 0; p < pages; p++) {
			bool changed = memcmp(before + p * 4096,
			    vm.ram + p * 4096, 4096) != 0;
			bool marked = (bits[p / 8] >> p % 8 & 1) != 0;

			/* In the rings the driver writes, too. */
			if (p >= ring_end)
				assert_int_equal(marked, changed);
			if (p == used)
				assert_true(marked);
		}
		assert_int_equal(fakevm_dirty_log(&vm, -1, 0), 0);
		memset(bits, 0, pages / 8);
		check_request(FAKEVM_DATA, 4096);
		for (uint64_t i = 0; i < pages / 8; i++)
			assert_int_equal(bits[i], 0);
		assert_int_equal(fakevm_reset(&vm), 0);
	}
	free(before);
	munmap(bits, pages / 8);
	close(fd);
}

/* Requests wait for the source, and cost nothing meanwhile. */
static void
test_slow_source(void **state)
{
	struct drvq_buf buf = { FAKEVM_DATA, 64, true };
	uint64_t cookie;
	uint32_t len;
	clockid_t cpu;
	struct timespec before, after;

	(void)state;
	assert_int_equal(fakevm_activate(&vm, V1 | EVENT, 1, 0), 0);
	for (uint64_t i = 0; i < 10; i++)
		(void)drvq_add(&vm.q[0], &buf, 1, 0, i);
	fakevm_publish(&vm, 0);
	assert_int_equal(fakevm_pump(&vm, 50), 0);
	assert_int_equal(clock_getcpuclockid(vm.pid, &cpu), 0);
	assert_int_equal(clock_gettime(cpu, &before), 0);
	usleep(300000);
	assert_int_equal(clock_gettime(cpu, &after), 0);
	assert_true((after.tv_sec - before.tv_sec) * 1000000000 +
	    after.tv_nsec - before.tv_nsec < 20000000);
	/* Less than asked for, if that is what there is. */
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(write(feed, &buf, 7), 7);
		assert_int_equal(fakevm_used(&vm, 0, &cookie, &len), 0);
		assert_int_equal(cookie, i);
		assert_int_equal(len, 7);
	}
	/* The source ends: said once, and the device waits for ever. */
	close(feed);
	feed = -1;
	(void)drvq_add(&vm.q[0], &buf, 1, 0, 1);
	fakevm_publish(&vm, 0);
	assert_int_equal(fakevm_pump(&vm, 1000), 0);
	assert_string_equal(vm.log, "rng: the source has ended: end of file");
	assert_int_equal(fakevm_reset(&vm), 0);
	assert_int_equal(fakevm_quit(&vm), 0);
}

static void
test_stopped(void **state)
{
	(void)state;
	assert_int_equal(fakevm_activate(&vm, V1 | EVENT, 1, 0), 0);
	for (int i = 0; i < 20; i++) {
		kill(vm.pid, SIGSTOP);
		usleep(2000);
		kill(vm.pid, SIGCONT);
		check_request(FAKEVM_DATA, 100);
	}
	assert_int_equal(fakevm_quit(&vm), 0);
}

/* Nothing keeps a worker whose controller is gone. */
static void
test_hang_up(void **state)
{
	(void)state;
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	close(vm.ctl_fd);
	vm.ctl_fd = -1;
	assert_int_equal(fakevm_wait_exit(&vm), 1);
}

static void
test_refused_messages(void **state)
{
	Bh__Hello hello = BH__HELLO__INIT;
	CHAN_PACKET(p, HELLO, hello, &hello);
	char junk[] = "\xff\xff\xff\xff not a packet";

	(void)state;
	/* Not from this sender; not decodable; each on either channel. */
	for (int i = 0; i < 4; i++) {
		if (vm.pid == 0)
			assert_int_equal(start(source), 0);
		if (i < 2)
			assert_int_equal(chan_send(i == 0 ? &vm.ctl : &vm.bus,
			    &p, NULL, 0), 0);
		else
			assert_true(write(i == 2 ? vm.ctl_fd : vm.bus_fd, junk,
			    sizeof(junk)) > 0);
		assert_int_equal(fakevm_wait_exit(&vm), 1);
	}
}

/* Messages that say nothing to this device; then it still works. */
static void
test_odd_messages(void **state)
{
	(void)state;
	assert_int_equal(fakevm_write_config(&vm, 0, 1, 4), 0);
	assert_int_equal(fakevm_write_config(&vm, 252, 1, 4), 0);
	assert_int_equal(fakevm_reset(&vm), 0);
	assert_int_equal(fakevm_drain(&vm), 0);
	assert_int_equal(fakevm_save(&vm), 0);
	assert_int_equal(fakevm_reset(&vm), 0);
	assert_int_equal(fakevm_activate(&vm, V1, 0, 0), 0);
	fakevm_kick(&vm, 0);
	fakevm_kick(&vm, 40);
	assert_int_equal(fakevm_reset(&vm), 0);
	assert_int_equal(fakevm_activate(&vm, V1, 1, 0), 0);
	check_request(FAKEVM_DATA, 10);
	assert_int_equal(fakevm_quit(&vm), 0);
}

int
main(void)
{
#define T(f, up) cmocka_unit_test_setup_teardown(f, up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_handshake, set_up), T(test_modes, set_up_none),
		T(test_bad_start, set_up_none), T(test_requests, set_up),
		T(test_shapes, set_up), T(test_queued_before, set_up),
		T(test_bad_activations, set_up), T(test_needs_reset, set_up),
		T(test_reset_waiting, set_up_pipe), T(test_drain, set_up),
		T(test_bus_lost, set_up), T(test_save_and_load, set_up_pipe),
		T(test_bad_load, set_up), T(test_memory_under_traffic, set_up),
		T(test_ring_goes, set_up), T(test_dirty, set_up),
		T(test_slow_source, set_up_pipe), T(test_stopped, set_up),
		T(test_hang_up, set_up), T(test_refused_messages, set_up),
		T(test_odd_messages, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
