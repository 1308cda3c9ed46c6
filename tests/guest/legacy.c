/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small old devices, and places where nothing is: PM timer, CMOS, debug
 * ports, i8042, unknown ports and addresses. Writes "debug bytes" to port 0xe9
 * for the runner.
 */
#include "lib/guest.h"

static uint8_t cmos(uint8_t reg)
{
	outb(LAYOUT_PORT_CMOS, reg);
	return inb(LAYOUT_PORT_CMOS + 1);
}

static uint32_t from_bcd(uint8_t v)
{
	return (v >> 4) * 10u + (v & 15u);
}

static void pm_timer(void)
{
	uint32_t a = inl(LAYOUT_PORT_PM_TIMER), b = a;

	begin("pm-timer");
	for (unsigned int i = 0; i < 100000 && b == a; i++)
		b = inl(LAYOUT_PORT_PM_TIMER);
	check(b != a);
	check(b - a < 0x800000);
	end();
}

static void rtc(void)
{
	uint8_t s = cmos(0), format = cmos(0x0b), year, month;

	begin("rtc");
	year = cmos(9);
	month = cmos(8);
	if (!(format & 4)) {
		s = (uint8_t)from_bcd(s);
		year = (uint8_t)from_bcd(year);
		month = (uint8_t)from_bcd(month);
	}
	check(s < 60);
	check(year >= 25 && year < 100);
	check(month >= 1 && month <= 12);
	for (unsigned int r = 0; r < 128; r++)
		(void)cmos((uint8_t)r);
	print("# year %u month %u\n", year, month);
	end();
}

static void debug_ports(void)
{
	begin("debug-ports");
	for (const char *p = "debug bytes\n"; *p; p++)
		outb(LAYOUT_PORT_DEBUGCON, (uint8_t)*p);
	for (unsigned int i = 0; i < 300; i++)
		outb(LAYOUT_PORT_POST, (uint8_t)i);
	end();
}

static void nothing_there(void)
{
	begin("unknown-ports");
	for (uint32_t p = 0x1000; p < 0x1100; p++) {
		check_eq(inb((uint16_t)p), 0xff);
		outb((uint16_t)p, 0);
	}
	check_eq(inw(0x2000), 0xffff);
	check_eq(inl(0x2000), 0xffffffff);
	check_eq(inb(0x2f8 + 5), 0xff);		/* no COM2 */
	outl(0xfffc, 0x12345678);
	/* Widths that a device does not have. */
	(void)inl(LAYOUT_PORT_COM1);
	(void)inw(LAYOUT_PORT_CMOS);
	(void)inl(0x64);
	(void)inb(LAYOUT_PORT_PM_TIMER + 3);
	(void)inl(LAYOUT_PORT_GED);
	check_eq(inb(0x64) & 1, 0);		/* i8042: nothing to read */
	outb(0x64, 0xaa);
	outb(0x60, 0xed);
	end();

	begin("unknown-addresses");
	check_eq(read32(0xdffffff0), 0xffffffff);
	check_eq(read8(0xdfffffff), 0xff);
	check_eq(read16(0xdffffffe), 0xffff);
	write32(0xdffffff0, 1);
	check_eq(read32(0xff000000), 0xffffffff);
	write32(0xff000000, 1);
	/* Over an edge: RAM's end, and an odd address. */
	(void)read32(0xc0000001);
	check_eq(read32((uintptr_t)low_ram_end() + 0x10000), 0xffffffff);
	end();
}

static void string_io(void)
{
	static uint8_t buf[64];
	uint8_t *p = buf;
	uint32_t n = sizeof(buf);
	uint16_t port = 0x1000;

	begin("string-io");
	__asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(port) : "memory");
	for (uint32_t i = 0; i < sizeof(buf); i++)
		check_eq(buf[i], 0xff);
	p = buf;
	n = 12;
	memcpy(buf, "string here\n", 12);
	port = LAYOUT_PORT_DEBUGCON;
	__asm__ volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(port) : "memory");
	end();
}

void guest_main(void)
{
	pm_timer();
	rtc();
	debug_ports();
	if (!cmdline_has("qemu"))
		nothing_there();
	string_io();
}
