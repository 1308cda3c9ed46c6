/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio watchdog, with a real timer of one second at most: what arms it, what
 * switches it off, that time stands still while the queue is held, and its state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/timerfd.h>

#include "device-workers/watchdog/watchdog.h"
#include "tests/unit/device_harness.h"

#define V1 (1ull << VIRTIO_F_VERSION_1)
#define BUFFER 0x20000u

static void
make(void)
{
	Bh__WatchdogConfig watchdog = BH__WATCHDOG_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	const char *why;

	watchdog.seconds = 1;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_WATCHDOG;
	config.watchdog = &watchdog;
	h.expired = 0;
	h.dev.draining = false;
	assert_int_equal(h_start(&watchdog_ops, &config, &why), 0);
	assert_int_equal(h.dev.virtio_id, 35);
	h_activate(V1);
}

/* ms until the timer goes off; 0: it is off. */
static unsigned int
left(void)
{
	struct itimerspec is;

	assert_int_equal(timerfd_gettime(FD_TIMER, &is), 0);
	return (unsigned int)(is.it_value.tv_sec * 1000 +
	    (is.it_value.tv_nsec + 999999) / 1000000);
}

static uint32_t
ping(bool writable)
{
	const struct h_seg seg = { BUFFER, 4, writable };
	uint32_t id, len;

	h.mem[BUFFER] = 9;
	h_add(0, &seg, 1);
	h_kick(0);
	assert_true(h_used(0, &id, &len));
	return len;
}

static void
test_ping(void **state)
{
	(void)state;
	make();
	h_kick(0);
	assert_int_equal(left(), 0);
	assert_int_equal(ping(false), 0);
	assert_int_equal(h.mem[BUFFER], 9);
	assert_int_equal(left(), 0);
	assert_int_equal(ping(true), 1);
	assert_int_equal(h.mem[BUFFER], 1);
	assert_in_range(left(), 1, 1000);
	h_reset();
	assert_int_equal(left(), 0);
}

static void
test_expires(void **state)
{
	const struct h_seg seg = { BUFFER, 1, true };
	uint32_t id, len;

	(void)state;
	make();
	(void)ping(true);
	/* One that nobody has looked at yet counts. */
	h_add(0, &seg, 1);
	assert_true(h_poll(5000));
	assert_int_equal(h.expired, 0);
	assert_true(h_used(0, &id, &len));
	assert_in_range(left(), 1, 1000);
	assert_true(h_poll(5000));
	assert_int_equal(h.expired, 1);
	assert_int_equal(left(), 0);
	/* Once; the next ping arms it again. */
	h_kick(0);
	assert_int_equal(left(), 0);
	(void)ping(true);
	assert_in_range(left(), 1, 1000);
	h_reset();
}

static void
test_held(void **state)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 1 };
	unsigned int before;

	(void)state;
	make();
	(void)ping(true);
	assert_int_equal(h.dev.ops->drain(&h.dev), 0);
	assert_int_equal(left(), 0);
	assert_int_equal(h.dev.ops->drain(&h.dev), 0);
	/* It went off just before: no more than that is known then. */
	assert_int_equal(timerfd_settime(FD_TIMER, 0, &soon, NULL), 0);
	assert_true(h_poll(1000));
	assert_int_equal(h.expired, 0);
	usleep(20000);
	h_kick(0);
	before = left();
	assert_in_range(before, 1, 1000);
	h_kick(0);
	assert_in_range(left(), 1, before);
	h_reset();
}

static void
test_state(void **state)
{
	uint8_t buf[16] = { 0 };

	(void)state;
	make();
	assert_int_equal(h.dev.ops->save(&h.dev, buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], 0);
	(void)ping(true);
	assert_int_equal(h.dev.ops->save(&h.dev, buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], 1);
	assert_int_equal(h.dev.ops->save(&h.dev, buf, 0), 0);
	h_reset();
	make();
	buf[1] = 2;
	assert_int_equal(h.dev.ops->load(&h.dev, 2, buf, 0), -EINVAL);
	assert_int_equal(h.dev.ops->load(&h.dev, 2, buf, 2), -EINVAL);
	assert_int_equal(h.dev.ops->load(&h.dev, 2, buf + 1, 1), -EINVAL);
	assert_int_equal(h.dev.ops->load(&h.dev, 2, buf, 1), 0);
	h_kick(0);
	assert_in_range(left(), 1, 1000);
	h_reset();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ping), cmocka_unit_test(test_expires),
		cmocka_unit_test(test_held), cmocka_unit_test(test_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
