// SPDX-License-Identifier: Apache-2.0
/*
 * bulkhead-test-vcpu VCPU-WORKER: the shipped vcpu-worker in its jail, with
 * guests of a few instructions on this machine's own KVM. Prints TAP.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arch/x86_64/layout.h"
#include "tests/native/vcpu_drive.h"

static const char *program;

#define REASON(name) ((int)BH__STOP_REASON__STOP_REASON_##name)

/* Start a worker with @vcpus and the code that is in @d so far follows. */
static bool
prepare(struct drive *d, uint32_t vcpus)
{
	return drive_start(d, program) && drive_configure(d, vcpus);
}

static void
test_serial(void)
{
	struct drive d;
	uint8_t got[16];
	size_t n;

	drive_check(prepare(&d, 1), &d, "a VM is created");
	asm_out8(&d, LAYOUT_PORT_COM1, 'h');
	asm_out8(&d, LAYOUT_PORT_COM1, 'i');
	asm_out8(&d, LAYOUT_PORT_POST, 0x42);
	asm_out8(&d, LAYOUT_PORT_DEBUGCON, 'd');
	asm_out8(&d, 0x5000, 0);
	asm_power_off(&d);
	drive_check(drive_run(&d), &d, "it runs under its filter");
	drive_check(drive_await_stop(&d) && d.reason == REASON(SHUTDOWN), &d,
	    "S5 is a shutdown");
	n = bytering_get(&d.serial_out, got, sizeof(got));
	drive_check(n == 2 && memcmp(got, "hi", 2) == 0, &d, "COM1's bytes came");
	drive_check(drive_readable(d.to_far), &d, "the far end was signalled");
	n = bytering_get(&d.debug_out, got, sizeof(got));
	drive_check(n == 1 && got[0] == 'd', &d, "the debug console's byte came");
	drive_check(d.log_lines == 1 && strstr(d.log, "port 0x5000") != NULL, &d,
	    "an unknown port is one line");
	drive_check(drive_quit(&d) == 0, &d, "Quit after the stop ends with 0");
	drive_end(&d);
}

static void
test_echo(void)
{
	const uint64_t one = 1;
	struct drive d;
	uint8_t got[4] = { 0 };

	prepare(&d, 1);
	asm_await_in8(&d, LAYOUT_PORT_COM1 + 5, 1, 1);
	/* in al, dx from RBR; out to THR */
	asm_bytes(&d, "\xba\xf8\x03\x00\x00\xec\xee", 7);
	asm_power_off(&d);
	drive_run(&d);
	bytering_put(&d.serial_in, "q", 1);
	if (write(d.to_guest, &one, sizeof(one)) < 0)
		return;
	drive_check(drive_await_stop(&d) &&
	    bytering_get(&d.serial_out, got, 4) == 1 && got[0] == 'q', &d,
	    "a byte typed at COM1 comes back");
	drive_quit(&d);
	drive_end(&d);
}

static void
test_stops(void)
{
	struct drive d;

	prepare(&d, 1);
	asm_out8(&d, 0x64, 0xfe);
	asm_spin(&d);
	drive_run(&d);
	drive_check(drive_await_stop(&d) && d.reason == REASON(RESET), &d,
	    "the keyboard controller resets");
	drive_check(drive_quit(&d) == 0, &d, "and the worker ends with 0");
	drive_end(&d);

	prepare(&d, 1);
	/* lidt of nothing, then a selector that is none: no handler, and no
	 * handler for that. */
	asm_bytes(&d, "\x0f\x01\x1d\x00\x00\x20\x00", 7);
	asm_bytes(&d, "\xb8\x00\x10\x00\x00\x8e\xd8", 7);
	asm_spin(&d);
	drive_run(&d);
	drive_check(drive_await_stop(&d) && (d.reason == REASON(TRIPLE_FAULT)), &d,
	    "a triple fault is one");
	drive_quit(&d);
	drive_end(&d);

	prepare(&d, 1);
	asm_out8(&d, LAYOUT_PORT_ACPI_RESET, LAYOUT_ACPI_RESET_VALUE);
	asm_spin(&d);
	drive_run(&d);
	drive_check(drive_await_stop(&d) && d.reason == REASON(RESET), &d,
	    "ACPI's reset register resets");
	drive_quit(&d);
	drive_end(&d);
}

