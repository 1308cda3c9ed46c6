/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mem without a host that takes memory: which ranges it gives back, when it
 * answers, and what a successor makes of what is noted. Its madvise() is wrapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>

#include "device-workers/mem/mem.h"
#include "proto/limits.h"
#include "tests/unit/device_harness.h"

#define BLOCK (2u << 20)
#define START (1ull << 32)
#define SIZE (256ull << 20)
#define NBLOCKS (SIZE / BLOCK)
#define AT(i) (START + (uint64_t)(i) * BLOCK)
#define V1 (1ull << VIRTIO_F_VERSION_1)
#define REQUEST 0x20000u
#define RESPONSE 0x21000u
#define NOTHING 0xffffu

static uint8_t *region;
static struct { uint64_t at, len; } gone[8];
static unsigned int ngone;
static int error, memfd;

int __wrap_madvise(void *addr, size_t len, int advice);

int
__wrap_madvise(void *addr, size_t len, int advice)
{
	assert_int_equal(advice, MADV_REMOVE);
	assert_true(ngone < 8);
	gone[ngone].at = (uint64_t)((uint8_t *)addr - region);
	gone[ngone++].len = len;
	errno = error;
	return error == 0 ? 0 : -1;
}

/* A worker, over what is noted already. */
static void
make(uint64_t requested)
{
	Bh__MemConfig mem = BH__MEM_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	const char *why;

	if (region == NULL)
		region = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mem.start = START;
	mem.size = SIZE;
	mem.block = BLOCK;
	mem.requested = requested;
	mem.queue_size = H_QUEUE;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_MEM;
	config.mem = &mem;
	assert_int_equal(dup2(memfd, FD_MEM_STATE), FD_MEM_STATE);
	assert_int_equal(h_start(&mem_ops, &config, &why), 0);
	assert_int_equal(fcntl(FD_MEM_STATE, F_GETFD), -1);
	h.dev.mem.region[1] = (struct gmem_region){
		.gpa = START, .size = SIZE, .host = region };
	h_activate(V1);
	h.takes = false;
	ngone = 0;
	error = 0;
}

