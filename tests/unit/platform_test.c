/* SPDX-License-Identifier: Apache-2.0 */
/* The clock, the keyboard controller and ACPI's registers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/cmos.h"
#include "arch/x86_64/cpus.h"
#include "arch/x86_64/dimms.h"
#include "arch/x86_64/i8042.h"
#include "tests/unit/fake_hv.h"

static int stops, last_stop;
static uint32_t let_go, plugged;
static bool last_gone;

static void
on_stop(void *owner, enum arch_stop reason)
{
	(void)owner;
	stops++;
	last_stop = (int)reason;
}

static void
on_let_go(void *owner, uint32_t cpu, bool gone)
{
	(void)owner;
	let_go |= 1u << cpu;
	last_gone = gone;
}

static uint32_t dimms_gone, dimms_kept;

static void
on_dimm(void *owner, uint32_t i, bool gone)
{
	(void)owner;
	if (gone)
		dimms_gone |= 1u << i;
	else
		dimms_kept |= 1u << i;
}

static const struct arch_host host = { .stop = on_stop, .let_go = on_let_go,
	.dimm_let_go = on_dimm };

static int
set_up(void **state)
{
	(void)state;
	stops = 0;
	last_stop = -1;
	fake_hv_clear();
	return 0;
}

static uint8_t
in(const struct bus_ops *ops, void *owner, uint64_t offset)
{
	uint8_t v;

	ops->read(owner, offset, &v, 1);
	return v;
}

static void
out(const struct bus_ops *ops, void *owner, uint64_t offset, uint8_t v)
{
	ops->write(owner, offset, &v, 1);
}

static uint32_t
date(struct cmos *c, int64_t now)
{
	return (uint32_t)cmos_clock(c, 0x32, now) << 24 |
	    (uint32_t)cmos_clock(c, 9, now) << 16 |
	    (uint32_t)cmos_clock(c, 8, now) << 8 | cmos_clock(c, 7, now);
}

static void
test_clock(void **state)
{
	struct cmos c;

	(void)state;
	cmos_init(&c, 64 << 20, 0, &host);
	assert_int_equal(date(&c, 0), 0x19700101);
	assert_int_equal(cmos_clock(&c, 6, 0), 5);	/* Thursday */
	/* 2000 was a leap year, 2100 is none. */
	assert_int_equal(date(&c, 951782400), 0x20000229);
	assert_int_equal(date(&c, 951868800), 0x20000301);
	assert_int_equal(date(&c, 4107456000), 0x21000228);
	assert_int_equal(date(&c, 4107542400), 0x21000301);
	assert_int_equal(date(&c, 978307199), 0x20001231);
	/* 2026-11-22 13:05:09 */
	assert_int_equal(date(&c, 1795352709), 0x20261122);
	assert_int_equal(cmos_clock(&c, 4, 1795352709), 0x13);
	assert_int_equal(cmos_clock(&c, 2, 1795352709), 0x05);
	assert_int_equal(cmos_clock(&c, 0, 1795352709), 0x09);
	assert_int_equal(cmos_clock(&c, 6, 1795352709), 1);
	/* Binary, and twelve hours. */
	out(&cmos_ops, &c, 0, 0x0b);
	out(&cmos_ops, &c, 1, 0x04);
	assert_int_equal(cmos_clock(&c, 4, 1795352709), 0x81);
	assert_int_equal(cmos_clock(&c, 4, 0), 12);
	assert_int_equal(cmos_clock(&c, 9, 1795352709), 26);
	/* No update in progress, and the battery is well. */
	out(&cmos_ops, &c, 0, 0x0a);
	assert_int_equal(in(&cmos_ops, &c, 1) & 0x80, 0);
	out(&cmos_ops, &c, 0, 0x0d);
	assert_int_equal(in(&cmos_ops, &c, 1), 0x80);
}

static uint32_t
cmos_pair(struct cmos *c, uint8_t low)
{
	uint32_t v;

	out(&cmos_ops, c, 0, low);
	v = in(&cmos_ops, c, 1);
	out(&cmos_ops, c, 0, (uint8_t)(low + 1));
	return v | (uint32_t)in(&cmos_ops, c, 1) << 8;
}

