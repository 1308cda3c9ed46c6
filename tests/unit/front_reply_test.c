/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a back end may send (device-workers/vhost-user-front/reply.c): the one answer
 * that is waited for, messages of its own, a possible record of requests in flight.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "device-workers/vhost-user-front/reply.h"

#define REPLY (VHU_VERSION | VHU_FLAG_REPLY)

static void
answers(void **state)
{
	static const struct {
		struct vhu_header header;
		struct front_expect expect;
		bool good;
	} rows[] = {
		{ { VHU_GET_FEATURES, REPLY, 8 }, { VHU_GET_FEATURES, 8 }, true },
		{ { VHU_GET_FEATURES, VHU_VERSION, 8 }, { VHU_GET_FEATURES, 8 }, false },
		{ { VHU_GET_FEATURES, 2 | VHU_FLAG_REPLY, 8 }, { VHU_GET_FEATURES, 8 },
		  false },
		{ { VHU_GET_FEATURES, REPLY, 7 }, { VHU_GET_FEATURES, 8 }, false },
		{ { VHU_GET_FEATURES, REPLY, 0 }, { VHU_GET_FEATURES, 8 }, false },
		{ { VHU_GET_FEATURES, REPLY, UINT32_MAX }, { VHU_GET_FEATURES, 8 },
		  false },
		{ { VHU_GET_QUEUE_NUM, REPLY, 8 }, { VHU_GET_FEATURES, 8 }, false },
		/* A refusal, of this one alone. */
		{ { VHU_GET_CONFIG, REPLY, 0 }, { VHU_GET_CONFIG, 72 }, true },
		{ { VHU_GET_CONFIG, REPLY, 71 }, { VHU_GET_CONFIG, 72 }, false },
		{ { VHU_GET_CONFIG, REPLY, 72 }, { VHU_GET_CONFIG, 72 }, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = NULL;

		assert_int_equal(front_reply_ok(&rows[i].header, &rows[i].expect,
		    &why), rows[i].good);
		assert_int_equal(why == NULL, rows[i].good);
	}
}

static void
events(void **state)
{
	struct vhu_header h = { VHU_BACKEND_CONFIG_CHANGE, VHU_VERSION, 0 };
	const char *why = NULL;

	(void)state;
	assert_true(front_event_ok(&h, &why));
	h.flags |= VHU_FLAG_NEED_REPLY;
	assert_true(front_event_ok(&h, &why));
	h.size = 64;
	assert_true(front_event_ok(&h, &why));
	h.size = 65;
	assert_false(front_event_ok(&h, &why));
	h = (struct vhu_header){ VHU_BACKEND_CONFIG_CHANGE, REPLY, 0 };
	assert_false(front_event_ok(&h, &why));
}

static void
records(void **state)
{
	struct front_inflight r = { 8192, 0, 4, 128 };

	(void)state;
	assert_true(front_inflight_ok(&r, 4, 128));
	assert_false(front_inflight_ok(&r, 5, 128));
	assert_false(front_inflight_ok(&r, 4, 256));
	r.size = 511;
	assert_false(front_inflight_ok(&r, 4, 128));
	r.size = UINT64_MAX;
	assert_false(front_inflight_ok(&r, 4, 128));
	r = (struct front_inflight){ 8192, UINT64_MAX - 100, 4, 128 };
	assert_false(front_inflight_ok(&r, 4, 128));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(events),
		cmocka_unit_test(records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
