/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 6300ESB's watchdog on a PCI bus, with a real timer: what needs the unlocking
 * bytes, the lock, both ways to run, both speeds, and that a pause is no time.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "vcpu-worker/i6300esb.h"

#define TIMER 60
#define BDF 8u
#define LOW 0xc0000000u
#define CFG_WDT 0x60u
#define CFG_LOCK 0x68u
#define FAST 4u
#define RELOAD 0xcu
#define MAX 0xfffffu

static struct i6300esb w;
static struct pci_host host;
static struct bus ports, mmio;
static bool fired;

static void
no_reset(void *owner)
{
	(void)owner;
}

static void
cfg(uint32_t at, uint32_t value, uint32_t len)
{
	uint8_t data[4];

	bus_put(data, len, value);
	pci_config_write(&w.fn, at, data, len);
}

static uint32_t
cfg_of(uint32_t at, uint32_t len)
{
	uint8_t data[4];

	pci_config_read(&w.fn, at, data, len);
	return (uint32_t)bus_get(data, len);
}

static void
wr(uint32_t at, uint32_t value, uint32_t len)
{
	uint8_t data[8];

	bus_put(data, len, value);
	assert_true(bus_write(&mmio, LOW + at, data, len));
}

static uint32_t
rd(uint32_t at, uint32_t len)
{
	uint8_t data[8];

	assert_true(bus_read(&mmio, LOW + at, data, len));
	return (uint32_t)bus_get(data, len);
}

static void
unlock(void)
{
	wr(RELOAD, 0x80, 2);
	wr(RELOAD, 0x86, 2);
}

static void
put(uint32_t at, uint32_t value, uint32_t len)
{
	unlock();
	wr(at, value, len);
}

/* us until it goes off; 0: it is off. */
static uint64_t
left(void)
{
	struct itimerspec is;

	assert_int_equal(timerfd_gettime(TIMER, &is), 0);
	return (uint64_t)is.it_value.tv_sec * 1000000 +
	    (uint64_t)(is.it_value.tv_nsec + 999) / 1000;
}

/* Wait for the timer, and tell it. */
static bool
wait(void)
{
	struct pollfd pfd = { .fd = TIMER, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, 10000), 1);
	return i6300esb_timer(&w);
}

static int
make(void **state)
{
	const struct pci_window low = { LOW, 1 << 20 }, high = { 0, 0 };

	(void)state;
	memset(&w, 0, sizeof(w));
	memset(&ports, 0, sizeof(ports));
	memset(&mmio, 0, sizeof(mmio));
	pci_host_init(&host, &low, &high, no_reset, NULL);
	assert_true(pci_add_segment(&host, &low));
	i6300esb_pause(&w, true);	/* there is none yet */
	assert_int_equal(pci_host_attach(&host, &ports, &mmio, 0xe8000000, 1 << 20), 0);
	assert_int_equal(i6300esb_add(&w, &host, BDF, TIMER, fired), 0);
	cfg(PCI_CFG_COMMAND, PCI_CMD_MEMORY, 2);
	return 0;
}

static void
test_registers(void **state)
{
	static const uint16_t wrong[][3] = {
		{ 0x86, 0x86, 0x86 }, { 0x80, 0x80, 0x80 }, { 0x86, 0x80, 0 },
		{ 0x80, 0x86, 0x80 }, { 0x80, 0, 0x86 }, { 0x80, 0x87, 0x86 },
	};

	(void)state;
	assert_int_equal(cfg_of(0, 4), 0x25ab8086);
	assert_int_equal(rd(0, 4), MAX);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		for (size_t k = 0; k < 3; k++)
			wr(RELOAD, wrong[i][k], 2);
		wr(0, 1, 4);
		assert_int_equal(rd(0, 4), MAX);
	}
	unlock();
	wr(0, 1, 2);
	assert_int_equal(rd(0, 4), MAX);
	put(0, 0xfffffff0, 4);
	put(4, 0x12345678, 4);
	assert_int_equal(rd(0, 4), 0xffff0);
	assert_int_equal(rd(4, 4), 0x45678);
	for (uint32_t at = 0; at < 16; at++)
		for (uint32_t len = 1; at + len <= 16 && len <= 8; len++) {
			(void)rd(at, len);
			put(at, at == RELOAD ? 0 : MAX, len);
		}
	cfg(CFG_WDT, 0xffffffff, 4);
	assert_int_equal(cfg_of(CFG_WDT, 4), 0x27);
	assert_int_equal(left(), 0);
}

static void
test_stages(void **state)
{
	(void)state;
	put(0, 30, 4);
	put(4, 20, 4);
	put(RELOAD, 0x100, 2);
	assert_int_equal(left(), 0);
	cfg(CFG_LOCK, 2, 1);
	assert_in_range(left(), 1, 30000);
	assert_false(wait());
	assert_in_range(left(), 1, 20000);
	put(RELOAD, 0x100, 2);
	assert_int_equal(w.stage, 1);
	assert_false(wait());
	assert_true(wait());
	assert_int_equal(left(), 0);
	assert_int_equal(rd(RELOAD, 2), 0x200);
	put(RELOAD, 0x200, 2);
	assert_int_equal(rd(RELOAD, 2), 0);
	cfg(CFG_LOCK, 0, 1);
	cfg(CFG_LOCK, 3, 1);
	assert_in_range(left(), 1, 30000);
	/* For good. */
	cfg(CFG_LOCK, 0, 1);
	cfg(CFG_LOCK & ~3u, 0, 4);
	assert_int_equal(cfg_of(CFG_LOCK, 1), 3);
	assert_false(wait());
	assert_true(wait());
}

static void
test_fast(void **state)
{
	(void)state;
	put(0, 0, 4);
	put(4, MAX, 4);
	cfg(CFG_WDT, FAST | 0x20, 2);
	cfg(CFG_LOCK, 2, 1);
	assert_false(wait());
	assert_in_range(left(), 900000, 1016802);
	cfg(CFG_LOCK, 0, 1);
	assert_int_equal(left(), 0);
	/* Free running: the second stage alone; nobody is reset by no output. */
	put(4, 100, 4);
	cfg(CFG_LOCK, 6, 1);
	assert_int_equal(w.stage, 2);
	assert_false(wait());
	assert_int_equal(rd(RELOAD, 2), 0x200);
	assert_int_equal(left(), 0);
}

static void
test_pause(void **state)
{
	uint64_t before;

	(void)state;
	put(0, 10000, 4);
	cfg(CFG_LOCK, 2, 1);
	usleep(2000);
	before = left();
	i6300esb_pause(&w, true);
	i6300esb_pause(&w, true);
	assert_int_equal(left(), 0);
	assert_false(i6300esb_timer(&w));
	usleep(5000);
	i6300esb_pause(&w, false);
	assert_in_range(left(), 1, before);
	/* What a vCPU still did counts from when it goes on. */
	i6300esb_pause(&w, true);
	put(RELOAD, 0x100, 2);
	assert_int_equal(left(), 0);
	i6300esb_pause(&w, false);
	assert_in_range(left(), before, 10000000);
}

static void
test_fired(void **state)
{
	fired = true;
	(void)make(state);
	assert_int_equal(rd(RELOAD, 2), 0x200);
	assert_int_equal(i6300esb_add(&w, &host, BDF, TIMER, true), -EEXIST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_registers, make),
		cmocka_unit_test_setup(test_stages, make),
		cmocka_unit_test_setup(test_fast, make),
		cmocka_unit_test_setup(test_pause, make),
		cmocka_unit_test_setup(test_fired, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
