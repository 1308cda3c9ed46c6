/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI as a guest may use and misuse it: absent functions, both access ways,
 * capabilities, BAR sizing, a BAR moved and used there, more devices than
 * a segment has slots. Expects at least one virtio device; "functions=N" on the command line
 * is how many there are.
 */
#include "lib/blk.h"

static uint16_t bdf[256];
static unsigned int n;

static void absent(void)
{
	begin("absent-functions");
	for (uint16_t slot = 0; slot < 64; slot++) {
		uint16_t b = (uint16_t)(slot << 3);

		for (uint16_t f = 0; f < 8; f++, b++) {
			if (pci_read16(b, 0) != 0xffff) {
				/* What is in a slot leaves it together. */
				check(f == 0 && !(pci_read8(b, 0x0e) & 0x80));
				continue;
			}
			check_eq(pci_read32(b, 0), 0xffffffff);
			check_eq(pci_read32(b, 0x40), 0xffffffff);
			check_eq(pci_read32(b, 0xffc), 0xffffffff);
			check_eq(pci_read8(b, 0x0e), 0xff);
			check_eq(pci_cf8_read32(b, 0), 0xffffffff);
			pci_write32(b, 4, 0xffffffff);
		}
	}
	/* Segments that are not there. */
	check_eq(pci_read32(0x6000, 0), 0xffffffff);
	check_eq(pci_read32(0x8000, 0), 0xffffffff);
	check_eq(pci_read32(0xffff, 0xffc), 0xffffffff);
	check_eq(pci_cf8_read32(0xff00, 0), 0xffffffff);
	/* The ports reach no other segment. */
	for (unsigned int i = 0; i < n; i++)
		if (bdf[i] > 0xff) {
			check_eq(pci_cf8_read32(bdf[i], 0), 0xffffffff);
			pci_cf8_write32(bdf[i], PCI_COMMAND, 0);
			check(pci_read16(bdf[i], 0) == 0x1af4);
		}
	end();
}

static void both_ways(void)
{
	begin("cf8-equals-ecam");
	for (unsigned int i = 0; i < n; i++)
		for (uint32_t o = 0; o < 0x100 && bdf[i] <= 0xff; o += 4)
			check_eq(pci_cf8_read32(bdf[i], o),
			    pci_read32(bdf[i], o));
	/* Bytes and words of the data port. */
	outl(0xcf8, 0x80000000u | (uint32_t)bdf[0] << 8);
	check_eq(inw(0xcfe), pci_read16(bdf[0], 2));
	check_eq(inb(0xcfd), pci_read8(bdf[0], 1));
	/* Not enabled: no answer. */
	outl(0xcf8, (uint32_t)bdf[0] << 8);
	check_eq(inl(0xcfc), 0xffffffff);
	end();

	begin("config-access-sizes");
	for (unsigned int i = 0; i < n; i++) {
		uint32_t id = pci_read32(bdf[i], 0);

		check_eq(pci_read16(bdf[i], 2), id >> 16);
		check_eq(pci_read8(bdf[i], 1), id >> 8 & 0xff);
		pci_write32(bdf[i], 0, 0);	/* read only */
		check_eq(pci_read32(bdf[i], 0), id);
		check_eq(pci_read8(bdf[i], 0x0e) & 0x7f, 0);
	}
	end();
}

static void capabilities(void)
{
	begin("capabilities");
	for (unsigned int i = 0; i < n; i++) {
		uint16_t b = bdf[i];
		unsigned int types = 0;
		uint8_t p;

		if (pci_read16(b, 0) != 0x1af4)
			continue;
		check(pci_read16(b, 2) >= 0x1040);
		check(pci_read8(b, 8) >= 1);
		for (p = 0; (p = pci_find_cap(b, PCI_CAP_VENDOR, p)) != 0;) {
			uint8_t type = pci_read8(b, p + 3u);
			uint8_t bar = pci_read8(b, p + 4u);

			types |= 1u << (type & 31);
			if (type == 5)
				continue;
			check(pci_read32(b, p + 8u) +
			    (uint64_t)pci_read32(b, p + 12u) <=
			    pci_bar_size(b, bar));
			if (type == 1)
				check(pci_read32(b, p + 12u) >= 56);
		}
		/* common, notify, ISR, PCI access (4.1.4: must be there) */
		check_eq(types & 0x2e, 0x2e);
		check(pci_find_cap(b, PCI_CAP_MSIX, 0) != 0);
	}
	end();
}

static void bars(void)
{
	begin("bar-sizing");
	for (unsigned int i = 0; i < n; i++) {
		if (pci_read16(bdf[i], 0) != 0x1af4)
			continue;
		for (unsigned int bar = 0; bar < 6; bar++) {
			uint64_t was = pci_bar(bdf[i], bar);
			uint64_t size = pci_bar_size(bdf[i], bar);

			check((size & (size - 1)) == 0);
			check_eq(pci_bar(bdf[i], bar), was);
			if (size && pci_bar_is_64(bdf[i], bar))
				bar++;
		}
	}
	/* Not overlapping, for a guest that takes them as they are. */
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < i; j++) {
			uint64_t a = pci_bar(bdf[i], 0), b = pci_bar(bdf[j], 0);

			if (!a || !b || cmdline_has("qemu"))
				continue;
			check(a + pci_bar_size(bdf[i], 0) <= b ||
			    b + pci_bar_size(bdf[j], 0) <= a);
		}
	end();
}

