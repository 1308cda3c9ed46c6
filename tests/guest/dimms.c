/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that comes and goes, by the registers behind \_SB.MEMS: what has come is zero
 * and holds what is written, what is asked for is ejected, or with "keep" refused. Says
 * what happens until nothing does for "ms=". "play": it ejects what it likes, and writes
 * what the registers do not know, first.
 */
#include "lib/guest.h"
#include "lib/window.h"

#define PORT_STATE (LAYOUT_PORT_DIMMS + 4)
#define PORT_PLACE (LAYOUT_PORT_DIMMS + 8)
#define PRESENT 1u
#define INSERTED 2u
#define REMOVE 4u
#define EJECT 8u
#define REFUSE 16u
#define UNIT 0x8000000u		/* 128 MiB */

static uint8_t state_of(uint32_t i)
{
	outl(LAYOUT_PORT_DIMMS, i);
	return inb(PORT_STATE);
}

/* Of the one that is selected. */
static volatile uint32_t *place(uint32_t *size)
{
	uint32_t low = inl(PORT_PLACE);

	check_eq(inl(PORT_PLACE + 4), 1);
	check_eq(low % UNIT, 0);
	*size = inl(PORT_PLACE + 8);
	check_eq(inl(PORT_PLACE + 12), 0);
	check(*size != 0 && *size % UNIT == 0);
	return (void *)(uintptr_t)(WINDOW + low);
}

static uint32_t there(void)
{
	uint32_t sum = 0, size;

	for (uint32_t i = 0; i < LAYOUT_DIMMS; i++)
		if (state_of(i) & PRESENT) {
			(void)place(&size);
			sum += size / UNIT;
		}
	return sum;
}

static void use(uint32_t i)
{
	uint32_t size;
	volatile uint32_t *at = place(&size);

	check_eq(at[0], 0);
	check_eq(at[size / 4 - 1], 0);
	at[0] = at[size / 4 - 1] = i + 1;
	check_eq(at[0], i + 1);
	check_eq(at[size / 4 - 1], i + 1);
}

static bool scan(bool keep)
{
	bool any = false;

	for (uint32_t i = 0; i < LAYOUT_DIMMS + 2; i++) {
		uint8_t state = state_of(i);

		if (state & INSERTED) {
			outb(PORT_STATE, INSERTED);
			check_eq(state_of(i), PRESENT);
			use(i);
			any = true;
		}
		if (state & REMOVE) {
			outb(PORT_STATE, REMOVE);
			check_eq(state_of(i), PRESENT);
			outb(PORT_STATE, keep ? REFUSE : EJECT);
			check_eq(state_of(i), keep ? PRESENT : 0);
			any = true;
		}
	}
	return any;
}

/* Every value, to every one and to none. */
static void play(void)
{
	uint32_t before = there();

	for (uint32_t value = 0; value < 256; value++) {
		if (value & EJECT)
			continue;
		for (uint32_t i = 0; i < LAYOUT_DIMMS + 2; i++) {
			outl(LAYOUT_PORT_DIMMS, i);
			outb(PORT_STATE, (uint8_t)value);
			outl(PORT_STATE - 1, value * 0x01010101u & ~0x08080808u);
			outl(PORT_PLACE, value);
			(void)inl(PORT_STATE);
			(void)inl(PORT_PLACE + 13);
		}
		outl(LAYOUT_PORT_DIMMS, UINT32_MAX - value);
		outb(PORT_STATE, 0xff);
	}
	check_eq(there(), before);
	for (uint32_t i = 0; i < LAYOUT_DIMMS; i++) {
		outl(LAYOUT_PORT_DIMMS, i);
		outb(PORT_STATE, EJECT);
		outb(PORT_STATE, EJECT);
	}
	print("played, memory %u\n", there());
}

void guest_main(void)
{
	bool keep = cmdline_has("keep");

	window_open(HIGH);
	begin("dimms");
	check_eq(there(), cmdline_num("at", 0));
	for (uint32_t i = 0; i < LAYOUT_DIMMS; i++)
		if (state_of(i) & PRESENT)
			use(i);
	if (cmdline_has("play"))
		play();
	print("memory %u\n", there());
	for (uint32_t last = now_ms(); now_ms() - last < cmdline_num("ms", 0);)
		if (inb(LAYOUT_PORT_GED) & LAYOUT_GED_MEMORY && scan(keep)) {
			print("memory %u\n", there());
			last = now_ms();
		}
	end();
}
