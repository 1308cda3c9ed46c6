/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI devices that come and go, by the registers behind \_SB.SLTS. A disk that has
 * come is used; a device that is asked to leave is let go, or with "keep" not. Says
 * what happens; the power button ends it. "play": ejects what it likes, and writes what
 * the registers do not know, first. "late=": looks at nothing for so many ms. "storm=":
 * so many CPUs (their ids from 0) write anything anywhere there, until the end. A slot of
 * segment n is said as n * 32 and more.
 */
#include "lib/blk.h"
#include "lib/window.h"

#define AP_PAGE 0x8000u
#define PORT_CAME (LAYOUT_PORT_SLOTS + 4)
#define PORT_LEAVES (LAYOUT_PORT_SLOTS + 8)
#define PORT_EJECT (LAYOUT_PORT_SLOTS + 12)

/* What the host wrote there is said, and something written. */
static void use_memory(struct vdev *d)
{
	static struct vq q;
	volatile uint8_t *m = (volatile uint8_t *)(uintptr_t)WINDOW;
	uint32_t *io = alloc(PAGE, 16);
	struct buf v[2] = { BUF_OUT(&io[0], 4), BUF_IN(&io[1], 4) };
	char text[16];

	check(virtio_negotiate(d, 0));
	check(vq_setup(&q, d, 0, 0));
	virtio_driver_ok(d);
	window_open(read32(d->config) | (uint64_t)read32(d->config + 4) << 32);
	for (uint32_t i = 0; i < sizeof(text); i++)
		text[i] = (char)m[i];
	text[sizeof(text) - 1] = '\0';
	memcpy((void *)(m + PAGE), "from the guest", 14);
	io[0] = 0;
	check_eq(vq_do(&q, v, 2, false), 4);
	check_eq(io[1], 0);
	print("slot %u is memory, %u bytes: %s\n", d->bdf >> 3, read32(d->config + 8),
	    text);
	virtio_reset(d, 1000);
}

static void use(uint16_t bdf)
{
	struct blk b = { .d = { .bdf = bdf } };
	struct vdev *d = &b.d;

	virtio_rescan();
	for (unsigned int n = 0; virtio_find(d, VIRTIO_PMEM, n); n++)
		if (d->bdf == bdf) {
			use_memory(d);
			return;
		}
	for (unsigned int n = 0; virtio_find(d, VIRTIO_BLK, n); n++) {
		if (d->bdf != bdf)
			continue;
		if (!blk_open(&b, n, BLK_F_FLUSH) || !blk_works(&b, 7))
			print("slot %u does not work\n", bdf >> 3);
		else
			print("slot %u works\n", bdf >> 3);
		virtio_reset(d, 1000);
		return;
	}
}

static unsigned int functions(void)
{
	uint16_t bdf[256];

	return pci_scan(bdf, 256);
}

static void scan(uint32_t segment, bool keep)
{
	uint32_t came, leaves;

	outl(LAYOUT_PORT_SLOTS, segment);
	came = inl(PORT_CAME);
	outl(PORT_CAME, came);
	leaves = inl(PORT_LEAVES);
	outl(PORT_LEAVES, leaves);
	check_eq(inl(PORT_CAME) & came, 0);
	for (uint32_t i = 1; i < 32; i++) {
		uint32_t slot = segment << 5 | i;
		uint16_t bdf = (uint16_t)(slot << 3);

		if (came & 1u << i) {
			print("slot %u has %x\n", slot, pci_read32(bdf, 0));
			pci_place(bdf);
			use(bdf);
		}
		if ((leaves & 1u << i) && !keep) {
			outl(PORT_EJECT, 1u << i);
			check_eq(pci_read32(bdf, 0), 0xffffffffu);
			check_eq(pci_cf8_read32(bdf, 0), 0xffffffffu);
			print("slot %u is let go\n", slot);
		} else if (leaves & 1u << i) {
			print("slot %u stays\n", slot);
		}
	}
}

