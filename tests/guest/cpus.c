/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processors that come and go, by the registers behind \_SB.CPUS: those that have
 * come are started by INIT and SIPI, those that are asked for are ejected, or with
 * "keep" refused. Says what happens; the power button ends it. "play": it ejects
 * whom it likes, and writes what the registers do not know, instead.
 */
#include "lib/guest.h"

#define AP_PAGE 0x8000u
#define PORT_STATE (LAYOUT_PORT_CPUS + 4)
#define PRESENT 1u
#define INSERTED 2u
#define REMOVE 4u
#define EJECT 8u
#define REFUSE 16u
#define MAX 64u

static volatile uint32_t started;
static uint32_t most;

void ap_main(uint32_t n);
void ap_main(uint32_t n)
{
	(void)n;
	__asm__ volatile("lock incl %0" : "+m"(started) : : "memory");
	for (;;)
		__asm__ volatile("hlt");
}

static uint8_t state_of(uint32_t cpu)
{
	outl(LAYOUT_PORT_CPUS, cpu);
	return inb(PORT_STATE);
}

static uint32_t there(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MAX; i++)
		n += state_of(i) & PRESENT;
	return n;
}

static void start(uint32_t cpu)
{
	uint32_t before = started, t;

	write32(LAYOUT_LAPIC + 0x310, cpu << 24);
	write32(LAYOUT_LAPIC + 0x300, 0x4500);
	write32(LAYOUT_LAPIC + 0x310, cpu << 24);
	write32(LAYOUT_LAPIC + 0x300, 0x4600 | AP_PAGE >> 12);
	for (t = now_ms(); started == before && now_ms() - t < 15000;)
		;
	check_eq(started, before + 1);
}

static void scan(bool keep)
{
	for (uint32_t i = 0; i < MAX; i++) {
		uint8_t state = state_of(i);

		if (state & INSERTED) {
			outb(PORT_STATE, INSERTED);
			check_eq(state_of(i), PRESENT);
			start(i);
		}
		if (state & REMOVE) {
			outb(PORT_STATE, REMOVE);
			check_eq(state_of(i), PRESENT);
			outb(PORT_STATE, keep ? REFUSE : EJECT);
			check_eq(state_of(i), keep ? PRESENT : 0);
		}
	}
	print("processors %u\n", there());
}

/* Every value, to every processor and to none. */
static void play(void)
{
	for (uint32_t value = 0; value < 256; value++) {
		if (value & EJECT)
			continue;
		for (uint32_t i = 0; i < most + 2; i++) {
			outl(LAYOUT_PORT_CPUS, i);
			outb(PORT_STATE, (uint8_t)value);
			outl(PORT_STATE - 1, value * 0x01010101u & ~0x08080808u);
			(void)inl(PORT_STATE);
			(void)inw(LAYOUT_PORT_CPUS + 2);
		}
		outl(LAYOUT_PORT_CPUS, UINT32_MAX - value);
		outb(PORT_STATE, 0xff);
	}
	check_eq(there(), most);
	/* The first one stays, the others need not be asked to go; twice is once. */
	for (uint32_t i = 0; i < most; i++) {
		outl(LAYOUT_PORT_CPUS, i);
		outb(PORT_STATE, EJECT);
		outb(PORT_STATE, EJECT);
		check_eq(state_of(i), i == 0 ? PRESENT : 0);
	}
	print("played, processors %u\n", there());
}

void guest_main(void)
{
	extern const uint8_t ap_code[], ap_code_end[];
	bool keep = cmdline_has("keep");

	memcpy((void *)AP_PAGE, ap_code, (size_t)(ap_code_end - ap_code));
	write32(LAYOUT_LAPIC + 0xf0, 0x1ff);
	begin("cpus");
	most = there();
	for (uint32_t i = 1; i < most; i++)
		start(i);
	if (cmdline_has("play"))
		play();
	print("processors %u\n", there());
	for (;;) {
		uint8_t events = inb(LAYOUT_PORT_GED);

		if (events & LAYOUT_GED_CPUS)
			scan(keep);
		if (events & LAYOUT_GED_POWER_BUTTON)
			break;
		delay_ms(1);
	}
	end();
	print("done\n");
	power_off();
}
