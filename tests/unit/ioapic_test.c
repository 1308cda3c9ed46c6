/* SPDX-License-Identifier: Apache-2.0 */
/* The IOAPIC, with a hypervisor that takes notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/x86_64/ioapic.h"
#include "tests/unit/fake_hv.h"

#define MASKED (1u << 16)
#define LEVEL (1u << 15)
#define REMOTE_IRR (1u << 14)

static struct ioapic io;

static void
wr(uint64_t offset, uint32_t value)
{
	uint8_t data[4];

	bus_put(data, 4, value);
	ioapic_ops.write(&io, offset, data, 4);
}

static uint32_t
reg(uint8_t index)
{
	uint8_t data[4];

	wr(0, index);
	ioapic_ops.read(&io, 0x10, data, 4);
	return (uint32_t)bus_get(data, 4);
}

static void
set_reg(uint8_t index, uint32_t value)
{
	wr(0, index);
	wr(0x10, value);
}

static void
program(uint8_t pin, uint32_t low, uint32_t high)
{
	set_reg((uint8_t)(0x11 + 2 * pin), high);
	set_reg((uint8_t)(0x10 + 2 * pin), low);
}

static int
set_up(void **state)
{
	(void)state;
	fake_hv_clear();
	ioapic_init(&io, NULL);
	return 0;
}

static void
test_registers(void **state)
{
	(void)state;
	assert_int_equal(reg(1), 0x170011);
	assert_int_equal(reg(0x10), MASKED);
	assert_int_equal(reg(0x3f), 0);
	assert_int_equal(reg(0x40), 0xffffffff);
	set_reg(0x40, 0);
	set_reg(0xff, 0);
	set_reg(0, 0x0f000000);
	assert_int_equal(reg(0), 0x0f000000);
	/* Read-only and reserved bits stay. */
	set_reg(0x10, 0xffffffff);
	assert_int_equal(reg(0x10), 0x1afff);
	set_reg(0x11, 0xffffffff);
	assert_int_equal(reg(0x11), 0xfffe0000);
}

static void
test_edge(void **state)
{
	(void)state;
	ioapic_line(&io, 4, true);
	ioapic_line(&io, 4, false);
	assert_int_equal(fake_hv.nmsis, 0);
	program(4, 0x0831, 0x03000000);	/* logical, to 3 */
	ioapic_line(&io, 4, true);
	assert_int_equal(fake_hv.nmsis, 1);
	assert_int_equal(fake_hv.last_msi.addr, 0xfee03004);
	assert_int_equal(fake_hv.last_msi.data, 0x31);
	ioapic_line(&io, 4, true);
	assert_int_equal(fake_hv.nmsis, 1);
	ioapic_line(&io, 4, false);
	ioapic_line(&io, 4, true);
	assert_int_equal(fake_hv.nmsis, 2);
	/* Edges need no route, and have no end. */
	assert_int_equal(fake_hv.commits, 0);
	ioapic_eoi(&io, 0x31);
	assert_int_equal(fake_hv.nmsis, 2);
	/* An edge at a masked pin is lost. */
	program(4, 0x31 | MASKED, 0);
	ioapic_line(&io, 4, false);
	ioapic_line(&io, 4, true);
	program(4, 0x31, 0);
	assert_int_equal(fake_hv.nmsis, 2);
	ioapic_line(&io, LAYOUT_IOAPIC_PINS, true);
	ioapic_line(&io, UINT32_MAX, true);
}

static void
test_level(void **state)
{
	(void)state;
	program(9, 0x40 | LEVEL, 0);
	assert_true(fake_hv.has_route[9]);
	assert_int_equal(fake_hv.route[9].data, 0xc040);
	ioapic_line(&io, 9, true);
	assert_int_equal(fake_hv.nmsis, 1);
	assert_true((reg(0x22) & REMOTE_IRR) != 0);
	/* Not again until the guest has ended it; then, while it is high. */
	ioapic_line(&io, 9, false);
	ioapic_line(&io, 9, true);
	assert_int_equal(fake_hv.nmsis, 1);
	ioapic_eoi(&io, 0x41);
	assert_int_equal(fake_hv.nmsis, 1);
	ioapic_eoi(&io, 0x40);
	assert_int_equal(fake_hv.nmsis, 2);
	ioapic_line(&io, 9, false);
	ioapic_eoi(&io, 0x40);
	assert_int_equal(fake_hv.nmsis, 2);
	assert_int_equal(reg(0x22) & REMOTE_IRR, 0);
	/* High while masked: delivered when it is unmasked. */
	program(9, 0x40 | LEVEL | MASKED, 0);
	assert_false(fake_hv.has_route[9]);
	ioapic_line(&io, 9, true);
	assert_int_equal(fake_hv.nmsis, 2);
	program(9, 0x40 | LEVEL, 0);
	assert_int_equal(fake_hv.nmsis, 3);
	/* The way through edge clears a stuck remote IRR. */
	program(9, 0x40, 0);
	assert_int_equal(reg(0x22) & REMOTE_IRR, 0);
	assert_false(fake_hv.has_route[9]);
}

static void
test_wide_target(void **state)
{
	(void)state;
	/* Target 0x1234: bits 0-7 at 56, 8-14 at 49. */
	program(5, 0x55, 0x34000000 | 0x12u << 17);
	ioapic_line(&io, 5, true);
	assert_int_equal(fake_hv.last_msi.addr,
	    0xfee00000 | 0x34 << 12 | 0x12 << 5);
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_registers), T(test_edge), T(test_level),
		T(test_wide_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
