/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio clock: each request of each length, and of a stand-in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "device-workers/rtc/rtc.h"
#include "tests/unit/device_harness.h"

#define REQUEST 0x20000u
#define ANSWER 0x30000u

static uint32_t
ask(uint16_t type, uint16_t clock, uint32_t in, uint32_t out)
{
	const struct h_seg seg[2] = { { REQUEST, in, false }, { ANSWER, out, true } };
	uint32_t id, len;

	memset(h.mem + REQUEST, 0, 64);
	memset(h.mem + ANSWER, 0xff, 64);
	memcpy(h.mem + REQUEST, &type, sizeof(type));
	memcpy(h.mem + REQUEST + 8, &clock, sizeof(clock));
	h_add(0, seg, 2);
	h_kick(0);
	assert_true(h_used(0, &id, &len));
	return len;
}

static uint64_t
now(clockid_t id)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(id, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
test_read(void **state)
{
	static const clockid_t ids[] = { CLOCK_REALTIME, CLOCK_MONOTONIC };

	(void)state;
	for (uint16_t c = 0; c < 2; c++) {
		uint64_t before = now(ids[c]), ns;

		assert_int_equal(ask(1, c, 16, 64), 16);
		memcpy(&ns, h.mem + ANSWER + 8, 8);
		assert_in_range(ns, before, now(ids[c]));
		assert_int_equal(h.mem[ANSWER], 0);
		assert_int_equal(h.mem[ANSWER + 16], 0xff);
	}
}

static void
test_lengths(void **state)
{
	(void)state;
	for (uint32_t in = 1; in < 20; in++)
		for (uint32_t out = 1; out < 20; out++) {
			bool whole = in >= 16 && out >= 16;
			uint32_t len = ask(0x1001, 0, in, out);

			assert_int_equal(len, whole ? 16 : out < 8 ? out : 8);
			assert_int_equal(h.mem[ANSWER], whole ? 0 : 4);
		}
	assert_int_equal(ask(0x1000, 0, 8, 16), 16);
	assert_int_equal(h.mem[ANSWER + 8], 2);
}

static void
test_types(void **state)
{
	(void)state;
	for (uint32_t type = 0; type <= 0xffff; type++) {
		bool known = type == 1 || (type >= 0x1000 && type <= 0x1002);

		assert_int_equal(ask((uint16_t)type, 9, 16, 16),
		    type == 0x1000 ? 16 : 8);
		assert_int_equal(h.mem[ANSWER], !known ? 2 : type == 0x1000 ? 0 : 3);
	}
}

static void
test_refused(void **state)
{
	const struct h_seg seg[2] = { { REQUEST, 16, false }, { ANSWER, 16, true } };
	struct virtq_chain chain;

	(void)state;
	h_add(0, seg, 2);
	assert_int_equal(virtq_pop(&h.dev.vq[0], &chain), 1);
	assert_int_equal(rtc_ops.refuse(&h.dev, 0, &chain), 8);
	assert_int_equal(h.mem[ANSWER], 5);
}

int
main(void)
{
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	const char *why;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read), cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_types), cmocka_unit_test(test_refused),
	};

	if (h_start(&rtc_ops, &config, &why) != 0)
		return 1;
	h_activate(1ull << VIRTIO_F_VERSION_1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
