// SPDX-License-Identifier: Apache-2.0
/*
 * The record that a device worker leaves to its successor: state that is whole or
 * not there, whatever instant its writer died at, and who is suspected of what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device-workers/lib/counters.h"
#include "device-workers/lib/record.h"
#include "ipc/slots.h"

#define NQUEUES 3u

static struct record record;

/* A memfd of @size bytes at FD_RECORD. */
static void
put(uint64_t size, int seals)
{
	int fd = memfd_create("record", MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	assert_int_equal(dup2(fd, FD_RECORD), FD_RECORD);
	close(fd);
}

static int
setup(void **state)
{
	(void)state;
	put(RECORD_SIZE(NQUEUES), F_SEAL_SHRINK);
	return record_open(&record);
}

static int
teardown(void **state)
{
	(void)state;
	return munmap(record.base, RECORD_SIZE(NQUEUES));
}

static void
test_open(void **state)
{
	struct record r;

	(void)state;
	assert_int_equal(record.nqueues, NQUEUES);
	/* Nobody has said so: of the first version. */
	assert_int_equal(record.version, 1);
	record_sign(&record, 7);
	assert_int_equal(record.version, 7);
	/* Closed once mapped; none there is no error. */
	assert_int_equal(fcntl(FD_RECORD, F_GETFD), -1);
	assert_int_equal(record_open(&r), 0);
	assert_null(r.base);
	put(RECORD_SIZE(NQUEUES), F_SEAL_GROW);
	assert_true(record_open(&r) < 0);
	put(RECORD_QUEUE_SIZE - 1, F_SEAL_SHRINK);
	assert_true(record_open(&r) < 0);
	put(RECORD_SIZE(DEVICE_LIMIT_QUEUES) + 1, F_SEAL_SHRINK);
	assert_true(record_open(&r) < 0);
	close(FD_RECORD);
	/* A record of no queue has state alone. */
	put(RECORD_QUEUE_SIZE, F_SEAL_SHRINK);
	assert_int_equal(record_open(&r), 0);
	assert_int_equal(r.nqueues, 0);
	munmap(r.base, RECORD_QUEUE_SIZE);
	/* The regions do not touch one another, nor the end. */
	assert_ptr_equal((uint8_t *)record_region(&record, 1),
	    (uint8_t *)record_region(&record, 0) + RECORD_QUEUE_SIZE);
	assert_ptr_equal((uint8_t *)record_region(&record, NQUEUES - 1) +
	    RECORD_QUEUE_SIZE, record.base + RECORD_SIZE(NQUEUES));
}

static void
test_state(void **state)
{
	static uint8_t in[RECORD_STATE_SIZE + 1], out[RECORD_STATE_SIZE];
	uint32_t *word = (uint32_t *)(void *)record.base;

	(void)state;
	assert_int_equal(record_read_state(&record, out), 0);
	for (unsigned int i = 1; i < 10; i++) {
		memset(in, (int)i, sizeof(in));
		record_write_state(&record, in, RECORD_STATE_SIZE - i);
		assert_int_equal(record_read_state(&record, out),
		    RECORD_STATE_SIZE - i);
		assert_memory_equal(out, in, RECORD_STATE_SIZE - i);
	}
	/* What does not fit is not taken, and the last one stays. */
	record_write_state(&record, in, sizeof(in));
	assert_int_equal(record_read_state(&record, out), RECORD_STATE_SIZE - 9);
	/* A hostile one: lengths and slots that are none. */
	for (unsigned int i = 0; i < 3; i++) {
		const uint32_t good = word[i];

		word[i] = UINT32_MAX;
		(void)record_read_state(&record, out);
		record_write_state(&record, in, 8);
		word[i] = good;
	}
	word[0] = 3;
	assert_int_equal(record_read_state(&record, out), 0);
	record_write_state(&record, in, 8);
	assert_int_equal(record_read_state(&record, out), 8);
	word[word[0]] = RECORD_STATE_SIZE + 1;
	assert_int_equal(record_read_state(&record, out), 0);
	record_clear(&record, true);
	assert_int_equal(record_read_state(&record, out), 0);
}

/* They are the VM's, not the driver's. */
static void
test_counters(void **state)
{
	struct record none = { .base = NULL };
	uint64_t *c = record_counters(&record), raw;

	(void)state;
	assert_null(record_counters(&none));
	counter_add(NULL, 0, 1);
	counter_add(c, COUNTERS - 1, 3);
	counter_add(c, COUNTERS - 1, 4);
	record_clear(&record, true);
	memcpy(&raw, record.base + COUNTERS_AT +
	    (COUNTERS - 1) * sizeof(raw), sizeof(raw));
	assert_int_equal(raw, 7);
	/* The state and the marks are elsewhere. */
	record_mark(&record, DEVICE_LIMIT_QUEUES - 1)->deaths = UINT32_MAX;
	assert_int_equal(c[0], 0);
	assert_int_equal(record_read_state(&record, (uint8_t[RECORD_STATE_SIZE]){ 0 }),
	    0);
}

/* A writer that dies leaves what was before: the slot is chosen last. */
static void
test_half_written(void **state)
{
	uint8_t first[64], out[RECORD_STATE_SIZE];
	const uint32_t *word = (const uint32_t *)(const void *)record.base;
	uint8_t *other;

	(void)state;
	memset(first, 1, sizeof(first));
	record_write_state(&record, first, sizeof(first));
	other = record.base + 4096 + (word[0] == 1 ? RECORD_STATE_SIZE : 0);
	memset(other, 2, 100);
	assert_int_equal(record_read_state(&record, out), sizeof(first));
	assert_memory_equal(out, first, sizeof(first));
}

static void
test_suspects(void **state)
{
	struct record_mark *m = record_mark(&record, 1);

	(void)state;
	record_clear(&record, true);
	/* Nothing was being done. */
	assert_int_equal(record_suspect(&record, 1, true), -1);
	/* Once is an accident, */
	m->now = 8;
	assert_int_equal(record_suspect(&record, 1, true), -1);
	assert_int_equal(m->now, 0);
	/* another request is another accident, */
	m->now = 9;
	assert_int_equal(record_suspect(&record, 1, true), -1);
	/* the same again is not, */
	m->now = 9;
	assert_int_equal(record_suspect(&record, 1, true), 8);
	m->now = 9;
	assert_int_equal(record_suspect(&record, 1, true), 8);
	/* Killed from outside, it says nothing. */
	m->now = 9;
	assert_int_equal(record_suspect(&record, 1, false), -1);
	assert_int_equal(m->now, 0);
	/* It is forgiven when it went well in between. */
	record_trust(&record, 1);
	m->now = 9;
	assert_int_equal(record_suspect(&record, 1, true), -1);
	assert_int_equal(record_suspect(&record, 1, true), -1);
	m->now = 9;
	assert_int_equal(record_suspect(&record, 1, true), -1);
	/* Other queues know nothing of it, and no mark is out of range. */
	assert_int_equal(record_mark(&record, 0)->suspect, 0);
	m->now = m->suspect = VIRTQ_LIMIT_SIZE + 1;
	m->deaths = UINT32_MAX;
	assert_int_equal(record_suspect(&record, 1, true), -1);
	m->now = m->suspect = VIRTQ_LIMIT_SIZE;
	m->deaths = UINT32_MAX - 1;
	assert_int_equal(record_suspect(&record, 1, true), VIRTQ_LIMIT_SIZE - 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_open), T(test_state), T(test_counters), T(test_half_written),
		T(test_suspects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
