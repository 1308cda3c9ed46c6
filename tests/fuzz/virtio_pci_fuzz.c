/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest at the registers: reads and writes of any width at any place of
 * the ports and PCI memory, with a device worker that answers, changes its mind,
 * or dies in between. The input is a list of 12-byte operations. What must hold
 * after each: no irqfd or ioeventfd is assigned twice or taken off twice, an
 * activation has only queues that are there, with sizes in bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ipc/log.h"
#include "tests/unit/fake_hv.h"
#include "vcpu-worker/virtio_pci.h"

#define ECAM 0xe8000000ull
#define LOW 0xc0000000ull
#define HIGH 0x4000000000ull
#define NQUEUES 3
#define NDEVICES 2

static struct bus ports, mmio;
static struct pci_host host;
static struct virtio_pci device[NDEVICES];
static int fds[NDEVICES][2 * NQUEUES + 1];

static void
nothing(void *owner)
{
	(void)owner;
}

static void
set_up(void)
{
	const struct pci_window low = { LOW, 0x28000000 };
	const struct pci_window high = { HIGH, 1ull << 30 };
	static const uint8_t config[24];

	memset(&ports, 0, sizeof(ports));
	memset(&mmio, 0, sizeof(mmio));
	fake_hv_clear();
	pci_host_init(&host, &low, &high, nothing, NULL);
	(void)pci_add_segment(&host, &low);
	pci_host_attach(&host, &ports, &mmio, ECAM, 0x10000000);
	for (uint32_t d = 0; d < NDEVICES; d++) {
		struct virtio_pci_config c = {
			.bdf = (uint16_t)(8 + d), .virtio_id = 2,
			.features = 1ull << 32 | 1ull << 34 | 0xff,
			.nqueues = NQUEUES, .first_gsi = 24 + 8 * d,
			.config = config, .config_len = sizeof(config),
		};

		for (int i = 0; i < 2 * NQUEUES + 1; i++) {
			uint64_t n;

			if (fds[d][i] == 0)
				fds[d][i] = eventfd(0, EFD_NONBLOCK);
			(void)!read(fds[d][i], &n, sizeof(n));
		}
		for (int q = 0; q < NQUEUES; q++) {
			c.queue_max[q] = 256;
			c.kick[q] = fds[d][q];
			c.call[q] = fds[d][NQUEUES + q];
		}
		c.config_call = fds[d][2 * NQUEUES];
		if (virtio_pci_init(&device[d], &host, NULL, &c, nothing,
		    NULL) != 0)
			abort();
	}
	pci_host_finish(&host);
}

static void
worker_event(struct virtio_pci *vp, uint8_t what, uint64_t value)
{
	const uint64_t one = 1;
	struct virtio_pci_post p;
	uint8_t config[DEVICE_LIMIT_CONFIG];

	switch (what % 8) {
	case 0:
		while (virtio_pci_take(vp, &p))
			if (p.kind == VIRTIO_POST_CONFIG && (p.len > 8 ||
			    p.offset > 24 || p.len > 24 - p.offset))
				abort();
		break;
	case 1:
		virtio_pci_reset_done(vp);
		break;
	case 2:
		virtio_pci_needs_reset(vp);
		break;
	case 3:
		memset(config, (int)value, sizeof(config));
		virtio_pci_config_changed(vp, config, value % sizeof(config),
		    (value & 0x8000) != 0);
		break;
	case 4:
		if (value == 0xdead)
			virtio_pci_hangup(vp);
		break;
	case 5:
		fake_hv.refuse_ioeventfd = (value & 1) != 0;
		break;
	default:
		(void)!write(vp->msix.source[value % (NQUEUES + 1)].fd, &one,
		    sizeof(one));
		break;
	}
}

static void
check(const struct virtio_pci *vp)
{
	const struct virtio_pci_activation *a = &vp->activation;

	/* Two BARs at one address are the guest's own fault: the second
	 * ioeventfd is refused, as by KVM. */
	if (a->nqueues > NQUEUES || vp->nposts > VIRTIO_PCI_MAX_POSTS ||
	    (a->nqueues > 0 && (a->features & ~vp->features) != 0))
		abort();
	for (uint32_t q = 0; q < a->nqueues; q++)
		if (a->queue[q].index >= NQUEUES || a->queue[q].size == 0 ||
		    a->queue[q].size > 256)
			abort();
	for (uint32_t q = 0; q < NQUEUES; q++)
		if (vp->queue[q].kick_at != PCI_UNMAPPED && (!vp->active ||
		    fake_hv_io_at(vp->queue[q].kick_at) != vp->queue[q].kick))
			abort();
	for (uint32_t s = 0; s <= NQUEUES; s++)
		if (vp->msix.source[s].attached != (fake_hv.irqfd[
		    vp->msix.source[s].gsi] >= 0))
			abort();
}

/* Where the guest aims: mostly at something. */
static uint64_t
place(uint8_t kind, uint32_t at)
{
	uint64_t bar;

	switch (kind % 6) {
	case 0:
		return ECAM + (8ull << 12) + at % 0x2000;
	case 1:
		return LOW + at % (3 * VIRTIO_PCI_BAR_SIZE);
	case 2:
		bar = device[at >> 31].fn.bar_base;
		return bar + at % 0x40;
	case 3:
		bar = device[at >> 31].fn.bar_base;
		return bar + at % VIRTIO_PCI_BAR_SIZE;
	case 4:
		return at;
	default:
		return HIGH + at;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	set_up();
	for (; size >= 12; data += 12, size -= 12) {
		uint32_t at = (uint32_t)bus_get(data + 4, 4);
		uint32_t len = 1u + (data[1] & 7);
		uint8_t value[8] = { 0 };
		uint64_t addr = place(data[2], at);

		memcpy(value, data + 8, 4);
		switch (data[0] % 5) {
		case 0:
		case 1:
			bus_write(&mmio, addr, value, len);
			break;
		case 2:
			bus_read(&mmio, addr, value, len);
			break;
		case 3:
			if (data[1] & 8)
				bus_write(&ports, 0xcf8 + at % 8, value, len);
			else
				bus_read(&ports, 0xcf8 + at % 8, value, len);
			break;
		default:
			worker_event(&device[at % NDEVICES], data[1],
			    bus_get(data + 8, 4));
			break;
		}
		for (uint32_t d = 0; d < NDEVICES; d++)
			check(&device[d]);
	}
	return 0;
}
