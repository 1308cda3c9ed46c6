/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for the power button, which the runner presses, as a driver of the
 * generic event device does, and powers off: the event's bit, and its interrupt
 * at the IOAPIC. Interrupts stay disabled; the APIC's request register tells.
 */
#include "lib/guest.h"

static void ioapic_write(uint32_t reg, uint32_t v)
{
	write32(LAYOUT_IOAPIC, reg);
	write32(LAYOUT_IOAPIC + 0x10, v);
}

static bool requested(uint8_t vector)
{
	return read32(LAYOUT_LAPIC + 0x200 + (vector / 32u) * 0x10) >>
	    (vector % 32u) & 1;
}

void guest_main(void)
{
	uint32_t t;
	uint8_t events = 0;

	begin("power-button");
	write32(LAYOUT_LAPIC + 0xf0, 0x1ff);
	ioapic_write(0x11 + 2 * LAYOUT_GSI_GED, 0);
	ioapic_write(0x10 + 2 * LAYOUT_GSI_GED, 0x51);
	check_eq(inb(LAYOUT_PORT_GED), 0);
	print("press it\n");
	for (t = now_ms(); !requested(0x51) && now_ms() - t < 15000;)
		;
	check(requested(0x51));
	events = inb(LAYOUT_PORT_GED);
	check_eq(events, LAYOUT_GED_POWER_BUTTON);
	check_eq(inb(LAYOUT_PORT_GED), 0);	/* reading cleared it */
	end();
}
