/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI and the virtio-pci register file, through the buses as a guest sees them,
 * with a hypervisor that takes notes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fake_hv.h"
#include "vcpu-worker/virtio_pci.h"

#define ECAM 0xe8000000ull
#define LOW 0xc0000000ull
#define HIGH 0x4000000000ull
#define BDF (2 << 3)
#define CONFIG (ECAM + (BDF << 12))
#define GSI 24
#define NQUEUES 3
#define FEATURES (1ull << 32 | 1ull << 28 | 1ull << 5)
#define MSIX_TABLE 0x4000
#define MSIX_PBA 0x5000
#define MSIX_CTRL 0x42

static struct bus ports, mmio;
static struct pci_host host;
static struct virtio_pci vp, other;
static int kick[NQUEUES], call[NQUEUES], config_call;
static unsigned int wakes, resets;
static uint64_t bar;

static void
wake(void *owner)
{
	(void)owner;
	wakes++;
}

static void
on_reset(void *owner)
{
	(void)owner;
	resets++;
}

static uint64_t
rd(uint64_t addr, uint32_t len)
{
	uint8_t data[8];

	bus_read(&mmio, addr, data, len);
	return bus_get(data, len);
}

static void
wr(uint64_t addr, uint32_t len, uint64_t value)
{
	uint8_t data[8];

	bus_put(data, len, value);
	bus_write(&mmio, addr, data, len);
}

static int
make(struct virtio_pci *to, uint16_t bdf, uint32_t gsi)
{
	static const uint8_t config[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct virtio_pci_config c = {
		.bdf = bdf, .virtio_id = 2, .features = FEATURES | 1ull << 40,
		.nqueues = NQUEUES, .config_call = config_call,
		.first_gsi = gsi, .config = config, .config_len = 12,
	};

	for (int q = 0; q < NQUEUES; q++) {
		c.queue_max[q] = 64;
		c.kick[q] = kick[q];
		c.call[q] = call[q];
	}
	return virtio_pci_init(to, &host, NULL, &c, wake, NULL);
}

static int
set_up(void **state)
{
	const struct pci_window low = { LOW, 0x28000000 };
	const struct pci_window high = { HIGH, 1ull << 30 };

	(void)state;
	memset(&ports, 0, sizeof(ports));
	memset(&mmio, 0, sizeof(mmio));
	fake_hv_clear();
	wakes = resets = 0;
	for (int q = 0; q < NQUEUES; q++) {
		kick[q] = eventfd(0, EFD_NONBLOCK);
		call[q] = eventfd(0, EFD_NONBLOCK);
	}
	config_call = eventfd(0, EFD_NONBLOCK);
	pci_host_init(&host, &low, &high, on_reset, NULL);
	assert_true(pci_add_segment(&host, &low));
	assert_int_equal(pci_host_attach(&host, &ports, &mmio, ECAM,
	    0x10000000), 0);
	assert_int_equal(make(&vp, BDF, GSI), 0);
	pci_host_finish(&host);
	bar = rd(CONFIG + 0x10, 4) & ~0xfull;
	assert_int_equal(bar, LOW);
	wr(CONFIG + 4, 2, 6);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (int q = 0; q < NQUEUES; q++) {
		close(kick[q]);
		close(call[q]);
	}
	close(config_call);
	assert_int_equal(fake_hv.mistakes, 0);
	return 0;
}

static bool
signalled(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n);
}