static void
test_quit(void)
{
	struct drive d;

	prepare(&d, 1);
	asm_spin(&d);
	drive_run(&d);
	usleep(20000);
	drive_check(drive_quit(&d) == 0, &d, "Quit stops a vCPU that spins");
	drive_end(&d);

	prepare(&d, 1);
	asm_bytes(&d, "\xf4\xeb\xfd", 3);	/* hlt; jmp to it */
	drive_run(&d);
	usleep(20000);
	drive_check(drive_quit(&d) == 0, &d, "... one that halts");
	drive_end(&d);

	prepare(&d, 8);
	asm_power_off(&d);
	drive_check(drive_run(&d) && drive_await_stop(&d), &d,
	    "... and seven that were never started");
	drive_check(drive_quit(&d) == 0, &d, "with 0");
	drive_end(&d);

	drive_start(&d, program);
	drive_check(drive_quit(&d) == 0, &d, "Quit before the configuration");
	drive_end(&d);
}

static void
test_power_button(void)
{
	struct drive d;

	prepare(&d, 1);
	asm_out8(&d, LAYOUT_PORT_COM1, '.');
	asm_await_in8(&d, LAYOUT_PORT_GED, LAYOUT_GED_POWER_BUTTON,
	    LAYOUT_GED_POWER_BUTTON);
	asm_power_off(&d);
	drive_run(&d);
	drive_check(drive_readable(d.to_far) && !d.stopped, &d,
	    "the guest waits for the power button");
	drive_power_button(&d);
	drive_check(drive_await_stop(&d) && d.reason == REASON(SHUTDOWN), &d,
	    "and sees it");
	drive_quit(&d);
	drive_end(&d);
}

static void
test_memory(void)
{
	struct drive d;

	prepare(&d, 1);
	asm_await8(&d, 0x2000000, 0xff, 0x5a);
	asm_power_off(&d);
	d.ram[0x1000] = 0x5a;
	drive_run(&d);
	drive_check(!drive_remove_memory(&d, 7) && d.failed == ENOENT, &d,
	    "a region that is not there is not removed");
	drive_check(drive_add_memory(&d, 1, 0x3000000, 0x10000), &d,
	    "memory is added under the filter");
	drive_check(drive_remove_memory(&d, 1), &d, "and removed");
	/* RAM again, 0x1000 further up; its byte ends the guest. */
	memmove(d.ram, d.ram + 0x1000, 1);
	drive_check(drive_add_memory(&d, 1, 0x2000000, 0x10000), &d, "and added");
	drive_check(drive_await_stop(&d), &d, "where the guest sees it");
	drive_quit(&d);
	drive_end(&d);
}

/* ---- A device ---- */

#define BDF (3 << 3)
#define CONFIG_SPACE ((uint32_t)LAYOUT_ECAM + ((uint32_t)BDF << 12))
#define BAR ((uint32_t)LAYOUT_MMIO32)
#define STATUS (BAR + 0x14)

/* The driver's start, with queue 0 at 0x200000, up to DRIVER_OK. */
static void
asm_driver(struct drive *d)
{
	asm_write(d, CONFIG_SPACE + 4, 0x6, 16);
	asm_write(d, STATUS, 0, 8);
	asm_await8(d, STATUS, 0xff, 0);
	asm_write(d, STATUS, 1, 8);
	asm_write(d, STATUS, 3, 8);
	asm_write(d, BAR + 8, 1, 32);
	asm_write(d, BAR + 0xc, 1, 32);		/* VERSION_1 */
	asm_write(d, STATUS, 0xb, 8);
	asm_await8(d, STATUS, 0xff, 0xb);
	asm_write(d, BAR + 0x16, 0, 16);
	asm_write(d, BAR + 0x18, 16, 16);
	asm_write(d, BAR + 0x20, 0x200000, 32);
	asm_write(d, BAR + 0x28, 0x201000, 32);
	asm_write(d, BAR + 0x30, 0x202000, 32);
	asm_write(d, BAR + 0x1c, 1, 16);
	asm_write(d, STATUS, 0xf, 8);
}

static bool
activated(struct drive_device *dev)
{
	struct chan_msg msg;
	const Bh__Activate *a;
	bool ok;

	if (!drive_bus_recv(dev, &msg))
		return false;
	a = msg.packet->activate;
	ok = msg.packet->body_case == BH__PACKET__BODY_ACTIVATE &&
	    a->features == 1ull << 32 && a->n_queues == 1 &&
	    a->queues[0]->index == 0 && a->queues[0]->size == 16 &&
	    a->queues[0]->desc == 0x200000 && a->queues[0]->avail == 0x201000 &&
	    a->queues[0]->used == 0x202000;
	ok = ok && chan_send_ack(&dev->bus, msg.packet->seq) == 0;
	chan_done(&msg);
	return ok;
}