static void
test_cmos(void **state)
{
	struct cmos c;

	(void)state;
	cmos_init(&c, 3ull << 30, 5ull << 30, &host);
	assert_int_equal(cmos_pair(&c, 0x15), 640);
	assert_int_equal(cmos_pair(&c, 0x30), 0xffff);
	assert_int_equal(cmos_pair(&c, 0x34), (3ull << 30 >> 16) - 256);
	assert_int_equal(cmos_pair(&c, 0x5b), 5ull << 30 >> 16 & 0xffff);
	out(&cmos_ops, &c, 0, 0x0f);
	out(&cmos_ops, &c, 1, 0);
	assert_int_equal(stops, 0);
	out(&cmos_ops, &c, 0, 0x8f);
	out(&cmos_ops, &c, 1, 5);
	assert_int_equal(stops, 0);
	out(&cmos_ops, &c, 1, 0);
	assert_int_equal(last_stop, ARCH_STOP_RESET);
}

static void
test_i8042(void **state)
{
	struct i8042 k;

	(void)state;
	i8042_init(&k, &host);
	assert_int_equal(in(&i8042_ops, &k, 4) & 3, 0);
	out(&i8042_ops, &k, 4, 0xaa);
	assert_int_equal(in(&i8042_ops, &k, 4) & 1, 1);
	assert_int_equal(in(&i8042_ops, &k, 0), 0x55);
	assert_int_equal(in(&i8042_ops, &k, 4) & 1, 0);
	out(&i8042_ops, &k, 4, 0x60);
	out(&i8042_ops, &k, 0, 0x47);
	out(&i8042_ops, &k, 4, 0x20);
	assert_int_equal(in(&i8042_ops, &k, 0), 0x47);
	/* No keyboard answers. */
	out(&i8042_ops, &k, 0, 0xff);
	assert_int_equal(in(&i8042_ops, &k, 0), 0xfe);
	/* Port B toggles. */
	assert_int_not_equal(in(&i8042_ops, &k, 1), in(&i8042_ops, &k, 1));
	assert_int_equal(stops, 0);
	out(&i8042_ops, &k, 4, 0xd1);
	out(&i8042_ops, &k, 0, 0xdf);
	assert_int_equal(stops, 0);
	out(&i8042_ops, &k, 4, 0xd1);
	out(&i8042_ops, &k, 0, 0xde);
	assert_int_equal(stops, 1);
	out(&i8042_ops, &k, 4, 0xfe);
	assert_int_equal(stops, 2);
	assert_int_equal(last_stop, ARCH_STOP_RESET);
}

static void
test_acpi(void **state)
{
	struct ioapic ioapic;
	struct acpi a;
	uint8_t t0[4], t1[4];

	(void)state;
	ioapic_init(&ioapic, NULL);
	ioapic.entry[LAYOUT_GSI_GED] = 0x30;	/* edge, vector 0x30 */
	acpi_init(&a, &ioapic, &host);
	acpi_ops.read(&a, 8, t0, 4);
	do {
		acpi_ops.read(&a, 8, t1, 4);
	} while (bus_get(t0, 4) == bus_get(t1, 4));
	assert_true((uint32_t)(bus_get(t1, 4) - bus_get(t0, 4)) < 3579545);
	/* An event is read once; a second one interrupts again. */
	acpi_notify(&a, LAYOUT_GED_POWER_BUTTON);
	acpi_notify(&a, LAYOUT_GED_POWER_BUTTON);
	assert_int_equal(fake_hv.nmsis, 2);
	assert_int_equal(in(&acpi_ops, &a, 4), LAYOUT_GED_POWER_BUTTON);
	assert_int_equal(in(&acpi_ops, &a, 4), 0);
	acpi_notify(&a, LAYOUT_GED_POWER_BUTTON);
	assert_int_equal(fake_hv.nmsis, 3);
	/* Other sleep states are none, nor is S5 without the enable bit. */
	out(&acpi_ops, &a, 0, 1 << 5 | 3 << 2);
	out(&acpi_ops, &a, 0, LAYOUT_ACPI_S5 << 2);
	out(&acpi_ops, &a, 1, 0);
	assert_int_equal(stops, 0);
	out(&acpi_ops, &a, 0, 1 << 5 | LAYOUT_ACPI_S5 << 2);
	assert_int_equal(last_stop, ARCH_STOP_SHUTDOWN);
	out(&acpi_ops, &a, 1, LAYOUT_ACPI_RESET_VALUE);
	assert_int_equal(last_stop, ARCH_STOP_RESET);
	assert_int_equal(stops, 2);
}

