/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvpanic-pci as a guest's driver uses it, and more often than one would: what it
 * can say is read, what it says is heard once (the runner counts).
 */
#include "lib/pci.h"

static uint16_t find(void)
{
	for (uint16_t b = 0; b < 256; b++)
		if (pci_read32(b, 0) == 0x00111b36u)
			return b;
	return 0;
}

void guest_main(void)
{
	uint16_t b = find();
	uintptr_t at;

	begin("pvpanic");
	check(b != 0);
	check_eq(pci_bar_size(b, 0), 16);
	check_eq(pci_read32(b, 8) >> 8, 0x088000);
	pci_write16(b, PCI_COMMAND, PCI_COMMAND_MEMORY);
	at = pci_read32(b, PCI_BAR0) & ~0xfu;
	check_eq(read8(at), 3);
	check_eq(read8(at + 1), 0);
	write8(at, 0);
	write8(at, 0xfc);	/* nothing that is known */
	write8(at + 1, 1);
	for (unsigned int i = 0; i < 1000; i++)
		write8(at, 1);
	write8(at, 3);
	check_eq(read8(at), 3);
	end();
}