/* The BAR that holds the common configuration. */
static unsigned int common_bar(uint16_t b)
{
	uint8_t p = 0;

	while ((p = pci_find_cap(b, PCI_CAP_VENDOR, p)) != 0)
		if (pci_read8(b, p + 3u) == 1)
			return pci_read8(b, p + 4u);
	return 0;
}

static void move_bar(void)
{
	struct blk blk;
	uintptr_t old_common;
	unsigned int bar;
	uint64_t was, from, to;

	begin("bar-moved");
	if (!blk_open(&blk, 0, F_INDIRECT)) {
		fail("no disk");
		end();
		return;
	}
	check(blk_works(&blk, 1));
	bar = common_bar(blk.d.bdf);
	was = from = pci_bar(blk.d.bdf, bar);
	old_common = blk.d.common;
	for (unsigned int i = 1; i <= 4; i++) {
		/* While it is being driven: the notify address moves with it. */
		to = pci_free_window() + 0x2000000u + i * 0x100000u;
		pci_set_bar(blk.d.bdf, bar, to);
		check_eq(pci_bar(blk.d.bdf, bar), to);
		check(virtio_map(&blk.d));
		check(blk.d.common - to < 0x10000);
		blk.q.notify += (uintptr_t)(to - from);
		from = to;
		check(cmdline_has("qemu") ||
		    read32(old_common) == 0xffffffff);
		check(virtio_status(&blk.d) & STATUS_DRIVER_OK);
		check(blk_works(&blk, 1));
		if (i == 2)
			check(blk_restart(&blk, F_INDIRECT));
		check(blk_works(&blk, 1));
		old_common = blk.d.common;
	}
	/* Memory decoding off: nothing answers. */
	pci_write16(blk.d.bdf, PCI_COMMAND, PCI_COMMAND_MASTER);
	check(cmdline_has("qemu") || read32(blk.d.common) == 0xffffffff);
	pci_write16(blk.d.bdf, PCI_COMMAND,
	    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	check(virtio_status(&blk.d) & STATUS_DRIVER_OK);
	pci_set_bar(blk.d.bdf, bar, was);
	check(virtio_map(&blk.d) && blk_restart(&blk, 0) && blk_works(&blk, 1));
	end();

	begin("bar-in-odd-places");
	/* Over RAM, over the ECAM, the APIC, the end of 4 GiB, far up: the
	 * machine goes on, and the device is back when its BAR is. */
	static const uint64_t places[] = { 0, 0x100000, 0x1000000, 0xe8000000,
		0xfec00000, 0xfee00000, 0xffff8000, 0x100000000, 0x4000000000,
		0xfffffffff8000 };
	for (unsigned int i = 0; i < ARRAY_LEN(places); i++) {
		uint32_t keep = read32(0x100000);

		if (cmdline_has("qemu") && i < 7)
			continue;	/* there devices may win over RAM */
		pci_set_bar(blk.d.bdf, bar, places[i]);
		check_eq(read32(0x100000), keep);
		check(pci_read16(blk.d.bdf, 0) == 0x1af4);
		pci_set_bar(blk.d.bdf, bar, was);
		check(virtio_map(&blk.d));
		check(blk_restart(&blk, 0) && blk_works(&blk, 2));
	}
	end();
}

/* The windows that give access to BAR registers through config space. */
static void access_window(void)
{
	begin("pci-cfg-window");
	for (unsigned int i = 0; i < n; i++) {
		uint8_t p = 0;
		unsigned int bar;

		if (pci_read16(bdf[i], 0) != 0x1af4)
			continue;
		while ((p = pci_find_cap(bdf[i], PCI_CAP_VENDOR, p)) != 0)
			if (pci_read8(bdf[i], p + 3u) == 5)
				break;
		if (!p)
			continue;
		bar = common_bar(bdf[i]);
		struct vdev d = { .bdf = bdf[i] };

		check(virtio_map(&d));
		pci_write8(bdf[i], p + 4u, (uint8_t)bar);
		pci_write32(bdf[i], p + 8u,
		    (uint32_t)(d.common - (uintptr_t)pci_bar(bdf[i], bar)) +
		    CC_NUM_QUEUES);
		pci_write32(bdf[i], p + 12u, 2);
		check_eq(pci_read16(bdf[i], p + 16u),
		    read16(d.common + CC_NUM_QUEUES));
		/* Nonsense there does no harm. */
		pci_write32(bdf[i], p + 12u, 0xffffffff);
		(void)pci_read32(bdf[i], p + 16u);
		pci_write32(bdf[i], p + 8u, 0xfffffffc);
		pci_write32(bdf[i], p + 12u, 4);
		(void)pci_read32(bdf[i], p + 16u);
		pci_write32(bdf[i], p + 16u, 0xffffffff);
		pci_write8(bdf[i], p + 4u, 5);
		(void)pci_read32(bdf[i], p + 16u);
	}
	end();
}

void guest_main(void)
{
	uint32_t want = cmdline_num("functions", 0);
	unsigned int virtio = 0, far = 0;

	n = pci_scan(bdf, ARRAY_LEN(bdf));
	for (unsigned int i = 0; i < n; i++) {
		print("# %04x:00:%02x.%u %08x\n", bdf[i] >> 8, bdf[i] >> 3 & 31u,
		    bdf[i] & 7u, pci_read32(bdf[i], 0));
		virtio += pci_read16(bdf[i], 0) == 0x1af4;
		far += bdf[i] > 0xff;
	}
	print("# functions %u, in other segments %u\n", virtio, far);
	begin("enumeration");
	if (want)
		check_eq(virtio, want);
	check(want <= 31 || far > 0);
	end();
	absent();
	both_ways();
	capabilities();
	bars();
	access_window();
	move_bar();
}
