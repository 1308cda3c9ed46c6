// SPDX-License-Identifier: Apache-2.0
/*
 * The block device against a file: every request type with its content, and
 * every malformed request that virtio 1.2, 5.2.6 rules out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "device-workers/blk/blk.h"
#include "device-workers/blk/blk_req.h"
#include "tests/unit/device_harness.h"

#define DISK_SIZE (256u * 1024u)
#define HEADER 0x10000u
#define DATA 0x20000u
#define STATUS 0x80000u
#define UNTOUCHED 0xee

static Bh__BlkConfig blk;
static Bh__RateLimit limit = BH__RATE_LIMIT__INIT;
static Bh__DeviceConfig config;
static char serial[] = "serial-0123456789";

static uint8_t
disk_byte(uint64_t at)
{
	return (uint8_t)(at * 7 + at / 512);
}

static void
fill_disk(void)
{
	uint8_t *buf = malloc(DISK_SIZE);

	for (uint32_t i = 0; i < DISK_SIZE; i++)
		buf[i] = disk_byte(i);
	assert_int_equal(pwrite(FD_BACKEND, buf, DISK_SIZE, 0), DISK_SIZE);
	free(buf);
}

static void
make_disk(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	assert_true(fd >= 0);
	assert_int_equal(dup2(fd, FD_BACKEND), FD_BACKEND);
	if (fd != FD_BACKEND)
		close(fd);
}

static void
start(bool readonly, bool direct)
{
	const char *why;

	memset(&h.dev, 0, sizeof(h.dev));
	bh__blk_config__init(&blk);
	bh__device_config__init(&config);
	blk.size = DISK_SIZE;
	blk.block_size = 512;
	blk.serial = serial;
	blk.num_queues = 2;
	blk.queue_size = H_QUEUE;
	blk.sparse = true;
	blk.disable_io_uring = true;
	blk.rate_limit = &limit;	/* the harness decides on it */
	blk.readonly = readonly;
	blk.direct = direct;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	assert_int_equal(h_start(&blk_ops, &config, &why), 0);
	h_activate(h.dev.features);
}