static void
fresh(uint64_t requested)
{
	if (memfd > 0)
		close(memfd);
	memfd = memfd_create("state", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	assert_int_equal(ftruncate(memfd, MEM_STATE_SIZE(NBLOCKS)), 0);
	assert_int_equal(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	make(requested);
}

static uint16_t
answered(void)
{
	struct mem_response r;
	uint32_t id, len;

	if (!h_used(0, &id, &len))
		return NOTHING;
	assert_int_equal(len, sizeof(r));
	memcpy(&r, h.mem + RESPONSE, sizeof(r));
	return r.type;
}

static uint16_t
ask(uint16_t type, uint64_t addr, uint16_t n)
{
	const struct mem_request r = { .type = type, .addr = addr, .nblocks = n };
	const struct h_seg seg[2] = { { REQUEST, sizeof(r), false },
		{ RESPONSE, sizeof(struct mem_response), true } };

	memcpy(h.mem + REQUEST, &r, sizeof(r));
	h_add(0, seg, 2);
	h_kick(0);
	return answered();
}

static uint64_t
plugged(void)
{
	struct mem_config c;

	memcpy(&c, h.dev.config, sizeof(c));
	return c.plugged / BLOCK;
}

static void
test_punches(void **state)
{
	uint64_t counters[COUNTERS] = { 0 };

	(void)state;
	fresh(SIZE);
	h.dev.counters = counters;
	assert_int_equal(ask(MEM_PLUG, START, 100), MEM_ACK);
	assert_int_equal(ngone, 0);
	assert_int_equal(plugged(), 100);
	assert_int_equal(ask(MEM_UNPLUG, AT(10), 5), MEM_ACK);
	assert_int_equal(ngone, 1);
	assert_int_equal(gone[0].at, 10ull * BLOCK);
	assert_int_equal(gone[0].len, 5ull * BLOCK);
	assert_int_equal(counters[MEM_COUNT_RETURNED], 5ull * BLOCK);
	assert_int_equal(counters[MEM_COUNT_PLUGGED], 95ull * BLOCK);
	error = EINVAL;
	assert_int_equal(ask(MEM_UNPLUG, AT(20), 5), MEM_BUSY);
	assert_int_equal(ask(MEM_UNPLUG_ALL, 0, 0), MEM_BUSY);
	assert_int_equal(plugged(), 95);
	error = 0;
	assert_int_equal(ask(MEM_UNPLUG, AT(20), 5), MEM_ACK);
	assert_int_equal(ask(MEM_UNPLUG_ALL, 0, 0), MEM_ACK);
	assert_int_equal(plugged(), 0);
	h.dev.counters = NULL;
}

/* The answer waits for the vcpu-worker; not where there is none. */
static void
test_waits(void **state)
{
	(void)state;
	fresh(SIZE);
	h.takes = true;
	h.updates = 0;
	assert_int_equal(ask(MEM_STATE, START, 1), MEM_ACK);
	assert_int_equal(h.updates, 0);
	assert_int_equal(ask(MEM_PLUG, START, 1), NOTHING);
	assert_int_equal(ask(MEM_STATE, START, 1), NOTHING);
	assert_int_equal(h.updates, 1);
	mem_ops.config_taken(&h.dev);
	assert_int_equal(answered(), MEM_ACK);
	assert_true(h.again[0]);
	h_kick(0);
	assert_int_equal(answered(), MEM_ACK);
	mem_ops.config_taken(&h.dev);
	assert_int_equal(answered(), NOTHING);
	/* Whoever is to stop does not wait. */
	assert_int_equal(ask(MEM_UNPLUG, START, 1), NOTHING);
	assert_int_equal(mem_ops.drain(&h.dev), 0);
	virtq_flush(&h.dev.vq[0]);
	assert_int_equal(answered(), MEM_ACK);
	assert_int_equal(ask(MEM_PLUG, START, 1), NOTHING);
	h_reset();
	mem_ops.config_taken(&h.dev);
	assert_int_equal(plugged(), 1);
}

/* A predecessor died after the change and before the answer. */
static void
test_successor(void **state)
{
	(void)state;
	fresh(SIZE);
	h.takes = true;
	assert_int_equal(ask(MEM_PLUG, START, 10), NOTHING);
	make(SIZE);
	assert_int_equal(plugged(), 10);
	assert_int_equal(ask(MEM_PLUG, START, 10), MEM_ACK);
	assert_int_equal(ask(MEM_PLUG, START, 10), MEM_ERROR);
	h.takes = true;
	assert_int_equal(ask(MEM_UNPLUG, START, 4), NOTHING);
	make(0);
	assert_int_equal(plugged(), 6);
	assert_int_equal(ask(MEM_UNPLUG, START, 4), MEM_ACK);
	assert_int_equal(ngone, 1);
	assert_int_equal(ask(MEM_UNPLUG, START, 4), MEM_ERROR);
	assert_int_equal(ask(MEM_PLUG, START, 1), MEM_NACK);
}

/* What a hostile one noted is not beyond the region. */
static void
test_noted(void **state)
{
	struct mem_state s = { .first = ~0ull, .nblocks = ~0u, .type = MEM_UNPLUG };
	uint64_t ones = ~0ull;

	(void)state;
	fresh(SIZE);
	assert_int_equal(pwrite(memfd, &s, sizeof(s), 0), sizeof(s));
	for (off_t at = MEM_BITS_AT; at < MEM_BITS_AT + 64; at += 8)
		assert_int_equal(pwrite(memfd, &ones, 8, at), 8);
	make(SIZE);
	assert_int_equal(plugged(), NBLOCKS);
	assert_int_equal(ask(MEM_UNPLUG, AT(NBLOCKS - 1), 2), MEM_ERROR);
	assert_int_equal(ask(MEM_UNPLUG, AT(NBLOCKS - 1), 1), MEM_ACK);
	assert_int_equal(plugged(), NBLOCKS - 1);
	/* The machine begins anew, and the controller has cleared it. */
	assert_int_equal(fallocate(memfd, FALLOC_FL_PUNCH_HOLE |
	    FALLOC_FL_KEEP_SIZE, 0, MEM_STATE_SIZE(NBLOCKS)), 0);
	mem_ops.new_machine(&h.dev);
	assert_int_equal(plugged(), 0);
}

static void
test_no_state(void **state)
{
	Bh__MemConfig mem = BH__MEM_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	const char *why;
	int fd = memfd_create("small", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	(void)state;
	mem.start = START;
	mem.size = SIZE;
	mem.block = BLOCK;
	config.mem = &mem;
	assert_int_equal(h_start(&mem_ops, &config, &why), -EBADF);
	assert_int_equal(dup2(fd, FD_MEM_STATE), FD_MEM_STATE);
	assert_int_equal(h_start(&mem_ops, &config, &why), -EINVAL);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(h_start(&mem_ops, &config, &why), -EINVAL);
	close(fd);
	close(FD_MEM_STATE);
}

static void
test_target(void **state)
{
	struct mem_config c;

	(void)state;
	fresh(0);
	h.config_changed = 0;
	mem_ops.set_target(&h.dev, SIZE + BLOCK);
	memcpy(&c, h.dev.config, sizeof(c));
	assert_int_equal(c.requested, SIZE);
	mem_ops.set_target(&h.dev, 3 * BLOCK + 4096);
	memcpy(&c, h.dev.config, sizeof(c));
	assert_int_equal(c.requested, 3 * BLOCK);
	assert_int_equal(h.config_changed, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_state), cmocka_unit_test(test_punches),
		cmocka_unit_test(test_waits), cmocka_unit_test(test_successor),
		cmocka_unit_test(test_noted), cmocka_unit_test(test_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
