/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of every virtio device as no driver should write them: queues with
 * senseless places and sizes, changed after they were enabled, notified where
 * there is none, DRIVER_OK without queues, then noise over all of BAR 0 and of
 * configuration space ("writes=N" of each). "kinds=N" devices are to be there;
 * "turns": what is the same for all is done to some of them.
 */
#include "lib/blk.h"
#include "lib/units.h"

#define END_MS 30000u

static struct vdev d;
static uint64_t ring;		/* memory for three areas, a page each */
static unsigned int found;

static bool fresh(void)
{
	return virtio_negotiate(&d, 0);
}

static void areas(void)
{
	static const struct {
		const char *name;
		uint32_t size;
		uint64_t desc, driver, device;	/* 0: a good place */
	} bad[] = {
		{ "descriptors in the hole", 16, 0xd0000000, 0, 0 },
		{ "driver area in the hole", 16, 0, 0xd0000000, 0 },
		{ "device area in the hole", 16, 0, 0, 0xd0000000 },
		{ "descriptors beyond RAM", 16, 0x7000000000, 0, 0 },
		{ "device area at the top", 16, 0, 0, 0xfffffffffffffff0 },
		{ "descriptors wrap", 256, 0xfffffffffffffff0, 0, 0 },
		{ "descriptors odd", 16, 0x1800001, 0, 0 },
		{ "driver area odd", 16, 0, 0x1800001, 0 },
		{ "device area odd", 16, 0, 0, 0x1800002 },
		{ "over the end of RAM", 16, 1, 0, 0 },
		{ "on the ECAM", 16, 0xe8000000, 0xe8001000, 0xe8002000 },
		{ "on the APIC", 16, 0xfee00000, 0xfee00000, 0xfee00000 },
	};

	begin("queue-areas");
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		uint64_t desc = bad[i].desc == 1 ? low_ram_end() - 64 :
		    bad[i].desc;

		if (!fresh()) {
			fail("no start before %s", bad[i].name);
			break;
		}
		vq_program(&d, 0, (uint16_t)bad[i].size,
		    desc ? desc : ring,
		    bad[i].driver ? bad[i].driver : ring + PAGE,
		    bad[i].device ? bad[i].device : ring + 2 * PAGE);
		virtio_driver_ok(&d);
		write16(d.notify, 0);
		if (!cmdline_has("qemu") && !virtio_needs_reset(&d, END_MS))
			fail("%s: no DEVICE_NEEDS_RESET", bad[i].name);
		check(virtio_reset(&d, END_MS));
	}
	end();
}

static void sizes(void)
{
	static const uint16_t bad[] = { 0, 3, 17, 1025, 2048, 0x8000, 0xffff };

	begin("queue-sizes");
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		uint16_t max;

		check(fresh());
		write16(d.common + CC_QUEUE_SELECT, 0);
		max = read16(d.common + CC_QUEUE_SIZE);
		vq_program(&d, 0, bad[i], ring, ring + PAGE, ring + 2 * PAGE);
		virtio_driver_ok(&d);
		write16(d.notify, 0);
		/* Refused at the register, or a device that needs a reset. */
		if (read16(d.common + CC_QUEUE_SIZE) == bad[i] && bad[i] &&
		    !cmdline_has("qemu"))
			check(virtio_needs_reset(&d, END_MS));
		check(virtio_reset(&d, END_MS));
		write16(d.common + CC_QUEUE_SELECT, 0);
		check_eq(read16(d.common + CC_QUEUE_SIZE), max);
	}
	end();
}

static void absent_queues(void)
{
	static const uint16_t at[] = { 0x3f, 0x40, 0x100, 0x7fff, 0xffff };
	uint16_t n;

	begin("absent-queues");
	check(fresh());
	n = read16(d.common + CC_NUM_QUEUES);
	for (unsigned int i = 0; i < ARRAY_LEN(at); i++) {
		write16(d.common + CC_QUEUE_SELECT, at[i]);
		check_eq(read16(d.common + CC_QUEUE_SIZE), 0);
		check_eq(read16(d.common + CC_QUEUE_ENABLE), 0);
		write16(d.common + CC_QUEUE_SIZE, 16);
		write16(d.common + CC_QUEUE_ENABLE, 1);
		write32(d.common + CC_QUEUE_DESC, 0x1000);
		check_eq(read16(d.common + CC_QUEUE_SIZE), 0);
		write16(d.notify, at[i]);
	}
	/* Notify before DRIVER_OK, and where there is no queue. */
	for (uint32_t o = 0; o + 4 <= d.notify_len; o += 4) {
		write16(d.notify + o, n);
		write32(d.notify + o, 0xffffffff);
		write8(d.notify + o, 1);
		(void)read32(d.notify + o);
	}
	virtio_driver_ok(&d);
	for (uint32_t o = 0; o + 4 <= d.notify_len; o += 4)
		write16(d.notify + o, (uint16_t)o);
	delay_ms(5);
	check(virtio_reset(&d, END_MS));
	end();

	begin("driver-ok-without-queues");
	check(fresh());
	virtio_driver_ok(&d);
	write16(d.notify, 0);
	delay_ms(5);
	check(virtio_reset(&d, END_MS));
	/* Without features, without anything. */
	virtio_set_status(&d, STATUS_DRIVER_OK);
	write16(d.notify, 0);
	check(virtio_reset(&d, END_MS));
	for (unsigned int i = 0; i < 20; i++) {
		check(fresh());
		virtio_driver_ok(&d);
		virtio_driver_ok(&d);
	}
	check(virtio_reset(&d, END_MS));
	end();
}

