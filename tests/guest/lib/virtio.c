/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery and the common configuration of a virtio-pci device: virtio.h. */
#include "lib/virtio.h"

static uintptr_t place_bar(uint16_t bdf, unsigned int bar)
{
	static uint64_t next;
	uint64_t addr = pci_bar(bdf, bar), size;

	if (addr && addr < 0x100000000ull)
		return (uintptr_t)addr;
	/* This guest reaches 32 bits. */
	if (!next)
		next = pci_free_window();
	size = pci_bar_size(bdf, bar);
	next = (next + size - 1) & ~(size - 1);
	addr = next;
	next += size;
	pci_set_bar(bdf, bar, addr);
	return (uintptr_t)addr;
}

bool virtio_map(struct vdev *d)
{
	uint16_t cmd = pci_read16(d->bdf, PCI_COMMAND);

	d->common = d->isr = d->config = d->notify = 0;
	for (uint8_t c = 0; (c = pci_find_cap(d->bdf, PCI_CAP_VENDOR, c)) != 0;) {
		uint8_t type = pci_read8(d->bdf, c + 3u);
		uint8_t bar = pci_read8(d->bdf, c + 4u);
		uint32_t off = pci_read32(d->bdf, c + 8u);
		uint32_t len = pci_read32(d->bdf, c + 12u);
		uintptr_t base;

		if (type < 1 || type > 4 || bar > 5)
			continue;
		base = place_bar(d->bdf, bar) + off;
		if (type == 1 && !d->common) {
			d->common = base;
			d->common_len = len;
		} else if (type == 2 && !d->notify) {
			d->notify = base;
			d->notify_len = len;
			d->notify_mult = pci_read32(d->bdf, c + 16u);
		} else if (type == 3 && !d->isr) {
			d->isr = base;
		} else if (type == 4 && !d->config) {
			d->config = base;
			d->config_len = len;
		}
	}
	pci_write16(d->bdf, PCI_COMMAND,
	    (uint16_t)(cmd | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
	return d->common && d->notify && d->isr;
}

static unsigned int nfunctions;

void virtio_rescan(void)
{
	nfunctions = 0;
}

bool virtio_find(struct vdev *d, uint16_t id, unsigned int nth)
{
	static uint16_t bdf[256];

	if (!nfunctions)
		nfunctions = pci_scan(bdf, ARRAY_LEN(bdf));
	for (unsigned int i = 0; i < nfunctions; i++) {
		uint32_t ids = pci_read32(bdf[i], 0);

		if (ids != (0x10401af4u + ((uint32_t)id << 16)) || nth-- != 0)
			continue;
		memset(d, 0, sizeof(*d));
		d->bdf = bdf[i];
		d->id = id;
		return virtio_map(d);
	}
	return false;
}

uint8_t virtio_status(const struct vdev *d)
{
	return read8(d->common + CC_STATUS);
}

void virtio_set_status(const struct vdev *d, uint8_t status)
{
	write8(d->common + CC_STATUS, status);
}

bool virtio_reset(const struct vdev *d, uint32_t ms)
{
	uint32_t t = now_ms();

	virtio_set_status(d, 0);
	while (virtio_status(d) != 0)
		if (now_ms() - t > ms)
			return false;
	return true;
}

uint64_t virtio_offered(const struct vdev *d)
{
	uint64_t f;

	write32(d->common + CC_DEVICE_FEATURE_SELECT, 0);
	f = read32(d->common + CC_DEVICE_FEATURE);
	write32(d->common + CC_DEVICE_FEATURE_SELECT, 1);
	return f | (uint64_t)read32(d->common + CC_DEVICE_FEATURE) << 32;
}

void virtio_write_features(const struct vdev *d, uint64_t features)
{
	write32(d->common + CC_DRIVER_FEATURE_SELECT, 0);
	write32(d->common + CC_DRIVER_FEATURE, (uint32_t)features);
	write32(d->common + CC_DRIVER_FEATURE_SELECT, 1);
	write32(d->common + CC_DRIVER_FEATURE, (uint32_t)(features >> 32));
}

bool virtio_negotiate(struct vdev *d, uint64_t want)
{
	if (!virtio_reset(d, 30000))
		return false;
	virtio_set_status(d, STATUS_ACKNOWLEDGE);
	virtio_set_status(d, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	d->offered = virtio_offered(d);
	d->features = d->offered & (want | F_VERSION_1);
	if (!(d->features & F_VERSION_1))
		return false;
	virtio_write_features(d, d->features);
	virtio_set_status(d,
	    STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return virtio_status(d) ==
	    (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
}

void virtio_driver_ok(const struct vdev *d)
{
	virtio_set_status(d, STATUS_ACKNOWLEDGE | STATUS_DRIVER |
	    STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

bool virtio_needs_reset(const struct vdev *d, uint32_t ms)
{
	uint32_t t = now_ms();

	do {
		if (virtio_status(d) & STATUS_NEEDS_RESET)
			return true;
	} while (now_ms() - t < ms);
	return false;
}

void vq_program(const struct vdev *d, uint16_t index, uint16_t size,
    uint64_t desc, uint64_t driver, uint64_t device)
{
	write16(d->common + CC_QUEUE_SELECT, index);
	write16(d->common + CC_QUEUE_SIZE, size);
	write32(d->common + CC_QUEUE_DESC, (uint32_t)desc);
	write32(d->common + CC_QUEUE_DESC + 4, (uint32_t)(desc >> 32));
	write32(d->common + CC_QUEUE_DRIVER, (uint32_t)driver);
	write32(d->common + CC_QUEUE_DRIVER + 4, (uint32_t)(driver >> 32));
	write32(d->common + CC_QUEUE_DEVICE, (uint32_t)device);
	write32(d->common + CC_QUEUE_DEVICE + 4, (uint32_t)(device >> 32));
	write16(d->common + CC_QUEUE_ENABLE, 1);
}