static void play(void)
{
	unsigned int before = functions();

	for (uint32_t bus = 0; bus < 300; bus++) {
		outl(LAYOUT_PORT_SLOTS, bus == 299 ? UINT32_MAX : bus);
		for (uint32_t at = 0; at < 12; at++)
			(void)inl((uint16_t)(LAYOUT_PORT_SLOTS + at));
		outl(PORT_CAME, UINT32_MAX);
		outl(PORT_LEAVES, UINT32_MAX);
		outw(LAYOUT_PORT_SLOTS + 5, 0xffff);
		outb(LAYOUT_PORT_SLOTS + 15, 0xff);
		/* Its own bus is the last. */
		if (bus != 0)
			outl(PORT_EJECT, UINT32_MAX);
	}
	check_eq(functions(), before);
	outl(LAYOUT_PORT_SLOTS, 0);
	outl(PORT_EJECT, UINT32_MAX);
	outl(PORT_EJECT, UINT32_MAX);
	/* The host bridge stays. */
	check_eq(functions(), 1);
	print("played, functions %u\n", functions());
}

/* Some accesses of any size, to any of the registers and to what is in the slots. */
static void storm(uint32_t *seed)
{
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t r = *seed = *seed * 1664525u + 1013904223u;
		uint16_t port = (uint16_t)(LAYOUT_PORT_SLOTS + (r >> 8 & 15));
		uint16_t bdf = (uint16_t)(r >> 16 & 0xff);

		switch (r >> 28) {
		case 0: outb(port, (uint8_t)(r >> 12)); break;
		case 1: outw(port, (uint16_t)(r >> 12)); break;
		case 2: outl(port, r); break;
		case 3: (void)inb(port); break;
		case 4: (void)inw(port); break;
		case 5: (void)inl(port); break;
		case 6: outl(PORT_EJECT, 1u << (r >> 8 & 31)); break;
		case 7: outl(LAYOUT_PORT_SLOTS, r >> 8 & 1); break;
		case 8: pci_write16(bdf, PCI_COMMAND, (uint16_t)(r >> 8 & 7)); break;
		case 9: pci_write32(bdf, PCI_BAR0, r & 0xf0000000u); break;
		default: (void)pci_read32(bdf, r >> 8 & 0xfc); break;
		}
	}
}

void ap_main(uint32_t n);
void ap_main(uint32_t n)
{
	for (uint32_t seed = n + 1;;)
		storm(&seed);
}

static void storm_on_all(uint32_t cpus)
{
	extern const uint8_t ap_code[], ap_code_end[];
	uint32_t seed = 99;

	memcpy((void *)AP_PAGE, ap_code, (size_t)(ap_code_end - ap_code));
	print("storm\n");
	for (uint32_t id = 1; id < cpus; id++) {
		write32(LAYOUT_LAPIC + 0x310, id << 24);
		write32(LAYOUT_LAPIC + 0x300, 0x4500);			/* INIT */
		write32(LAYOUT_LAPIC + 0x300, 0x4600 | AP_PAGE >> 12);	/* SIPI */
	}
	while (!(inb(LAYOUT_PORT_GED) & LAYOUT_GED_POWER_BUTTON))
		storm(&seed);
	print("done\n");
	power_off();
}

void guest_main(void)
{
	bool keep = cmdline_has("keep");

	begin("hotplug");
	delay_ms(cmdline_num("late", 0));
	if (cmdline_has("play"))
		play();
	if (cmdline_num("storm", 0))
		storm_on_all(cmdline_num("storm", 0));
	print("functions %u\n", functions());
	for (;;) {
		uint8_t events = inb(LAYOUT_PORT_GED);

		if (events & LAYOUT_GED_PCI) {
			for (uint32_t i = 0; i < 3; i++)
				scan(i, keep);
			print("functions %u\n", functions());
		}
		if (events & LAYOUT_GED_POWER_BUTTON)
			break;
		delay_ms(1);
	}
	end();
	print("done\n");
	power_off();
}