static int
setup(void **state)
{
	(void)state;
	make_disk();
	fill_disk();
	start(false, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	h_reset();
	/* As a process does by its exit. */
	free(h.dev.priv);
	h.dev.priv = NULL;
	return 0;
}

static void
put_header(uint32_t type, uint64_t sector)
{
	uint32_t zero = 0;

	memcpy(h.mem + HEADER, &type, 4);
	memcpy(h.mem + HEADER + 4, &zero, 4);
	memcpy(h.mem + HEADER + 8, &sector, 8);
	h.mem[STATUS] = UNTOUCHED;
}

/* Send a chain: its status byte, or -1 where the device wants a reset. */
static int
submit(const struct h_seg *seg, unsigned int n)
{
	uint32_t id, len;

	h_add(0, seg, n);
	h_kick(0);
	if (h.needs_reset != 0)
		return -1;
	assert_true(h_used(0, &id, &len));
	return h.mem[STATUS];
}

static int
request(uint32_t type, uint64_t sector, uint32_t len, bool write)
{
	const struct h_seg seg[] = {
		{ HEADER, 16, false }, { DATA, len, write }, { STATUS, 1, true },
	};

	put_header(type, sector);
	return submit(seg, 3);
}

static void
assert_disk_data(uint64_t from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(h.mem[DATA + i], disk_byte(from + i));
}

static void
reads_what_is_on_the_disk(void **state)
{
	(void)state;
	assert_int_equal(request(0, 3, 4096, true), 0);
	assert_disk_data(3 * 512, 4096);
	assert_int_equal(request(0, DISK_SIZE / 512 - 1, 512, true), 0);
	assert_disk_data(DISK_SIZE - 512, 512);
}

static void
writes_land_where_they_should(void **state)
{
	uint8_t back[3 * 512];

	(void)state;
	memset(h.mem + DATA, 0xa5, 512);
	assert_int_equal(request(1, 9, 512, false), 0);
	assert_int_equal(pread(FD_BACKEND, back, sizeof(back), 8 * 512),
	    sizeof(back));
	for (uint32_t i = 0; i < sizeof(back); i++)
		assert_int_equal(back[i], i / 512 == 1 ? 0xa5 :
		    disk_byte(8 * 512 + i));
	assert_int_equal(request(4, 0, 0, false), 0);
}

static void
header_may_be_split_at_each_byte(void **state)
{
	(void)state;
	for (uint32_t at = 1; at < 16; at++) {
		/* The rest of the header and of the data in one descriptor. */
		const struct h_seg in[] = {
			{ HEADER, at, false }, { HEADER + at, 16 - at, false },
			{ DATA, 512 + at, true },
			{ DATA + 512 + at, 512 - at, true }, { STATUS, 1, true },
		};
		struct h_seg out[] = {
			{ HEADER, at, false },
			{ HEADER + at, 16 - at + 512, false },
			{ STATUS, 1, true },
		};
		uint8_t back[512];

		put_header(0, 5);
		assert_int_equal(submit(in, 5), 0);
		assert_disk_data(5 * 512, 1024);

		put_header(1, 20);
		memset(h.mem + HEADER + 16, (int)at, 512);
		assert_int_equal(submit(out, 3), 0);
		assert_int_equal(pread(FD_BACKEND, back, 512, 20 * 512), 512);
		for (uint32_t i = 0; i < 512; i++)
			assert_int_equal(back[i], at);
	}
}

static void
status_may_share_a_descriptor_with_data(void **state)
{
	const struct h_seg seg[] = {
		{ HEADER, 16, false }, { STATUS - 512, 513, true },
	};

	(void)state;
	put_header(0, 7);
	assert_int_equal(submit(seg, 2), 0);
	for (uint32_t i = 0; i < 512; i++)
		assert_int_equal(h.mem[STATUS - 512 + i],
		    disk_byte(7 * 512 + i));
}

static void
refuses_what_is_not_on_the_disk(void **state)
{
	const uint64_t end = DISK_SIZE / 512;

	(void)state;
	assert_int_equal(request(0, end, 512, true), 1);
	assert_int_equal(request(0, end - 1, 1024, true), 1);
	assert_int_equal(request(1, end - 1, 1024, false), 1);
	assert_int_equal(request(0, UINT64_MAX, 512, true), 1);
	assert_int_equal(request(0, UINT64_MAX / 512 + 1, 512, true), 1);
	assert_int_equal(request(1, 1ull << 55, 512, false), 1);
}

static void
refuses_lengths_that_are_no_sectors(void **state)
{
	(void)state;
	assert_int_equal(request(0, 0, 0, true), 1);
	assert_int_equal(request(1, 0, 0, false), 1);
	assert_int_equal(request(0, 0, 511, true), 1);
	assert_int_equal(request(1, 0, 513, false), 1);
}

static void
refuses_the_wrong_direction(void **state)
{
	(void)state;
	assert_int_equal(request(0, 0, 512, false), 1);
	assert_int_equal(request(1, 0, 512, true), 1);
	assert_int_equal(request(8, 0, 20, false), 1);
}

static void
refuses_unknown_types(void **state)
{
	(void)state;
	assert_int_equal(request(2, 0, 512, true), 2);
	assert_int_equal(request(14, 0, 512, false), 2);
	assert_int_equal(request(UINT32_MAX, 0, 512, true), 2);
}

static void
short_header_is_an_error(void **state)
{
	const struct h_seg seg[] = {
		{ HEADER, 15, false }, { STATUS, 1, true },
	};
	const struct h_seg none[] = { { STATUS, 1, true } };

	(void)state;
	put_header(0, 0);
	assert_int_equal(submit(seg, 2), 1);
	h.mem[STATUS] = UNTOUCHED;
	assert_int_equal(submit(none, 1), 1);
}

static void
no_status_byte_needs_a_reset(void **state)
{
	const struct h_seg seg[] = { { HEADER, 16, false } };

	(void)state;
	put_header(4, 0);
	assert_int_equal(submit(seg, 1), -1);
	h_reset();
	h_activate(h.dev.features);
	assert_int_equal(request(0, 0, 512, true), 0);
}

static void
id_is_the_serial(void **state)
{
	(void)state;
	memset(h.mem + DATA, UNTOUCHED, 32);
	assert_int_equal(request(8, 0, 20, true), 0);
	assert_string_equal((char *)h.mem + DATA, serial);
	assert_int_equal(h.mem[DATA + 19], 0);
	assert_int_equal(h.mem[DATA + 20], UNTOUCHED);
	memset(h.mem + DATA, UNTOUCHED, 32);
	assert_int_equal(request(8, 0, 4, true), 0);
	assert_memory_equal(h.mem + DATA, serial, 4);
	assert_int_equal(h.mem[DATA + 4], UNTOUCHED);
}

static void
put_range(unsigned int i, uint64_t sector, uint32_t n, uint32_t flags)
{
	memcpy(h.mem + DATA + 16 * i, &sector, 8);
	memcpy(h.mem + DATA + 16 * i + 8, &n, 4);
	memcpy(h.mem + DATA + 16 * i + 12, &flags, 4);
}

static void
zeroes_are_zeroes(void **state)
{
	uint8_t back[4 * 512];

	(void)state;
	for (uint32_t unmap = 0; unmap < 2; unmap++) {
		fill_disk();
		put_range(0, 33, 2, unmap);
		assert_int_equal(request(13, 0, 16, false), 0);
		assert_int_equal(pread(FD_BACKEND, back, sizeof(back),
		    32 * 512), sizeof(back));
		for (uint32_t i = 0; i < sizeof(back); i++)
			assert_int_equal(back[i], i / 512 == 1 || i / 512 == 2 ?
			    0 : disk_byte(32 * 512 + i));
	}
}

static void
discard_gives_storage_back(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(fstat(FD_BACKEND, &before), 0);
	put_range(0, 0, 64, 0);
	put_range(1, 128, 64, 0);
	assert_int_equal(request(11, 0, 32, false), 0);
	assert_int_equal(fstat(FD_BACKEND, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_true(after.st_blocks < before.st_blocks);
}

static void
bad_ranges_are_refused(void **state)
{
	(void)state;
	put_range(0, 0, 8, 1);		/* unmap in DISCARD */
	assert_int_equal(request(11, 0, 16, false), 2);
	put_range(0, 0, 8, 2);		/* unknown flag */
	assert_int_equal(request(13, 0, 16, false), 2);
	put_range(0, DISK_SIZE / 512, 1, 0);
	assert_int_equal(request(11, 0, 16, false), 1);
	put_range(0, UINT64_MAX, 1, 0);
	assert_int_equal(request(13, 0, 16, false), 1);
	put_range(0, 0, UINT32_MAX, 0);
	assert_int_equal(request(11, 0, 16, false), 1);
	put_range(0, 0, 0, 0);
	assert_int_equal(request(13, 0, 16, false), 1);
	assert_int_equal(request(11, 0, 15, false), 1);
	assert_int_equal(request(11, 0, 0, false), 1);
	assert_int_equal(request(11, 0, 17 * 16, false), 1);
	/* The first is good: nothing of it may happen. */
	put_range(0, 0, 8, 0);
	put_range(1, DISK_SIZE / 512, 8, 0);
	assert_int_equal(request(13, 0, 32, false), 1);
	assert_int_equal(request(0, 0, 512, true), 0);
	assert_disk_data(0, 512);
}

static void
readonly_stays_as_it_is(void **state)
{
	(void)state;
	teardown(state);
	start(true, false);
	assert_true(h.dev.features >> VIRTIO_BLK_F_RO & 1);
	assert_false(h.dev.features >> VIRTIO_BLK_F_DISCARD & 1);
	assert_int_equal(request(1, 0, 512, false), 1);
	put_range(0, 0, 8, 0);
	assert_int_equal(request(13, 0, 16, false), 2);
	assert_int_equal(request(0, 0, 512, true), 0);
	assert_disk_data(0, 512);
	assert_int_equal(request(4, 0, 0, false), 0);
}

static void
direct_copes_with_odd_buffers(void **state)
{
	const struct h_seg seg[] = {
		{ HEADER, 16, false }, { DATA, 100, true },
		{ DATA + 100, 1024 - 100, true }, { STATUS, 1, true },
	};

	(void)state;
	if (fcntl(FD_BACKEND, F_SETFL, O_DIRECT) != 0)
		skip();		/* tmpfs of older kernels */
	teardown(state);
	start(false, true);
	put_header(0, 1);
	assert_int_equal(submit(seg, 4), 0);
	assert_disk_data(512, 1024);
	assert_int_equal(request(0, 4, 65536 * 2, true), 0);
	assert_disk_data(4 * 512, 65536 * 2);
}

static void
a_file_that_shrank_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(FD_BACKEND, DISK_SIZE / 2), 0);
	assert_int_equal(request(0, DISK_SIZE / 1024, 512, true), 1);
	assert_int_equal(request(0, DISK_SIZE / 1024 - 1, 512, true), 0);
}

static void
a_burst_is_served_in_turns(void **state)
{
	const struct h_seg seg[] = {
		{ HEADER, 16, false }, { DATA, 512, true }, { STATUS, 1, true },
	};
	uint32_t id, len, n = 0;

	(void)state;
	put_header(0, 2);
	for (unsigned int i = 0; i < 20; i++)
		h_add(1, seg, 3);
	h_kick(1);
	while (h_used(1, &id, &len)) {
		assert_int_equal(len, 513);
		n++;
	}
	assert_int_equal(n, 20);
}

/* Without tokens a request stays in the ring; GET_ID and FLUSH cost, too. */
static void
waits_for_tokens(void **state)
{
	const struct h_seg seg[] = {
		{ HEADER, 16, false }, { DATA, 4096, true }, { STATUS, 1, true },
	};
	uint32_t id, len;

	(void)state;
	h.limited = true;
	h.ops_left = 1;
	h.spent = h.later = 0;
	put_header(VIRTIO_BLK_T_IN, 8);
	h_add(0, seg, 3);
	h_add(0, seg, 3);
	h_kick(0);
	assert_true(h_used(0, &id, &len));
	assert_false(h_used(0, &id, &len));
	assert_int_equal(h.spent, 4096);
	assert_int_equal(h.later, 1);
	assert_int_equal(h.dev.vq[0].inflight, 0);
	h.ops_left = 1;
	h_kick(0);
	assert_true(h_used(0, &id, &len));
	assert_int_equal(h.spent, 8192);
	assert_disk_data(4096, 4096);
	h.ops_left = 1;
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 20, true), 0);
	assert_int_equal(h.ops_left, 0);
	h.limited = false;
}

