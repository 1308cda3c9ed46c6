/* SPDX-License-Identifier: Apache-2.0 */
/* Byte rings: order, wrap-around, a peer that lies, and two threads. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/bytering.h"

static struct bytering_shared shared;
static struct bytering producer, consumer;

static int
set_up(void **state)
{
	(void)state;
	memset(&shared, 0, sizeof(shared));
	bytering_init(&producer, &shared);
	bytering_init(&consumer, &shared);
	return 0;
}

static void
bytes_come_out_in_order_and_the_ring_fills(void **state)
{
	uint8_t in[BYTERING_SIZE + 100], out[BYTERING_SIZE + 100];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	assert_int_equal(bytering_put(&producer, in, 10), 10);
	assert_true(bytering_was_empty(&producer, 10));
	assert_int_equal(bytering_put(&producer, in + 10, sizeof(in) - 10),
	    BYTERING_SIZE - 10);
	assert_false(bytering_was_empty(&producer, BYTERING_SIZE - 10));
	assert_int_equal(bytering_room(&producer, 1), 0);
	/* Looked at and not taken: it is there for a successor. */
	assert_int_equal(bytering_peek(&consumer, out, 30), 30);
	bytering_resume(&consumer, consumer.shared, 0);
	assert_int_equal(bytering_get(&consumer, out, 30), 30);
	assert_true(bytering_was_full(&consumer, 30));
	assert_int_equal(bytering_put(&producer, in + BYTERING_SIZE, 100), 30);
	assert_int_equal(bytering_get(&consumer, out + 30, sizeof(out)),
	    BYTERING_SIZE);
	assert_memory_equal(in, out, BYTERING_SIZE + 30);
	assert_int_equal(bytering_get(&consumer, out, 1), 0);
}

static void
a_lying_peer_stays_within_the_ring(void **state)
{
	static uint8_t buf[3 * BYTERING_SIZE];

	(void)state;
	for (uint32_t lie = 1; lie != 0; lie <<= 1) {
		__atomic_store_n(&shared.head, consumer.own + lie,
		    __ATOMIC_RELAXED);
		assert_true(bytering_get(&consumer, buf, sizeof(buf)) <=
		    BYTERING_SIZE);
		__atomic_store_n(&shared.tail, producer.own - lie,
		    __ATOMIC_RELAXED);
		assert_true(bytering_put(&producer, buf, sizeof(buf)) <=
		    BYTERING_SIZE);
	}
}

#define MANY 2000000u

static void *
produce(void *arg)
{
	uint32_t n = 0;

	(void)arg;
	while (n < MANY) {
		uint8_t chunk[37];
		uint32_t len = 1 + n % 37;

		for (uint32_t i = 0; i < len; i++)
			chunk[i] = (uint8_t)((n + i) * 31);
		len = (uint32_t)bytering_put(&producer, chunk, len);
		n += len;
		if (len == 0)
			sched_yield();
	}
	return NULL;
}

static void
two_threads_lose_nothing(void **state)
{
	pthread_t thread;
	uint32_t n = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, NULL), 0);
	while (n < MANY) {
		uint8_t chunk[64];
		size_t len = bytering_get(&consumer, chunk, sizeof(chunk));

		for (size_t i = 0; i < len; i++)
			assert_int_equal(chunk[i],
			    (uint8_t)((n + (uint32_t)i) * 31));
		n += (uint32_t)len;
		if (len == 0)
			sched_yield();
	}
	pthread_join(thread, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    bytes_come_out_in_order_and_the_ring_fills, set_up),
		cmocka_unit_test_setup(a_lying_peer_stays_within_the_ring,
		    set_up),
		cmocka_unit_test_setup(two_threads_lose_nothing, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
