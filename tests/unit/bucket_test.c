/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets over simulated time: exact counts, debts, bursts, hostile words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device-workers/lib/bucket.h"

#define MS 1000000ull
#define S (1000 * MS)
#define START (12345 * S + 6789)
#define DAY (86400 * S)

/* Requests of @tokens each that go from *@now on until @end, all at once or at
 * the times that bucket_when names. */
static uint64_t
run(const struct bucket *b, struct bucket_state *s, uint64_t tokens,
    uint64_t *now, uint64_t end)
{
	uint64_t n = 0;

	for (;;) {
		uint64_t when = bucket_when(b, s, *now);

		if (when == 0) {
			bucket_spend(b, s, tokens, *now);
			n++;
			continue;
		}
		assert_true(when > *now);
		if (when > end)
			return n;
		*now = when;
	}
}

static void
no_limit(void **state)
{
	struct bucket_state s = { 0 };
	struct bucket b;

	(void)state;
	bucket_init(&b, 0, 0, 0);
	bucket_spend(&b, &s, UINT64_MAX, START);
	assert_int_equal(bucket_when(&b, &s, START), 0);
	assert_int_equal(s.empty_at, 0);
}

/* A full bucket at once, and then the rate, to the token. */
static void
counts(void **state)
{
	static const struct {
		uint64_t size, refill_ms, tokens, seconds, want;
	} cases[] = {
		{ 100, 1000, 1, 0, 100 },
		{ 100, 1000, 1, 1, 200 },
		{ 100, 1000, 1, 10, 1100 },
		{ 1, 10, 1, 2, 201 },
		{ 1 << 20, 1000, 4096, 1, 512 },
		{ 1 << 20, 1000, 4096, 4, 1280 },
		{ 10 << 10, 100, 1024, 1, 110 },
		{ 3, 1000, 1, 100, 303 },
		{ 1ull << 34, 1000, 1 << 20, 2, 3 << 14 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bucket_state s = { 0 };
		uint64_t now = START, n;
		struct bucket b;

		bucket_init(&b, cases[i].size, 0, cases[i].refill_ms);
		n = run(&b, &s, cases[i].tokens, &now,
		    START + cases[i].seconds * S);
		/* The last one may go in debt, and rounding costs less than one. */
		assert_in_range(n, cases[i].want - 1, cases[i].want + 1);
	}
}

/* Idle time is worth a full bucket and no more. */
static void
idle(void **state)
{
	struct bucket_state s = { 0 };
	uint64_t now = START;
	struct bucket b;

	(void)state;
	bucket_init(&b, 50, 0, 1000);
	assert_int_equal(run(&b, &s, 1, &now, now), 50);
	now += 500 * MS;
	assert_int_equal(run(&b, &s, 1, &now, now), 25);
	now += 3600 * S;
	assert_int_equal(run(&b, &s, 1, &now, now), 50);
}

static void
one_time_burst(void **state)
{
	struct bucket_state s = { 0 };
	uint64_t now = START;
	struct bucket b;

	(void)state;
	bucket_init(&b, 10, 30, 1000);
	assert_int_equal(run(&b, &s, 1, &now, now), 40);
	assert_int_equal(s.burst_used, 30);
	now += 3600 * S;
	assert_int_equal(run(&b, &s, 1, &now, now), 10);

	/* Partly from the burst: the rest comes from the bucket. */
	s = (struct bucket_state){ 0 };
	bucket_spend(&b, &s, 35, now);
	assert_int_equal(run(&b, &s, 1, &now, now), 5);
}

/* A request larger than the bucket passes; those after it wait for all of it. */
static void
over_consumption(void **state)
{
	struct bucket_state s = { 0 };
	uint64_t when;
	struct bucket b;

	(void)state;
	bucket_init(&b, 1000, 0, 1000);
	assert_int_equal(bucket_when(&b, &s, START), 0);
	bucket_spend(&b, &s, 5000, START);
	when = bucket_when(&b, &s, START);
	assert_in_range(when, START + 4 * S, START + 4 * S + 2 * MS);
	assert_true(bucket_when(&b, &s, when - 2 * MS) != 0);
	assert_int_equal(bucket_when(&b, &s, when), 0);
}

/* No token of those that come while nothing may wake up is lost. */
static void
naps(void **state)
{
	struct bucket_state s = { 0 };
	uint64_t now = START, wakes = 0, n = 0;
	struct bucket b;

	(void)state;
	bucket_init(&b, 1000000, 0, 1000);	/* a token a microsecond */
	n += run(&b, &s, 1, &now, now);
	while (now < START + S) {
		uint64_t when = bucket_when(&b, &s, now);

		if (when != 0) {
			now = when;
			wakes++;
			continue;
		}
		bucket_spend(&b, &s, 1, now);
		n++;
	}
	assert_in_range(n, 1999000, 2001000);
	assert_in_range(wakes, 1, 1100);
}

static void
overflow(void **state)
{
	struct bucket_state s = { 0 };
	struct bucket b;
	uint64_t when;

	(void)state;
	bucket_init(&b, UINT64_MAX, UINT64_MAX, UINT64_MAX);
	assert_int_equal(b.size, BUCKET_MAX_SIZE);
	bucket_init(&b, 1, 0, BUCKET_MAX_REFILL_MS);
	bucket_spend(&b, &s, UINT64_MAX, START);
	bucket_spend(&b, &s, UINT64_MAX, START);
	when = bucket_when(&b, &s, START);
	assert_in_range(when, START + DAY, START + 2 * DAY);
	assert_int_equal(bucket_when(&b, &s, when), 0);

	/* At the end of time itself. */
	s = (struct bucket_state){ 0 };
	bucket_spend(&b, &s, UINT64_MAX, UINT64_MAX);
	(void)bucket_when(&b, &s, UINT64_MAX);
	/* Right after the host's boot. */
	s = (struct bucket_state){ 0 };
	bucket_init(&b, 10, 0, 1000);
	assert_int_equal(bucket_when(&b, &s, 2 * S), 0);
}

/* Words that another process wrote: no more than the limit is lost. */
static void
hostile(void **state)
{
	static const uint64_t words[] = { 0, 1, INT64_MAX, UINT64_MAX - 1,
					  UINT64_MAX };
	struct bucket b;

	(void)state;
	bucket_init(&b, 10, 5, 1000);
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++) {
			struct bucket_state s = { words[i], words[k] };
			uint64_t when = bucket_when(&b, &s, START);

			assert_true(when == 0 ||
			    (when > START && when <= START + DAY + S));
			bucket_spend(&b, &s, words[k], START);
			when = bucket_when(&b, &s, START);
			assert_true(when == 0 ||
			    (when > START && when <= START + DAY + S));
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit),
		cmocka_unit_test(counts),
		cmocka_unit_test(idle),
		cmocka_unit_test(one_time_burst),
		cmocka_unit_test(over_consumption),
		cmocka_unit_test(naps),
		cmocka_unit_test(overflow),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
