/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts without taking any: interrupts stay disabled, and what arrives is
 * read from the local APIC's request register. MSI-X of a virtio-blk device
 * (delivery, mask, pending bits, configuration vector), and the serial line
 * through the IOAPIC.
 */
#include "lib/blk.h"

static struct blk blk;
static uintptr_t table, pba;

static bool requested(uint8_t vector)
{
	return read32(LAYOUT_LAPIC + 0x200 + (vector / 32u) * 0x10) >>
	    (vector % 32u) & 1;
}

static bool arrives(uint8_t vector, uint32_t ms)
{
	uint32_t t = now_ms();

	while (!requested(vector))
		if (now_ms() - t > ms)
			return false;
	return true;
}

static void entry(unsigned int i, uint8_t vector, bool masked)
{
	write32(table + i * 16, LAYOUT_LAPIC);
	write32(table + i * 16 + 4, 0);
	write32(table + i * 16 + 8, vector);
	write32(table + i * 16 + 12, masked);
}

/* One request; interrupts wanted. */
static void io(void)
{
	static uint8_t data[512];

	blk.q.avail[0] = 0;
	check(blk_do(&blk, BLK_IN, 0, data, 512) == BLK_OK);
}

static bool pending(unsigned int i)
{
	return read32(pba + i / 32 * 4) >> (i % 32) & 1;
}

static void msix(void)
{
	uint8_t cap = pci_find_cap(blk.d.bdf, PCI_CAP_MSIX, 0);
	uint32_t t, p;
	uint16_t size;

	begin("msix");
	check(cap != 0);
	size = (pci_read16(blk.d.bdf, cap + 2u) & 0x7ff) + 1;
	t = pci_read32(blk.d.bdf, cap + 4u);
	p = pci_read32(blk.d.bdf, cap + 8u);
	table = (uintptr_t)pci_bar(blk.d.bdf, t & 7) + (t & ~7u);
	pba = (uintptr_t)pci_bar(blk.d.bdf, p & 7) + (p & ~7u);
	print("# vectors %u\n", size);
	check(size >= 2);
	check(read32(table + 12) & 1);		/* masked at reset */
	pci_write16(blk.d.bdf, cap + 2u, 0x8000);

	check(virtio_negotiate(&blk.d, 0));
	check_eq(read16(blk.d.common + CC_CONFIG_MSIX_VECTOR), 0xffff);
	write16(blk.d.common + CC_CONFIG_MSIX_VECTOR, 0);
	check_eq(read16(blk.d.common + CC_CONFIG_MSIX_VECTOR), 0);
	write16(blk.d.common + CC_QUEUE_SELECT, 0);
	write16(blk.d.common + CC_QUEUE_MSIX_VECTOR, size);	/* no such */
	check_eq(read16(blk.d.common + CC_QUEUE_MSIX_VECTOR), 0xffff);
	write16(blk.d.common + CC_QUEUE_MSIX_VECTOR, 1);
	check_eq(read16(blk.d.common + CC_QUEUE_MSIX_VECTOR), 1);
	check(vq_setup(&blk.q, &blk.d, 0, 128));
	blk.indirect = false;
	virtio_driver_ok(&blk.d);

	entry(1, 0x41, false);
	io();
	check(arrives(0x41, 2000));
	end();

	begin("msix-mask");
	entry(1, 0x42, true);
	io();
	for (t = now_ms(); !pending(1) && now_ms() - t < 2000;)
		;
	check(pending(1));
	check(!requested(0x42));
	write32(table + 16 + 12, 0);
	check(arrives(0x42, 2000));
	check(!pending(1));
	/* The whole function masked. */
	entry(1, 0x43, false);
	pci_write16(blk.d.bdf, cap + 2u, 0xc000);
	io();
	for (t = now_ms(); !pending(1) && now_ms() - t < 2000;)
		;
	check(pending(1));
	check(!requested(0x43));
	pci_write16(blk.d.bdf, cap + 2u, 0x8000);
	check(arrives(0x43, 2000));
	/* Changed while in use. */
	for (uint8_t v = 0x50; v < 0x60; v++) {
		entry(1, v, true);
		entry(1, v, false);
		io();
		check(arrives(v, 2000));
	}
	end();

	begin("config-interrupt");
	/* An avail index that jumps: NEEDS_RESET is a configuration change. */
	entry(0, 0x61, false);
	blk.q.avail[1] = (uint16_t)(blk.q.next_avail + 1000);
	vq_kick(&blk.q, true);
	if (!cmdline_has("qemu")) {
		check(virtio_needs_reset(&blk.d, 3000));
		check(arrives(0x61, 2000));
	}
	check(blk_restart(&blk, 0) && blk_works(&blk, 1));
	end();

	begin("msix-nonsense");
	/* Messages to nowhere, reserved vectors, another address. */
	for (uint32_t i = 0; i < 64; i++) {
		write32(table + 16, i * 0x04040404u);
		write32(table + 20, i & 1 ? 0xffffffff : 0);
		write32(table + 24, i * 0x01010101u);
		write32(table + 28, i & 2 ? 0xfffffffe : 0);
		if (i % 16 == 0)
			io();
	}
	entry(1, 0x70, false);
	check(blk_restart(&blk, 0) && blk_works(&blk, 1));
	pci_write16(blk.d.bdf, cap + 2u, 0);
	check(blk_works(&blk, 1));
	end();
}

static void ioapic_write(uint32_t reg, uint32_t v)
{
	write32(LAYOUT_IOAPIC, reg);
	write32(LAYOUT_IOAPIC + 0x10, v);
}

static uint32_t ioapic_read(uint32_t reg)
{
	write32(LAYOUT_IOAPIC, reg);
	return read32(LAYOUT_IOAPIC + 0x10);
}

static void ioapic(void)
{
	begin("ioapic");
	check_eq(ioapic_read(1) >> 16 & 0xff, LAYOUT_IOAPIC_PINS - 1);
	check(ioapic_read(0x10 + 2 * LAYOUT_GSI_COM1) & 1u << 16);
	ioapic_write(0x11 + 2 * LAYOUT_GSI_COM1, 0);
	ioapic_write(0x10 + 2 * LAYOUT_GSI_COM1, 0x81);
	check_eq(ioapic_read(0x10 + 2 * LAYOUT_GSI_COM1), 0x81);
	outb(LAYOUT_PORT_COM1 + 4, 0x08);
	outb(LAYOUT_PORT_COM1 + 1, 2);		/* transmitter empty: at once */
	check(arrives(0x81, 2000));
	outb(LAYOUT_PORT_COM1 + 1, 0);
	/* Registers that are not there. */
	for (uint32_t r = 0; r < 256; r++) {
		if (r >= 0x10 && r < 0x10 + 2 * LAYOUT_IOAPIC_PINS)
			continue;
		(void)ioapic_read(r);
		ioapic_write(r, 0xffffffff);
	}
	write32(LAYOUT_IOAPIC + 0x40, 0xff);	/* EOI of a vector unused */
	end();
}

void guest_main(void)
{
	write32(LAYOUT_LAPIC + 0xf0, 0x1ff);	/* APIC on */
	if (!blk_open(&blk, 0, 0)) {
		begin("disk");
		fail("none found");
		end();
		return;
	}
	msix();
	ioapic();
}