static void
bad_configurations_are_refused(void **state)
{
	const char *why;

	(void)state;
	teardown(state);
	memset(&h.dev, 0, sizeof(h.dev));
	blk.size = DISK_SIZE + 1;
	assert_int_equal(h_start(&blk_ops, &config, &why), -EINVAL);
	blk.size = DISK_SIZE;
	blk.block_size = 1000;
	assert_int_equal(h_start(&blk_ops, &config, &why), -EINVAL);
	blk.block_size = 512;
	blk.queue_size = 65;
	assert_int_equal(h_start(&blk_ops, &config, &why), -EINVAL);
	assert_null(h.dev.priv);
	blk.queue_size = H_QUEUE;
	start(false, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(reads_what_is_on_the_disk),
		T(writes_land_where_they_should),
		T(header_may_be_split_at_each_byte),
		T(status_may_share_a_descriptor_with_data),
		T(refuses_what_is_not_on_the_disk),
		T(refuses_lengths_that_are_no_sectors),
		T(refuses_the_wrong_direction),
		T(refuses_unknown_types),
		T(short_header_is_an_error),
		T(no_status_byte_needs_a_reset),
		T(id_is_the_serial),
		T(zeroes_are_zeroes),
		T(discard_gives_storage_back),
		T(bad_ranges_are_refused),
		T(readonly_stays_as_it_is),
		T(direct_copes_with_odd_buffers),
		T(a_file_that_shrank_is_an_error),
		T(a_burst_is_served_in_turns),
		T(waits_for_tokens),
		T(bad_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