static void
on_plug(void *arg, uint32_t cpu)
{
	(void)arg;
	plugged |= 1u << cpu;
}

static uint8_t
cpu_state(struct cpus *c, uint32_t cpu)
{
	uint8_t select[4];

	bus_put(select, 4, cpu);
	cpus_ops.write(c, 0, select, 4);
	return in(&cpus_ops, c, 4);
}

static void
test_cpus_come_and_go(void **state)
{
	static struct cpus c;

	(void)state;
	let_go = plugged = 0;
	cpus_init(&c, 2, 4, &host);
	assert_int_equal(cpus_count(&c), 2);
	assert_false(cpus_resize(&c, 2, on_plug, NULL));
	assert_true(cpus_resize(&c, 4, on_plug, NULL));
	assert_int_equal(plugged, 0xc);
	assert_int_equal(cpu_state(&c, 1), CPUS_PRESENT);
	assert_int_equal(cpu_state(&c, 3), CPUS_PRESENT | CPUS_INSERTED);
	out(&cpus_ops, &c, 4, CPUS_INSERTED);
	assert_int_equal(cpu_state(&c, 3), CPUS_PRESENT);
	/* The highest ones go, when the guest likes. */
	assert_true(cpus_resize(&c, 2, on_plug, NULL));
	assert_true(cpus_leaving(&c));
	assert_int_equal(cpus_count(&c), 4);
	assert_int_equal(cpu_state(&c, 1), CPUS_PRESENT);
	assert_int_equal(cpu_state(&c, 3), CPUS_PRESENT | CPUS_REMOVE);
	out(&cpus_ops, &c, 4, CPUS_REMOVE);
	assert_int_equal(cpu_state(&c, 3), CPUS_PRESENT);
	assert_true(cpus_leaving(&c));
	out(&cpus_ops, &c, 4, CPUS_EJECT);
	assert_int_equal(let_go, 1 << 3);
	assert_true(last_gone && cpus_leaving(&c));
	/* One that comes before it was started is not to be started any more. */
	assert_int_equal(cpu_state(&c, 2), CPUS_PRESENT | CPUS_INSERTED |
	    CPUS_REMOVE);
	out(&cpus_ops, &c, 4, CPUS_REFUSE);
	assert_true(!last_gone && !cpus_leaving(&c));
	assert_int_equal(cpu_state(&c, 2), CPUS_PRESENT | CPUS_INSERTED);
	assert_int_equal(cpus_count(&c), 3);
}

static void
test_cpus_played_with(void **state)
{
	static struct cpus c;
	uint8_t wide[8];

	(void)state;
	let_go = 0;
	cpus_init(&c, 3, 4, &host);
	for (uint32_t value = 0; value < 256; value++)
		for (uint32_t cpu = 0; cpu < 6; cpu++) {
			(void)cpu_state(&c, cpu);
			out(&cpus_ops, &c, 4, (uint8_t)(value & ~CPUS_EJECT));
			for (uint64_t at = 1; at < 5; at++) {
				cpus_ops.read(&c, at, wide, 1);
				out(&cpus_ops, &c, at, 0);
			}
		}
	assert_int_equal(cpus_count(&c), 3);
	assert_int_equal(let_go, 0);
	/* Neither the first, nor one that is not there, nor one that cannot be. */
	assert_int_equal(cpu_state(&c, 0), CPUS_PRESENT);
	out(&cpus_ops, &c, 4, 0xff);
	assert_int_equal(cpu_state(&c, 3), 0);
	out(&cpus_ops, &c, 4, 0xff);
	assert_int_equal(cpu_state(&c, CPUS_MAX + 1), 0);
	out(&cpus_ops, &c, 4, 0xff);
	assert_int_equal(cpu_state(&c, UINT32_MAX), 0);
	out(&cpus_ops, &c, 4, 0xff);
	assert_int_equal(let_go, 0);
	/* Its own it may let go unasked. */
	assert_int_equal(cpu_state(&c, 1), CPUS_PRESENT);
	out(&cpus_ops, &c, 4, CPUS_EJECT);
	out(&cpus_ops, &c, 4, CPUS_EJECT);
	assert_int_equal(let_go, 1 << 1);
	assert_int_equal(cpus_count(&c), 2);
	plugged = 0;
	assert_true(cpus_resize(&c, 3, on_plug, NULL));
	assert_int_equal(plugged, 1 << 1);
}