static void
signal_fd(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

/* Up to FEATURES_OK with @features. */
static void
negotiate(uint64_t features)
{
	wr(bar + 0x14, 1, 1);
	wr(bar + 0x14, 1, 3);
	for (uint32_t i = 0; i < 2; i++) {
		wr(bar + 8, 4, i);
		wr(bar + 0xc, 4, features >> (32 * i) & 0xffffffff);
	}
	wr(bar + 0x14, 1, 0xb);
}

static void
enable_queue(uint16_t q, uint16_t size)
{
	wr(bar + 0x16, 2, q);
	wr(bar + 0x18, 2, size);
	wr(bar + 0x20, 8, 0x10000 + q * 0x3000ull);
	wr(bar + 0x28, 4, 0x11000 + q * 0x3000u);
	wr(bar + 0x2c, 4, 0);
	wr(bar + 0x30, 8, 0x12000 + q * 0x3000ull);
	wr(bar + 0x1c, 2, 1);
}

static void
start(void)
{
	negotiate(1ull << 32);
	enable_queue(0, 16);
	enable_queue(2, 64);
	wr(bar + 0x14, 1, 0xf);
}

static void
test_config_space(void **state)
{
	uint8_t data[4];

	(void)state;
	assert_int_equal(rd(CONFIG, 4), 0x10421af4);
	assert_int_equal(rd(ECAM, 4), 0x0d578086);
	assert_int_equal(rd(CONFIG + 8, 4) & 0xff, 1);
	assert_int_equal(rd(CONFIG + 6, 2) & 0x10, 0x10);
	/* Nobody there, on this bus or another. */
	assert_int_equal(rd(ECAM + (1 << 15), 4), 0xffffffff);
	assert_int_equal(rd(ECAM + (1 << 20) + (BDF << 12), 4), 0xffffffff);
	/* Identity is not writable; no more than 256 bytes are there. */
	wr(CONFIG, 4, 0x12345678);
	assert_int_equal(rd(CONFIG, 4), 0x10421af4);
	assert_int_equal(rd(CONFIG + 0x100, 4), 0);
	assert_int_equal(rd(CONFIG + 0xffe, 2), 0);
	wr(CONFIG + 0xfe, 8, ~0ull);
	/* The ports reach the same. */
	bus_put(data, 4, 0x80000000u | BDF << 8 | 0x2c);
	bus_write(&ports, 0xcf8, data, 4);
	bus_read(&ports, 0xcfe, data, 2);
	assert_int_equal(bus_get(data, 2), rd(CONFIG + 0x2e, 2));
	bus_put(data, 4, BDF << 8);
	bus_write(&ports, 0xcf8, data, 4);
	bus_read(&ports, 0xcfc, data, 4);
	assert_int_equal(bus_get(data, 4), 0xffffffff);
	data[0] = 0x2;
	bus_write(&ports, 0xcf9, data, 1);
	assert_int_equal(resets, 0);
	data[0] = 0x6;
	bus_write(&ports, 0xcf9, data, 1);
	assert_int_equal(resets, 1);
}

static void
test_functions(void **state)
{
	(void)state;
	assert_int_equal(make(&other, BDF, GSI + 8), -EEXIST);
	/* In no segment that there is. */
	assert_int_equal(make(&other, 0x108, GSI + 8), -EINVAL);
	assert_int_equal(make(&other, BDF + 8, GSI + 8), 0);
	pci_host_finish(&host);
	assert_int_equal(rd(CONFIG + 0xe, 1), 0);
	/* Two BARs do not overlap (one was given up above). */
	assert_int_not_equal(rd(CONFIG + 0x8010, 4), rd(CONFIG + 0x10, 4));
}

static uint64_t
port_config(uint16_t bdf, uint32_t reg)
{
	uint8_t data[8];

	bus_put(data, 4, 0x80000000u | (uint32_t)bdf << 8 | reg);
	bus_write(&ports, 0xcf8, data, 4);
	memset(data, 0, sizeof(data));
	bus_read(&ports, 0xcfc, data, 4);
	return bus_get(data, 4);
}

/* A bus of its own, BARs in its own part of the window, and not by the ports. */
static void
test_segments(void **state)
{
	const struct pci_window part = { 0xd0000000, 0x100000 };
	const struct pci_window none = { 0x1000, 0x1000 };

	(void)state;
	host.live = false;
	assert_int_equal(make(&other, 0x108, GSI + 8), -ENOSPC);
	assert_false(pci_add_segment(&host, &none));
	assert_true(pci_add_segment(&host, &part));
	assert_int_equal(make(&other, 0x100 | BDF, GSI + 8), 0);
	assert_int_equal(rd(CONFIG + 0x100000, 2), 0x1af4);
	assert_int_equal(rd(CONFIG + 0x100010, 4) & ~0xfu, part.base);
	assert_int_equal(rd(CONFIG + 0x200000, 4), 0xffffffff);
	assert_int_equal(port_config(0x100 | BDF, 0), 0xffffffff);
	assert_int_equal(port_config(BDF, 0), rd(CONFIG, 4));
	for (uint32_t i = 2; i < PCI_MAX_SEGMENTS; i++)
		assert_true(pci_add_segment(&host, &part));
	assert_false(pci_add_segment(&host, &part));
}

/* Every capability in the list, by type; checks that the list ends. */
static void
test_capabilities(void **state)
{
	uint32_t seen = 0, at = (uint32_t)rd(CONFIG + 0x34, 1), n = 0;

	(void)state;
	while (at != 0 && n++ < 48) {
		uint32_t id = (uint32_t)rd(CONFIG + at, 1);

		if (id == 9) {
			uint32_t off = (uint32_t)rd(CONFIG + at + 8, 4);
			uint32_t len = (uint32_t)rd(CONFIG + at + 12, 4);

			seen |= 1u << rd(CONFIG + at + 3, 1);
			assert_true(off + len <= VIRTIO_PCI_BAR_SIZE);
			assert_int_equal(rd(CONFIG + at + 4, 1), 0);
		} else {
			assert_int_equal(id, 0x11);
			assert_int_equal(rd(CONFIG + at + 2, 2) & 0x7ff,
			    NQUEUES);
		}
		at = (uint32_t)rd(CONFIG + at + 1, 1);
	}
	assert_int_equal(at, 0);
	assert_int_equal(seen, 0x3e);
}

static void
test_bar(void **state)
{
	(void)state;
	/* Size, as a guest finds it. */
	wr(CONFIG + 4, 2, 0);
	assert_int_equal(rd(bar + 0x12, 2), 0xffff);
	wr(CONFIG + 0x10, 4, 0xffffffff);
	wr(CONFIG + 0x14, 4, 0xffffffff);
	assert_int_equal(rd(CONFIG + 0x10, 4), 0xffff8004);
	assert_int_equal(rd(CONFIG + 0x14, 4), 0xffffffff);
	/* Into the other window, and read there. */
	wr(CONFIG + 0x10, 4, (uint32_t)(HIGH + 0x10000));
	wr(CONFIG + 0x14, 4, HIGH >> 32);
	assert_int_equal(rd(HIGH + 0x10012, 2), 0xffff);
	wr(CONFIG + 4, 2, 2);
	assert_int_equal(rd(HIGH + 0x10012, 2), NQUEUES);
	assert_int_equal(rd(bar + 0x12, 2), 0xffff);
	/* Where no window is: nowhere. */
	wr(CONFIG + 0x14, 4, 0x7f);
	assert_int_equal(vp.fn.bar_base, PCI_UNMAPPED);
	wr(CONFIG + 0x14, 4, 0);
	wr(CONFIG + 0x10, 4, 0xfee00000);
	assert_int_equal(vp.fn.bar_base, PCI_UNMAPPED);
	/* At the very end of a window, and one too far. */
	wr(CONFIG + 0x10, 4, LOW + 0x28000000 - 0x8000);
	assert_int_equal(rd(LOW + 0x28000000 - 0x8000 + 0x12, 2), NQUEUES);
}

static void
test_features(void **state)
{
	(void)state;
	wr(bar, 4, 1);
	assert_int_equal(rd(bar + 4, 4), 1);	/* not RING_RESET */
	wr(bar, 4, 0);
	assert_int_equal(rd(bar + 4, 4), 1u << 28 | 1u << 5);
	wr(bar, 4, 2);
	assert_int_equal(rd(bar + 4, 4), 0);
	/* Without VERSION_1, and with one that is not offered: refused. */
	negotiate(1ull << 28);
	assert_int_equal(rd(bar + 0x14, 1), 3);
	negotiate(1ull << 32 | 1);
	assert_int_equal(rd(bar + 0x14, 1), 3);
	/* DRIVER_OK without FEATURES_OK does not come through either. */
	wr(bar + 0x14, 1, 0xf);
	assert_int_equal(rd(bar + 0x14, 1), 3);
	assert_false(vp.active);
	negotiate(1ull << 32 | 1ull << 28);
	assert_int_equal(rd(bar + 0x14, 1), 0xb);
	/* Fixed from here on. */
	wr(bar + 8, 4, 0);
	wr(bar + 0xc, 4, 0);
	assert_int_equal(rd(bar + 0xc, 4), 1u << 28);
	/* Bits are set, never cleared, and NEEDS_RESET is not the driver's. */
	wr(bar + 0x14, 1, 0x40);
	assert_int_equal(rd(bar + 0x14, 1), 0xb);
}

static void
test_queues(void **state)
{
	(void)state;
	/* Not before FEATURES_OK. */
	enable_queue(0, 16);
	assert_int_equal(rd(bar + 0x1c, 2), 0);
	negotiate(1ull << 32);
	wr(bar + 0x16, 2, 1);
	assert_int_equal(rd(bar + 0x18, 2), 64);
	wr(bar + 0x18, 2, 128);
	wr(bar + 0x18, 2, 0);
	wr(bar + 0x18, 2, 24);
	assert_int_equal(rd(bar + 0x18, 2), 64);
	assert_int_equal(rd(bar + 0x1e, 2), 1);
	wr(bar + 0x1c, 2, 2);
	assert_int_equal(rd(bar + 0x1c, 2), 0);
	wr(bar + 0x20, 4, 0x12345000);
	wr(bar + 0x24, 4, 0x9);
	assert_int_equal(rd(bar + 0x20, 8), 0x912345000);
	assert_int_equal(rd(bar + 0x24, 4), 9);
	/* Odd widths and places hit nothing. */
	wr(bar + 0x21, 4, ~0u);
	wr(bar + 0x20, 2, 0xffff);
	wr(bar + 0x36, 4, 0xffffffff);
	assert_int_equal(rd(bar + 0x20, 8), 0x912345000);
	assert_int_equal(rd(bar + 0x30, 8), 0);
	wr(bar + 0x1c, 2, 1);
	assert_int_equal(rd(bar + 0x1c, 2), 1);
	wr(bar + 0x20, 8, 0);
	wr(bar + 0x18, 2, 8);
	assert_int_equal(rd(bar + 0x20, 8), 0x912345000);
	assert_int_equal(rd(bar + 0x18, 2), 64);
	/* A queue that is not there. */
	wr(bar + 0x16, 2, NQUEUES);
	assert_int_equal(rd(bar + 0x18, 2), 0);
	wr(bar + 0x1c, 2, 1);
	wr(bar + 0x20, 8, 1);
	wr(bar + 0x1a, 2, 0);
	assert_int_equal(rd(bar + 0x1c, 2), 0);
	assert_int_equal(rd(bar + 0x1a, 2), MSIX_NO_VECTOR);
}

static void
test_activation(void **state)
{
	struct virtio_pci_post p;

	(void)state;
	start();
	assert_int_equal(wakes, 1);
	assert_true(virtio_pci_take(&vp, &p));
	assert_int_equal(p.kind, VIRTIO_POST_ACTIVATE);
	assert_false(virtio_pci_take(&vp, &p));
	/* What is written afterwards changes nothing. */
	enable_queue(1, 8);
	enable_queue(0, 8);
	assert_int_equal(vp.activation.nqueues, 2);
	assert_int_equal(vp.activation.queue[0].size, 16);
	assert_int_equal(vp.activation.queue[1].index, 2);
	assert_int_equal(vp.activation.queue[1].device, 0x12000 + 2 * 0x3000);
	wr(bar + 0x14, 1, 0xf);
	assert_false(virtio_pci_take(&vp, &p));
}

static void
test_kicks(void **state)
{
	(void)state;
	wr(bar + 0x3000, 2, 0);
	start();
	assert_false(signalled(kick[0]));	/* before DRIVER_OK */
	assert_int_equal(fake_hv.nio, 2);
	assert_int_equal(fake_hv_io_at(bar + 0x3000), kick[0]);
	assert_int_equal(fake_hv_io_at(bar + 0x3008), kick[2]);
	/* They follow the BAR. */
	wr(CONFIG + 0x10, 4, LOW + 0x100000);
	assert_int_equal(fake_hv.nio, 2);
	assert_int_equal(fake_hv_io_at(LOW + 0x103000), kick[0]);
	wr(CONFIG + 4, 2, 0);
	assert_int_equal(fake_hv.nio, 0);
	fake_hv.refuse_ioeventfd = true;
	wr(CONFIG + 4, 2, 2);
	bar = LOW + 0x100000;
	/* By the register then; a disabled queue and none are left alone. */
	wr(bar + 0x3008, 2, 2);
	assert_true(signalled(kick[2]));
	wr(bar + 0x3004, 2, 1);
	wr(bar + 0x3002, 2, 0);
	wr(bar + 0x3000 + 4 * NQUEUES, 2, NQUEUES);
	wr(bar + 0x3ffc, 4, 0);
	assert_false(signalled(kick[1]));
	assert_false(signalled(kick[0]));
}

static void
test_reset(void **state)
{
	struct virtio_pci_post p;

	(void)state;
	start();
	wr(bar + 0x14, 1, 0);
	assert_int_equal(fake_hv.nio, 0);
	/* The activation that nobody saw is of no use any more. */
	assert_true(virtio_pci_take(&vp, &p));
	assert_int_equal(p.kind, VIRTIO_POST_RESET);
	assert_int_equal(rd(bar + 0x14, 1), 0xf);
	wr(bar + 0x14, 1, 0);
	wr(bar + 0x14, 1, 1);
	wr(bar + 0x2000, 4, 1);
	assert_false(virtio_pci_take(&vp, &p));
	virtio_pci_reset_done(&vp);
	assert_int_equal(rd(bar + 0x14, 1), 0);
	wr(bar + 0x16, 2, 0);
	assert_int_equal(rd(bar + 0x1c, 2), 0);
	assert_int_equal(rd(bar + 0x20, 8), 0);
	/* And again from the start. */
	start();
	assert_true(virtio_pci_take(&vp, &p));
	assert_int_equal(p.kind, VIRTIO_POST_ACTIVATE);
	/* Of a device that nobody touched there is nothing to tell. */
	wr(bar + 0x14, 1, 0);
	virtio_pci_reset_done(&vp);
	virtio_pci_take(&vp, &p);
	wr(bar + 0x14, 1, 0);
	assert_false(virtio_pci_take(&vp, &p));
}

static void
test_device_config(void **state)
{
	uint8_t config[DEVICE_LIMIT_CONFIG];
	struct virtio_pci_post p;
	uint64_t generation = rd(bar + 0x15, 1);
	unsigned int n = 0;

	(void)state;
	assert_int_equal(rd(bar + 0x2000, 4), 0x04030201);
	assert_int_equal(rd(bar + 0x2008, 8), 9);
	assert_int_equal(rd(bar + 0x200c, 4), 0);
	assert_int_equal(rd(bar + 0x2ffe, 4), 0);	/* over a region's end */
	memset(config, 0x55, sizeof(config));
	virtio_pci_config_changed(&vp, config, sizeof(config), true);
	assert_false(signalled(config_call));	/* no driver yet */
	assert_int_equal(rd(bar + 0x2000, 4), 0x55555555);
	assert_int_equal(rd(bar + 0x200c, 4), 0);
	assert_int_equal(rd(bar + 0x15, 1), generation + 1);
	/* Writes are posted, if a worker can take them. */
	wr(bar + 0x2004, 2, 0xabcd);
	assert_true(virtio_pci_take(&vp, &p));
	assert_int_equal(p.kind, VIRTIO_POST_CONFIG);
	assert_int_equal(p.offset, 4);
	assert_int_equal(p.len, 2);
	assert_int_equal(bus_get(p.data, 2), 0xabcd);
	/* Of odd lengths byte by byte. */
	wr(bar + 0x2004, 3, 0x030201);
	for (uint8_t i = 0; i < 3; i++) {
		assert_true(virtio_pci_take(&vp, &p));
		assert_int_equal(p.offset, 4 + i);
		assert_int_equal(p.len, 1);
		assert_int_equal(p.data[0], i + 1);
	}
	wr(bar + 0x200a, 4, 0);
	wr(bar + 0x2100, 1, 0);
	assert_false(virtio_pci_take(&vp, &p));
	/* A flood is bounded. */
	for (int i = 0; i < 1000; i++)
		wr(bar + 0x2000, 1, 0);
	while (virtio_pci_take(&vp, &p))
		n++;
	assert_int_equal(n, VIRTIO_PCI_MAX_POSTS);
}

/* ---- MSI-X ---- */

static void
set_vector(uint32_t v, uint32_t control)
{
	uint64_t at = bar + MSIX_TABLE + v * 16ull;

	wr(at, 4, 0xfee00000 | v << 12);
	wr(at + 4, 4, 0);
	wr(at + 8, 4, 0x30 + v);
	wr(at + 12, 4, control);
}

static void
bind_queue(uint16_t q, uint16_t vector)
{
	wr(bar + 0x16, 2, q);
	wr(bar + 0x1a, 2, vector);
}

static void
test_msix(void **state)
{
	(void)state;
	assert_int_equal(rd(bar + MSIX_TABLE + 12, 4), 1);
	set_vector(0, 0);
	set_vector(1, 1);
	bind_queue(0, 0);
	bind_queue(1, 1);
	bind_queue(2, NQUEUES + 1);
	assert_int_equal(rd(bar + 0x1a, 2), MSIX_NO_VECTOR);
	wr(bar + 0x10, 2, 0);
	assert_int_equal(rd(bar + 0x10, 2), 0);
	assert_int_equal(fake_hv.commits, 0);	/* MSI-X is off */
	wr(CONFIG + MSIX_CTRL, 2, 0xc000);
	assert_int_equal(fake_hv.commits, 0);	/* function masked */
	wr(CONFIG + MSIX_CTRL, 2, 0x8000);
	assert_int_equal(rd(CONFIG + MSIX_CTRL, 2), 0x8000 | NQUEUES);
	assert_int_equal(fake_hv.commits, 1);	/* for two sources at once */
	assert_int_equal(fake_hv.irqfd[GSI], call[0]);
	assert_int_equal(fake_hv.irqfd[GSI + 1], -1);
	assert_int_equal(fake_hv.irqfd[GSI + NQUEUES], config_call);
	assert_int_equal(fake_hv.route[GSI].data, 0x30);
	/* A live vector that is changed. */
	wr(bar + MSIX_TABLE + 8, 4, 0x77);
	assert_int_equal(fake_hv.route[GSI].data, 0x77);
	/* No vector: off. */
	bind_queue(0, MSIX_NO_VECTOR);
	assert_int_equal(fake_hv.irqfd[GSI], -1);
	wr(CONFIG + MSIX_CTRL, 2, 0);
	assert_int_equal(fake_hv.irqfd[GSI + NQUEUES], -1);
}

static void
test_msix_masked(void **state)
{
	(void)state;
	set_vector(0, 1);
	set_vector(2, 0);
	bind_queue(0, 0);
	bind_queue(1, 0);
	bind_queue(2, 2);
	wr(CONFIG + MSIX_CTRL, 2, 0x8000);
	assert_int_equal(rd(bar + MSIX_PBA, 8), 0);
	signal_fd(call[1]);
	assert_int_equal(rd(bar + MSIX_PBA, 8), 1);
	assert_int_equal(rd(bar + MSIX_PBA, 4), 1);	/* and stays */
	assert_int_equal(fake_hv.nmsis, 0);
	/* Unmasked: fires once, for both of its queues. */
	wr(bar + MSIX_TABLE + 12, 4, 0);
	assert_int_equal(fake_hv.nmsis, 1);
	assert_int_equal(fake_hv.last_msi.data, 0x30);
	assert_int_equal(rd(bar + MSIX_PBA, 8), 0);
	assert_int_equal(fake_hv.irqfd[GSI], call[0]);
	assert_int_equal(fake_hv.irqfd[GSI + 1], call[1]);
	/* The function's mask does the same; nobody looked at the PBA. */
	wr(CONFIG + MSIX_CTRL, 2, 0xc000);
	assert_int_equal(fake_hv.irqfd[GSI + 2], -1);
	signal_fd(call[2]);
	wr(CONFIG + MSIX_CTRL, 2, 0x8000);
	assert_int_equal(fake_hv.nmsis, 2);
	assert_int_equal(fake_hv.last_msi.data, 0x32);
	assert_false(signalled(call[2]));
	/* A reset takes irqfds and signals away. */
	wr(bar + 0x14, 1, 1);
	wr(bar + 0x14, 1, 0);
	assert_int_equal(fake_hv.irqfd[GSI], -1);
	signal_fd(call[0]);
	virtio_pci_reset_done(&vp);
	assert_false(signalled(call[0]));
}

static void
test_msix_edges(void **state)
{
	(void)state;
	/* Widths and places of which the table knows nothing. */
	wr(bar + MSIX_TABLE, 2, 0xffff);
	wr(bar + MSIX_TABLE + 2, 4, 0xffffffff);
	assert_int_equal(rd(bar + MSIX_TABLE, 8), 0);
	wr(bar + MSIX_TABLE + 16 * (NQUEUES + 1), 4, ~0u);
	assert_int_equal(rd(bar + MSIX_TABLE + 16 * (NQUEUES + 1), 4), 0);
	wr(bar + MSIX_TABLE, 8, 0x1122334455667788);
	assert_int_equal(rd(bar + MSIX_TABLE + 4, 4), 0x11223344);
	wr(bar + MSIX_TABLE + 8, 8, 0xffffffff00000042);
	assert_int_equal(rd(bar + MSIX_TABLE + 12, 4), 1);
	assert_int_equal(rd(bar + MSIX_PBA + 0xff8, 8), 0);
	wr(bar + MSIX_PBA, 8, ~0ull);
	assert_int_equal(rd(bar + MSIX_PBA, 8), 0);
}

static void
test_isr(void **state)
{
	(void)state;
	start();
	assert_int_equal(rd(bar + 0x1000, 1), 0);
	signal_fd(call[2]);
	assert_int_equal(rd(bar + 0x1000, 1), 1);
	signal_fd(config_call);
	assert_int_equal(rd(bar + 0x1000, 1), 2);
	assert_int_equal(rd(bar + 0x1000, 1), 0);
}

static void
test_needs_reset(void **state)
{
	struct virtio_pci_post p;

	(void)state;
	start();
	virtio_pci_take(&vp, &p);
	virtio_pci_needs_reset(&vp);
	assert_int_equal(rd(bar + 0x14, 1), 0x4f);
	assert_true(signalled(config_call));
	virtio_pci_config_changed(&vp, (const uint8_t *)"", 0, true);
	assert_true(signalled(config_call));
	wr(bar + 0x14, 1, 0);
	virtio_pci_take(&vp, &p);
	/* About the driver that is gone already. */
	virtio_pci_needs_reset(&vp);
	virtio_pci_reset_done(&vp);
	assert_int_equal(rd(bar + 0x14, 1), 0);
	/* The worker dies for good. */
	start();
	virtio_pci_lost(&vp);
	assert_int_equal(rd(bar + 0x14, 1), 0x4f);
	assert_int_equal(rd(bar + 0x2000, 4), 0x04030201);
	assert_false(virtio_pci_take(&vp, &p));
	wr(bar + 0x14, 1, 0);
	assert_int_equal(rd(bar + 0x14, 1), 0);
	negotiate(1ull << 32);
	assert_int_equal(rd(bar + 0x14, 1), 3);
	assert_false(virtio_pci_take(&vp, &p));
	/* ... while a reset waits for it. */
	vp.dead = false;
	wr(bar + 0x14, 1, 0);
	assert_int_equal(rd(bar + 0x14, 1), 3);
	virtio_pci_lost(&vp);
	assert_int_equal(rd(bar + 0x14, 1), 0x40);
}

/* A worker that is like the one that the device was made with. */
static int
replaced(uint32_t virtio_id, uint64_t features, uint16_t first_queue)
{
	uint32_t queue_max[NQUEUES];

	for (uint32_t q = 0; q < NQUEUES; q++)
		queue_max[q] = vp.queue[q].max;
	queue_max[0] = first_queue;
	return virtio_pci_replaced(&vp, virtio_id, features, NQUEUES,
	    queue_max, vp.config, vp.config_len);
}

static void
test_replaced(void **state)
{
	const uint32_t id = pci_get16(&vp.fn, PCI_CFG_DEVICE) - 0x1040u;
	const uint16_t size = vp.queue[0].max;
	struct virtio_pci_post p;

	(void)state;
	start();
	while (virtio_pci_take(&vp, &p))
		;
	virtio_pci_hangup(&vp);
	/* The driver sees nothing of it, */
	assert_int_equal(rd(bar + 0x14, 1), 0x0f);
	/* nor of one that is not the same device. */
	assert_int_equal(replaced(id + 1, vp.features, size), -EINVAL);
	assert_int_equal(replaced(id, vp.features & ~(1ull << 32), size),
	    -EINVAL);
	assert_int_equal(replaced(id, vp.features, (uint16_t)(size / 2)),
	    -EINVAL);
	assert_false(virtio_pci_take(&vp, &p));
	assert_int_equal(replaced(id, vp.features, size), 0);
	assert_true(virtio_pci_take(&vp, &p));
	assert_int_equal(p.kind, VIRTIO_POST_RESUME);
	assert_false(virtio_pci_take(&vp, &p));
	/* A reset meanwhile waits for the next worker. */
	virtio_pci_hangup(&vp);
	wr(bar + 0x14, 1, 0);
	assert_int_equal(rd(bar + 0x14, 1), 0x0f);
	assert_false(virtio_pci_take(&vp, &p));
	assert_int_equal(replaced(id, vp.features, size), 0);
	assert_true(virtio_pci_take(&vp, &p));
	assert_int_equal(p.kind, VIRTIO_POST_RESET);
	assert_int_equal(rd(bar + 0x14, 1), 0x0f);
	virtio_pci_reset_done(&vp);
	assert_int_equal(rd(bar + 0x14, 1), 0);
	/* Of a device without a driver there is nothing to tell. */
	virtio_pci_hangup(&vp);
	assert_int_equal(replaced(id, vp.features, size), 0);
	assert_false(virtio_pci_take(&vp, &p));
	virtio_pci_lost(&vp);
	assert_int_equal(replaced(id, vp.features, size), -EINVAL);
}

static void
test_config_access(void **state)
{
	const uint64_t cap = CONFIG + 0x98;

	(void)state;
	wr(CONFIG + 4, 2, 0);		/* needs no BAR */
	wr(cap + 8, 4, 0x12);
	wr(cap + 12, 4, 2);
	assert_int_equal(rd(cap + 16, 2), NQUEUES);
	wr(cap + 8, 4, 0x14);
	wr(cap + 12, 4, 1);
	wr(cap + 16, 1, 1);
	assert_int_equal(vp.status, 1);
	/* Not a BAR of ours, not a width, not aligned, not inside. */
	wr(cap + 4, 1, 1);
	wr(cap + 16, 1, 3);
	wr(cap + 4, 1, 0);
	wr(cap + 12, 4, 3);
	wr(cap + 16, 1, 3);
	wr(cap + 12, 4, 4);
	wr(cap + 8, 4, 0x12);
	wr(cap + 16, 4, 3);
	wr(cap + 8, 4, 0x80000000);
	wr(cap + 16, 4, 3);
	assert_int_equal(vp.status, 1);
	wr(cap + 8, 4, VIRTIO_PCI_BAR_SIZE - 4);
	assert_int_equal(rd(cap + 16, 4), 0);
}

static void
test_refused(void **state)
{
	struct virtio_pci_config c = {
		.bdf = 0x20, .virtio_id = 2, .features = 1ull << 32,
	};

	(void)state;
	c.features = 1;
	assert_int_equal(virtio_pci_init(&other, &host, NULL, &c, wake, NULL),
	    -EINVAL);
	c.features = 1ull << 32;
	c.virtio_id = 0;
	assert_int_equal(virtio_pci_init(&other, &host, NULL, &c, wake, NULL),
	    -EINVAL);
	c.virtio_id = 2;
	c.nqueues = VIRTIO_PCI_MAX_QUEUES + 1;
	assert_int_equal(virtio_pci_init(&other, &host, NULL, &c, wake, NULL),
	    -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_config_space), T(test_functions), T(test_segments), T(test_capabilities),
		T(test_bar), T(test_features), T(test_queues),
		T(test_activation), T(test_kicks), T(test_reset),
		T(test_device_config), T(test_msix), T(test_msix_masked),
		T(test_msix_edges), T(test_isr), T(test_needs_reset),
		T(test_config_access), T(test_refused),
		T(test_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
