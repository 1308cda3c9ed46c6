/* SPDX-License-Identifier: Apache-2.0 */
/* The bus table: who answers where, and where nobody does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vcpu-worker/bus.h"

static struct bus bus;
static int names[64];
static void *last_owner;
static uint64_t last_offset;

static void
note_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	last_owner = owner;
	last_offset = offset;
	memset(data, 0x11, len);
}

static void
note_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	(void)data;
	(void)len;
	last_owner = owner;
	last_offset = offset;
}

static const struct bus_ops ops = { .read = note_read, .write = note_write };

static int
add(uint64_t base, uint64_t size, int name)
{
	return bus_add(&bus, base, size, &ops, &names[name]);
}

/* Who answers @len bytes at @addr: a name, or -1. */
static int
who(uint64_t addr, uint32_t len)
{
	uint8_t data[8] = { 0 };
	bool read = bus_read(&bus, addr, data, len);

	assert_int_equal(bus_write(&bus, addr, data, len), read);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(data[i], read ? 0x11 : 0xff);
	return read ? (int)((int *)last_owner - names) : -1;
}

static int
set_up(void **state)
{
	(void)state;
	memset(&bus, 0, sizeof(bus));
	return 0;
}

static void
test_lookup(void **state)
{
	(void)state;
	assert_int_equal(who(0, 1), -1);
	/* In no order. */
	assert_int_equal(add(0x1000, 0x100, 1), 0);
	assert_int_equal(add(0x10, 1, 2), 0);
	assert_int_equal(add(UINT64_MAX - 7, 8, 3), 0);
	assert_int_equal(add(0x1100, 0x10, 4), 0);
	assert_int_equal(add(0, 8, 5), 0);
	assert_int_equal(who(0, 8), 5);
	assert_int_equal(who(8, 1), -1);
	assert_int_equal(who(0xf, 1), -1);
	assert_int_equal(who(0x10, 1), 2);
	assert_int_equal(who(0x10, 2), -1);
	assert_int_equal(who(0x11, 1), -1);
	assert_int_equal(who(0xfff, 1), -1);
	assert_int_equal(who(0x10fc, 4), 1);
	assert_int_equal(last_offset, 0xfc);
	/* Over an edge, also to a neighbour: nobody's. */
	assert_int_equal(who(0x10fe, 4), -1);
	assert_int_equal(who(0xffe, 4), -1);
	assert_int_equal(who(0x1100, 1), 4);
	assert_int_equal(who(UINT64_MAX, 1), 3);
	assert_int_equal(last_offset, 7);
	assert_int_equal(who(UINT64_MAX, 2), -1);
}

static void
test_refused(void **state)
{
	(void)state;
	assert_int_equal(add(0x100, 0x100, 1), 0);
	assert_int_equal(add(0x100, 0x100, 2), -EEXIST);
	assert_int_equal(add(0x1ff, 1, 2), -EEXIST);
	assert_int_equal(add(0xff, 2, 2), -EEXIST);
	assert_int_equal(add(0, UINT64_MAX, 2), -EEXIST);
	assert_int_equal(add(0x300, 0, 2), -EINVAL);
	assert_int_equal(add(UINT64_MAX, 2, 2), -EINVAL);
	assert_int_equal(bus.nwindows, 1);
	for (uint32_t i = 1; i < BUS_MAX_WINDOWS; i++)
		assert_int_equal(add(0x1000 * i, 1, 3), 0);
	assert_int_equal(add(0x900000, 1, 3), -ENOSPC);
	for (uint32_t i = 1; i < BUS_MAX_WINDOWS; i++)
		assert_int_equal(who(0x1000 * i, 1), 3);
}

static void
test_values(void **state)
{
	uint8_t data[8];

	(void)state;
	bus_put(data, 8, 0x1122334455667788);
	assert_int_equal(data[0], 0x88);
	assert_int_equal(bus_get(data, 8), 0x1122334455667788);
	assert_int_equal(bus_get(data, 2), 0x7788);
	bus_put(data, 3, 0);
	assert_int_equal(bus_get(data, 4), 0x55000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lookup, set_up),
		cmocka_unit_test_setup(test_refused, set_up),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