static uint8_t
dimm_state(struct dimms *d, uint32_t i)
{
	uint8_t data[4], state;

	bus_put(data, 4, i);
	dimms_ops.write(d, 0, data, 4);
	dimms_ops.read(d, 4, &state, 1);
	return state;
}

static uint32_t
dimm_reg(struct dimms *d, uint64_t at)
{
	uint8_t data[4];

	dimms_ops.read(d, at, data, 4);
	return (uint32_t)bus_get(data, 4);
}

static void
test_dimms(void **state)
{
	static struct dimms d;

	(void)state;
	dimms_gone = dimms_kept = 0;
	/* Those of the boot are there before the platform is. */
	assert_int_equal(dimms_add(&d, 0, 1ull << 32, 128 << 20, false), 0);
	dimms_init(&d, &host);
	assert_int_equal(dimms_add(&d, 0, 1ull << 33, 128 << 20, true), -EEXIST);
	assert_int_equal(dimms_add(&d, LAYOUT_DIMMS, 0, 1, true), -EINVAL);
	assert_int_equal(dimms_add(&d, 2, 5ull << 32 | 0x8000000, 6ull << 32, true), 0);
	assert_int_equal(dimm_state(&d, 0), DIMMS_PRESENT);
	assert_int_equal(dimm_state(&d, 1), 0);
	assert_int_equal(dimm_state(&d, 2), DIMMS_PRESENT | DIMMS_INSERTED);
	assert_int_equal(dimm_reg(&d, 8), 0x8000000);
	assert_int_equal(dimm_reg(&d, 12), 5);
	assert_int_equal(dimm_reg(&d, 16), 0);
	assert_int_equal(dimm_reg(&d, 20), 6);
	out(&dimms_ops, &d, 4, DIMMS_INSERTED | DIMMS_REFUSE);
	assert_int_equal(dimm_state(&d, 2), DIMMS_PRESENT);
	assert_int_equal(dimms_kept, 0);
	assert_int_equal(dimms_ask(&d, 1), -ENOENT);
	assert_int_equal(dimms_ask(&d, LAYOUT_DIMMS), -EINVAL);
	assert_int_equal(dimms_ask(&d, 2), 0);
	assert_int_equal(dimms_ask(&d, 2), -EBUSY);
	assert_int_equal(dimm_state(&d, 2), DIMMS_PRESENT | DIMMS_REMOVE);
	out(&dimms_ops, &d, 4, DIMMS_REFUSE);
	assert_int_equal(dimm_state(&d, 2), DIMMS_PRESENT);
	assert_int_equal(dimms_kept, 1 << 2);
	assert_int_equal(dimms_ask(&d, 2), 0);
	out(&dimms_ops, &d, 4, DIMMS_REMOVE | DIMMS_EJECT | DIMMS_REFUSE);
	assert_int_equal(dimm_state(&d, 2), 0);
	assert_int_equal(dimms_gone, 1 << 2);
	/* Twice is once; what is not there cannot be let go. */
	dimms_gone = 0;
	out(&dimms_ops, &d, 4, 0xff);
	(void)dimm_state(&d, LAYOUT_DIMMS);
	out(&dimms_ops, &d, 4, 0xff);
	assert_int_equal(dimm_reg(&d, 8), 0);
	(void)dimm_state(&d, UINT32_MAX);
	out(&dimms_ops, &d, 4, 0xff);
	assert_int_equal(dimms_gone, 0);
	for (uint64_t at = 0; at < DIMMS_WINDOW; at++)
		(void)dimm_reg(&d, at);
	assert_int_equal(dimms_add(&d, 2, 1ull << 33, 128 << 20, true), 0);
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_clock), T(test_cmos), T(test_i8042), T(test_acpi),
		T(test_cpus_come_and_go), T(test_cpus_played_with), T(test_dimms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
