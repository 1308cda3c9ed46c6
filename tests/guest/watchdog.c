/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that serves its watchdog, and then hangs: sector 100 of the disk counts its
 * lives. "i6300esb": that one, by its registers; else virtio's, which is told to wait
 * for "timeout=" ms. The second life switches it off again, and is not reset; "calm": so
 * does the first; "short": the second does nothing.
 */
#include "lib/blk.h"

#define CFG_WDT 0x60
#define CFG_LOCK 0x68
#define LOCK_ENABLE 2
#define REG_RELOAD 0xc
#define RELOAD 0x100
#define TIMED_OUT 0x200

static uintptr_t bar;
static uint16_t bdf;
static struct vdev wd;
static struct vq q;

static void unlock(void)
{
	write16(bar + REG_RELOAD, 0x80);
	write16(bar + REG_RELOAD, 0x86);
}

static void preload(uint32_t first, uint32_t second)
{
	unlock();
	write32(bar, first);
	unlock();
	write32(bar + 4, second);
}

static void reload(uint16_t value)
{
	unlock();
	write16(bar + REG_RELOAD, value);
}

static bool find_registers(void)
{
	for (bdf = 0; bdf < 256; bdf++)
		if (pci_read32(bdf, 0) == 0x25ab8086u)
			break;
	if (bdf == 256)
		return false;
	pci_write16(bdf, PCI_COMMAND, PCI_COMMAND_MEMORY);
	bar = pci_read32(bdf, PCI_BAR0) & ~0xfu;
	return true;
}

/* What is locked stays, what is not known does nothing. */
static void registers(void)
{
	begin("registers");
	check_eq(pci_bar_size(bdf, 0), 16);
	check_eq(read32(bar), 0xfffff);
	write32(bar, 5);
	check_eq(read32(bar), 0xfffff);
	write16(bar + REG_RELOAD, 0x86);
	write32(bar, 5);
	check_eq(read32(bar), 0xfffff);
	unlock();
	write8(bar + 8, 1);
	write32(bar, 5);
	check_eq(read32(bar), 0xfffff);
	unlock();
	write32(bar, 0xfff12345);
	check_eq(read32(bar), 0x12345);
	write32(bar, 7);
	check_eq(read32(bar), 0x12345);
	pci_write16(bdf, CFG_WDT, 0xffff);
	check_eq(pci_read16(bdf, CFG_WDT), 0x27);
	pci_write16(bdf, CFG_WDT, 3);
	check_eq(pci_read8(bdf, CFG_LOCK), 0);
	end();
}

static void i6300esb(uint32_t life)
{
	check(find_registers());
	begin("cause");
	check_eq(read16(bar + REG_RELOAD), life == 0 ? 0 : TIMED_OUT);
	reload(TIMED_OUT);
	check_eq(read16(bar + REG_RELOAD), 0);
	end();
	if (life == 0)
		registers();
	begin(cmdline_has("calm") ? "switched-off" : "served");
	preload(200, 200);
	pci_write8(bdf, CFG_LOCK, LOCK_ENABLE);
	if (cmdline_has("calm") || life != 0) {
		pci_write8(bdf, CFG_LOCK, 0);
		delay_ms(600);
		/* With no output it is but a flag, in both ways to run. */
		pci_write16(bdf, CFG_WDT, 0x27);
		preload(20, 20);
		for (uint8_t way = LOCK_ENABLE; way <= 6; way += 4) {
			reload(TIMED_OUT);
			pci_write8(bdf, CFG_LOCK, way);
			delay_ms(200);
			check_eq(read16(bar + REG_RELOAD), TIMED_OUT);
			pci_write8(bdf, CFG_LOCK, 0);
		}
		end();
		return;
	}
	/* The second stage has begun each time, but for the first. */
	for (unsigned int i = 0; i < 3; i++) {
		delay_ms(i == 0 ? 100 : 250);
		reload(RELOAD);
	}
	/* Locked, it cannot be switched off. */
	pci_write8(bdf, CFG_LOCK, LOCK_ENABLE | 1);
	pci_write8(bdf, CFG_LOCK, 0);
	check_eq(pci_read8(bdf, CFG_LOCK), LOCK_ENABLE | 1);
	end();
}

static void ping(void)
{
	uint8_t *b = alloc(16, 16);
	struct buf v[2] = { BUF_OUT(b, 4), BUF_IN(b + 4, 8) };

	check_eq(vq_do(&q, v, 2, false), 1);
	check_eq(b[4], 1);
	check_eq(b[5], 0);
}

static void virtio(uint32_t life)
{
	const uint32_t ms = cmdline_num("timeout", 1000);
	uint8_t *b = alloc(16, 16);

	begin("served");
	check(virtio_find(&wd, VIRTIO_WATCHDOG, 0));
	check(virtio_negotiate(&wd, cmdline_has("packed") ? F_PACKED : 0));
	check(vq_setup(&q, &wd, 0, 0));
	check_eq(q.size, 8);
	virtio_driver_ok(&wd);
	/* Nothing that can be written to is no ping. */
	check_eq(vq_do(&q, &BUF_OUT(b, 4), 1, false), 0);
	if (cmdline_has("calm") || life != 0) {
		ping();
		check(virtio_reset(&wd, 1000));
		delay_ms(ms + ms / 4);
		end();
		return;
	}
	for (unsigned int i = 0; i < 3; i++) {
		ping();
		delay_ms(ms * 2 / 3);
	}
	ping();
	end();
}

void guest_main(void)
{
	static uint32_t sector[128];
	struct blk blk;
	uint32_t life;

	if (!blk_open(&blk, 0, 0) ||
	    blk_do(&blk, BLK_IN, 100, sector, 512) != BLK_OK) {
		begin("disk");
		fail("none found");
		end();
		return;
	}
	life = sector[0]++;
	print("# life %u\n", life);
	check(blk_do(&blk, BLK_OUT, 100, sector, 512) == BLK_OK);
	if (life != 0 && cmdline_has("short"))
		return;
	if (cmdline_has("i6300esb"))
		i6300esb(life);
	else
		virtio(life);
	if (life != 0 || cmdline_has("calm"))
		return;
	print("hangs\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}