/* What the guest waits for by asm_go(). */
static void
go(struct drive *d)
{
	const uint64_t one = 1;

	bytering_put(&d->serial_in, "g", 1);
	if (write(d->to_guest, &one, sizeof(one)) < 0)
		perror("eventfd");
}

static void
asm_go(struct drive *d)
{
	asm_await_in8(d, LAYOUT_PORT_COM1 + 5, 1, 1);
}

static void
test_two_at_one_address(void)
{
	struct drive_device dev, second;
	struct drive d;

	prepare(&d, 1);
	drive_check(drive_add_device(&d, &dev, 0, BDF, 2), &d, "a device is added");
	drive_check(!drive_add_device(&d, &second, 1, BDF, 2) && d.failed == EEXIST,
	    &d, "but not two at one address");
	drive_end(&d);
	drive_close_device(&dev, 2);
	drive_close_device(&second, 2);
}

static void
test_device(void)
{
	struct drive_device dev;
	struct chan_msg msg;
	struct drive d;

	prepare(&d, 1);
	asm_driver(&d);
	asm_write(&d, BAR + 0x2004, 0xa5a5a5a5, 32);	/* configuration */
	asm_write(&d, BAR + 0x3000, 0, 16);		/* kick */
	asm_go(&d);
	asm_write(&d, STATUS, 0, 8);
	asm_out8(&d, LAYOUT_PORT_COM1, 'r');
	asm_await8(&d, STATUS, 0xff, 0);
	asm_power_off(&d);
	drive_add_device(&d, &dev, 0, BDF, 2);
	drive_check(drive_run(&d), &d, "a VM with a device runs");
	drive_check(activated(&dev), &d, "DRIVER_OK activates it");
	drive_check(drive_readable(dev.kick[0]), &d, "a notify kicks it");
	drive_check(drive_bus_recv(&dev, &msg) && msg.packet->body_case ==
	    BH__PACKET__BODY_WRITE_CONFIG &&
	    msg.packet->write_config->offset == 4 &&
	    msg.packet->write_config->data.len == 4, &d,
	    "a configuration write is posted");
	go(&d);
	drive_check(drive_bus_recv(&dev, &msg) && msg.packet->body_case ==
	    BH__PACKET__BODY_RESET_DEVICE, &d, "a reset is posted");
	drive_check(drive_readable(d.to_far) && !d.stopped, &d,
	    "and holds no vCPU up");
	chan_send_ack(&dev.bus, msg.packet->seq);
	drive_check(drive_await_stop(&d), &d, "its answer makes the status 0");
	drive_check(drive_quit(&d) == 0, &d, "the worker ends with 0");
	drive_end(&d);
	drive_close_device(&dev, 2);
}

static void
test_hangup(void)
{
	struct drive_device dev;
	struct chan_msg msg;
	struct drive d;

	prepare(&d, 1);
	asm_driver(&d);
	asm_await8(&d, STATUS, 0x40, 0x40);
	asm_await8(&d, BAR + 0x2002, 0xff, 3);		/* its configuration */
	asm_write(&d, STATUS, 0, 8);
	asm_await8(&d, STATUS, 0xff, 0);
	asm_power_off(&d);
	drive_add_device(&d, &dev, 0, BDF, 1);
	drive_run(&d);
	drive_check(activated(&dev), &d, "a device is active");
	close(dev.bus.fd);
	drive_check(drive_replace_device(&d, &dev, 0, 1), &d,
	    "its worker dies, and another comes");
	drive_check(drive_bus_recv(&dev, &msg) && msg.packet->body_case ==
	    BH__PACKET__BODY_ACTIVATE && msg.packet->activate->resume &&
	    msg.packet->activate->n_queues == 1, &d,
	    "which is told to go on with the rings");
	chan_done(&msg);
	drive_check(!drive_replace_device(&d, &dev, 0, 0), &d,
	    "one that is another device is refused");
	drive_check(drive_lose_device(&d, 0), &d, "the device is lost");
	drive_check(drive_await_stop(&d) && d.reason == REASON(SHUTDOWN), &d,
	    "then the guest sees NEEDS_RESET and goes on");
	drive_quit(&d);
	drive_end(&d);
	drive_close_device(&dev, 1);
}

int
main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	program = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_serial();
	test_echo();
	test_stops();
	test_quit();
	test_power_button();
	test_memory();
	test_two_at_one_address();
	test_device();
	test_hangup();
	return drive_checked();
}
