/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables and PCI configuration space: see pci.h. */
#include "lib/pci.h"

static uintptr_t ecam_base;
static uint32_t nsegments;

/* ---- ACPI ---- */

bool acpi_checksum(const void *p, uint32_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *b++);
	return sum == 0;
}

const struct acpi_header *acpi_find(const char *signature)
{
	uintptr_t rsdp = boot.rsdp, root;
	const struct acpi_header *h;
	bool xsdt;

	if (!rsdp || memcmp((const void *)rsdp, "RSD PTR ", 8) != 0 ||
	    !acpi_checksum((const void *)rsdp, 20))
		return NULL;
	xsdt = read8(rsdp + 15) >= 2;
	root = read32(rsdp + (xsdt ? 24 : 16));
	h = (const void *)root;
	if (!acpi_checksum(h, h->length))
		return NULL;
	for (uint32_t o = 36; o < h->length; o += xsdt ? 8 : 4) {
		const struct acpi_header *t =
		    (const void *)(uintptr_t)read32(root + o);

		if (memcmp(t->signature, signature, 4) == 0)
			return acpi_checksum(t, t->length) ? t : NULL;
	}
	return NULL;
}

/* ---- configuration space ---- */

static uintptr_t ecam(uint16_t bdf, uint32_t off)
{
	if (!ecam_base) {
		const struct acpi_header *mcfg = acpi_find("MCFG");

		ecam_base = LAYOUT_ECAM;
		nsegments = 1;
		if (mcfg) {
			ecam_base = read32((uintptr_t)mcfg + 44);
			nsegments = (mcfg->length - 44) / 16;
		}
	}
	return ecam_base + ((uintptr_t)bdf << 12) + off;
}

uint8_t pci_read8(uint16_t bdf, uint32_t off)
{
	return read8(ecam(bdf, off));
}

uint16_t pci_read16(uint16_t bdf, uint32_t off)
{
	return read16(ecam(bdf, off));
}

uint32_t pci_read32(uint16_t bdf, uint32_t off)
{
	return read32(ecam(bdf, off));
}

void pci_write8(uint16_t bdf, uint32_t off, uint8_t v)
{
	write8(ecam(bdf, off), v);
}

void pci_write16(uint16_t bdf, uint32_t off, uint16_t v)
{
	write16(ecam(bdf, off), v);
}

void pci_write32(uint16_t bdf, uint32_t off, uint32_t v)
{
	write32(ecam(bdf, off), v);
}

uint32_t pci_cf8_read32(uint16_t bdf, uint32_t off)
{
	outl(0xcf8, 0x80000000u | (uint32_t)bdf << 8 | (off & 0xfc));
	return inl(0xcfc);
}

void pci_cf8_write32(uint16_t bdf, uint32_t off, uint32_t v)
{
	outl(0xcf8, 0x80000000u | (uint32_t)bdf << 8 | (off & 0xfc));
	outl(0xcfc, v);
}

unsigned int pci_scan(uint16_t *bdf, unsigned int max)
{
	unsigned int n = 0;

	(void)ecam(0, 0);	/* finds how many segments there are */
	for (uint16_t slot = 0; slot < 32 * nsegments; slot++) {
		uint16_t first = (uint16_t)(slot << 3);
		unsigned int functions = 1;

		if (pci_read16(first, 0) == 0xffff)
			continue;
		if (pci_read8(first, 0x0e) & 0x80)
			functions = 8;
		for (uint16_t f = 0; f < functions; f++) {
			uint16_t b = (uint16_t)(first | f);

			if (pci_read16(b, 0) != 0xffff && n < max)
				bdf[n++] = b;
		}
	}
	return n;
}

uint8_t pci_find_cap(uint16_t bdf, uint8_t id, uint8_t after)
{
	uint8_t p;

	if (!(pci_read16(bdf, 6) & PCI_STATUS_CAPS))
		return 0;
	p = pci_read8(bdf, after ? after + 1u : PCI_CAP_PTR) & 0xfc;
	for (unsigned int i = 0; p >= 0x40 && i < 48; i++) {
		if (pci_read8(bdf, p) == id)
			return p;
		p = pci_read8(bdf, p + 1u) & 0xfc;
	}
	return 0;
}

/* ---- BARs ---- */

static uint32_t bar_off(unsigned int bar)
{
	return PCI_BAR0 + bar * 4;
}

bool pci_bar_is_64(uint16_t bdf, unsigned int bar)
{
	return (pci_read32(bdf, bar_off(bar)) & 7) == 4;
}

uint64_t pci_bar(uint16_t bdf, unsigned int bar)
{
	uint64_t v = pci_read32(bdf, bar_off(bar)) & ~0xfu;

	if (pci_bar_is_64(bdf, bar))
		v |= (uint64_t)pci_read32(bdf, bar_off(bar) + 4) << 32;
	return v;
}

void pci_set_bar(uint16_t bdf, unsigned int bar, uint64_t addr)
{
	bool wide = pci_bar_is_64(bdf, bar);
	uint16_t cmd = pci_read16(bdf, PCI_COMMAND);

	pci_write16(bdf, PCI_COMMAND, (uint16_t)(cmd & ~PCI_COMMAND_MEMORY));
	pci_write32(bdf, bar_off(bar), (uint32_t)addr);
	if (wide)
		pci_write32(bdf, bar_off(bar) + 4, (uint32_t)(addr >> 32));
	pci_write16(bdf, PCI_COMMAND, cmd);
}

uint64_t pci_bar_size(uint16_t bdf, unsigned int bar)
{
	bool wide = pci_bar_is_64(bdf, bar);
	uint64_t old = pci_bar(bdf, bar), mask;
	uint16_t cmd = pci_read16(bdf, PCI_COMMAND);

	pci_write16(bdf, PCI_COMMAND, (uint16_t)(cmd & ~PCI_COMMAND_MEMORY));
	pci_write32(bdf, bar_off(bar), 0xffffffffu);
	mask = pci_read32(bdf, bar_off(bar)) & ~0xfu;
	if (wide) {
		pci_write32(bdf, bar_off(bar) + 4, 0xffffffffu);
		mask |= (uint64_t)pci_read32(bdf, bar_off(bar) + 4) << 32;
	} else if (mask) {
		mask |= 0xffffffff00000000ull;
	}
	pci_write32(bdf, bar_off(bar), (uint32_t)old);
	if (wide)
		pci_write32(bdf, bar_off(bar) + 4, (uint32_t)(old >> 32));
	pci_write16(bdf, PCI_COMMAND, cmd);
	return mask ? ~mask + 1 : 0;
}

uint64_t pci_free_window(void)
{
	/* QEMU's q35 has its ECAM at 0xb0000000 and its hole above it. */
	return ecam(0, 0) == LAYOUT_ECAM ? 0xe0000000u : 0xd0000000u;
}

void pci_place(uint16_t bdf)
{
	static uint32_t next_bar;
	uint32_t size;

	if (pci_bar(bdf, 0) != 0)
		return;
	if (next_bar == 0)
		next_bar = (uint32_t)pci_free_window();
	size = (uint32_t)pci_bar_size(bdf, 0);
	next_bar = (next_bar + size - 1) & ~(size - 1);
	pci_set_bar(bdf, 0, next_bar);
	next_bar += size;
	pci_write16(bdf, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}