/* What DRIVER_OK saw is what counts. */
static void changed_later(struct blk *b)
{
	begin("changed-after-enable");
	check(blk_restart(b, F_INDIRECT));
	for (unsigned int i = 0; i < 20; i++) {
		write16(b->d.common + CC_QUEUE_SELECT, 0);
		write16(b->d.common + CC_QUEUE_SIZE, (uint16_t)(2u << i % 10));
		write32(b->d.common + CC_QUEUE_DESC, 0xd0000000u + i);
		write32(b->d.common + CC_QUEUE_DRIVER, 0xffffffffu);
		write32(b->d.common + CC_QUEUE_DRIVER + 4, 0xffffffffu);
		write32(b->d.common + CC_QUEUE_DEVICE, 1);
		write16(b->d.common + CC_QUEUE_ENABLE, (uint16_t)i);
		virtio_write_features(&b->d, ~0ull);
		if (!cmdline_has("qemu"))
			check(blk_works(b, i));
	}
	write16(b->d.common + CC_QUEUE_SELECT, 0);
	/* Enabled stays enabled: 4.1.4.3.2, the driver must not write 0. */
	virtio_set_status(&b->d, 15);
	if (!cmdline_has("qemu"))
		check(blk_works(b, 4));
	check(blk_restart(b, 0) && blk_works(b, 5));
	end();
}

/* Faster than any worker takes them, then a reset that must not be lost. */
static void config_flood(void)
{
	begin("config-flood");
	for (unsigned int round = cmdline_has("turns") ? 4 : 0; round < 5; round++) {
		check(fresh());
		virtio_driver_ok(&d);
		for (uint32_t i = 0; d.config && i < 2000; i++)
			write8(d.config + i % 8, (uint8_t)i);
		check(virtio_reset(&d, END_MS));
	}
	/* Over the edges of the window and of a page. */
	for (uint32_t o = 0; d.config && o < 8; o++) {
		write32(d.config - o, 0);
		write32(d.config + d.config_len - o, 0);
		write32(d.config + PAGE - o, 0);
	}
	check(virtio_reset(&d, END_MS));
	end();
}

static uint32_t next(void)
{
	static uint32_t x = 12345;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void noise_bar(uint32_t writes)
{
	uintptr_t base = d.common & ~0x7fffu;

	begin("noise-in-bar");
	for (uint32_t i = 0; i < writes; i++) {
		uint32_t r = next(), v = next();
		/* Half of it at the common configuration. */
		uintptr_t a = r & 1u << 31 ? d.common + r % 64 :
		    base + r % LAYOUT_VIRTIO_BAR_SIZE;

		/* Little values are more often something. */
		if (r & 1u << 30)
			v &= 0x1f;
		switch (r >> 27 & 7) {
		case 0: write8(a, (uint8_t)v); break;
		case 1: case 2: write16(a, (uint16_t)v); break;
		case 3: (void)read8(a); break;
		case 4: (void)read16(a); break;
		case 5: (void)read32(a); break;
		default: write32(a, v); break;
		}
	}
	check(virtio_reset(&d, END_MS));
	end();
}

static void noise_config(uint32_t writes)
{
	uint32_t saved[16];

	begin("noise-in-config-space");
	for (unsigned int i = 0; i < 16; i++)
		saved[i] = pci_read32(d.bdf, i * 4);
	for (uint32_t i = 0; i < writes; i++) {
		uint32_t r = next(), v = next(), o = r & 0xfff;

		if (r & 1u << 31)
			o &= 0xff;
		/* Not the BAR's high half: it would be out of our reach. */
		switch (r >> 27 & 7) {
		case 0: pci_write8(d.bdf, o, (uint8_t)v); break;
		case 1: pci_write16(d.bdf, o, (uint16_t)v); break;
		case 2: pci_write32(d.bdf, o, v); break;
		case 3: pci_cf8_write32(d.bdf, o & 0xfc, v); break;
		case 4: (void)pci_read8(d.bdf, o); break;
		case 5: (void)pci_cf8_read32(d.bdf, o & 0xfc); break;
		case 6: (void)pci_read16(d.bdf, o); break;
		default: (void)pci_read32(d.bdf, o); break;
		}
	}
	pci_cf8_write32(d.bdf, PCI_COMMAND, 0);
	for (unsigned int i = 4; i < 10; i++)
		pci_cf8_write32(d.bdf, i * 4, saved[i]);
	pci_cf8_write32(d.bdf, PCI_COMMAND, saved[1]);
	for (unsigned int i = 0; i < 10; i++)
		if (i != 1 && i != 3)	/* cache line size is a plain byte */
			check_eq(pci_read32(d.bdf, i * 4), saved[i]);
	check(virtio_map(&d));
	check(virtio_reset(&d, END_MS));
	end();
}

static void device(const struct unit *u)
{
	if (!virtio_find(&d, u->kind, u->nth))
		return;
	print("# %s\n", u->name);
	found++;
	/* Not each device's own: by "turns" of every third. */
	if (!cmdline_has("turns") || found % 3 == 1) {
		areas();
		sizes();
		absent_queues();
	}
	config_flood();
	noise_bar(cmdline_num("writes", 20000));
	noise_config(cmdline_num("writes", 20000) / 4);
}

void guest_main(void)
{
	struct blk b;

	ring = (uintptr_t)alloc(3 * PAGE, PAGE);
	for (unsigned int i = 0; i < UNITS; i++)
		device(&units[i]);
	begin("all-there");
	check_eq(found, cmdline_num("kinds", found));
	end();
	if (blk_open(&b, 0, F_INDIRECT))
		changed_later(&b);
	begin("works-at-the-end");
	check(blk_open(&b, 0, F_INDIRECT) && blk_works(&b, 7));
	end();
}
