/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-pci register file, see virtio_pci.h. Section numbers are those of
 * virtio 1.2.
 */
#include "vcpu-worker/virtio_pci.h"

#include <errno.h>
#include <string.h>

#include "vcpu-worker/virtio_common.h"

#define VIRTIO_VENDOR 0x1af4u
#define VIRTIO_REVISION 1u
#define VIRTIO_F_VERSION_1 32
/* Transport features that this register file does not have: RING_RESET,
 * NOTIFICATION_DATA, NOTIF_CONFIG_DATA, SR_IOV, ACCESS_PLATFORM. */
#define FEATURES_NOT_OFFERED (1ull << 40 | 1ull << 38 | 1ull << 39 | \
    1ull << 37 | 1ull << 33)

#define ISR_QUEUE 1u
#define ISR_CONFIG 2u

/* BAR0; its size is VIRTIO_PCI_BAR_SIZE. */
enum bar_offset {
	BAR_COMMON = 0x0, BAR_ISR = 0x1000, BAR_DEVICE = 0x2000,
	BAR_NOTIFY = VIRTIO_BAR_NOTIFY, BAR_MSIX_TABLE = 0x4000, BAR_MSIX_PBA = 0x5000,
	BAR_REGION = 0x1000,		/* bytes of each */
};

/* Capabilities in configuration space, 4.1.4. */
enum cap_place {
	CAP_MSIX = 0x40, CAP_COMMON = 0x50, CAP_ISR = 0x60, CAP_DEVICE = 0x70,
	CAP_NOTIFY = 0x80, CAP_PCI = 0x98,
	MSIX_CONTROL = CAP_MSIX + 2,
	/* of the PCI configuration access capability, 4.1.4.9 */
	PCI_CAP_BAR = CAP_PCI + 4, PCI_CAP_OFFSET = CAP_PCI + 8,
	PCI_CAP_LENGTH = CAP_PCI + 12, PCI_CAP_DATA = CAP_PCI + 16,
};
enum cap_type {
	CAP_TYPE_COMMON = 1, CAP_TYPE_NOTIFY = 2, CAP_TYPE_ISR = 3,
	CAP_TYPE_DEVICE = 4, CAP_TYPE_PCI = 5,
};
#define CAP_ID_VENDOR 0x09u
#define CAP_ID_MSIX 0x11u

/* The PCI class that a guest shows for a virtio device type. */
static const struct { uint32_t virtio_id, class_code; } classes[] = {
	{ 1, 0x020000 },	/* net: Ethernet */
	{ 2, 0x018000 },	/* block: mass storage, other */
	{ 3, 0x078000 },	/* console: communication, other */
	{ 4, 0x108000 },	/* entropy: encryption, other */
	{ 5, 0x058000 },	/* balloon: memory, other */
	{ 16, 0x038000 },	/* gpu: display, other */
	{ 18, 0x098000 },	/* input: input, other */
	{ 19, 0x028000 },	/* vsock: network, other */
	{ 20, 0x108000 },	/* crypto */
	{ 23, 0x080600 },	/* iommu */
	{ 24, 0x058000 },	/* mem */
	{ 26, 0x018000 },	/* fs */
	{ 27, 0x058000 },	/* pmem */
};
#define CLASS_OTHER 0xff0000u

/*
 * The device's configuration space, a copy. The generation lets a driver notice
 * that it changed between two reads (2.5.2).
 */
void
virtio_pci_config_changed(struct virtio_pci *vp, const uint8_t *config,
    uint32_t len, bool tell)
{
	pthread_mutex_lock(&vp->fn.lock);
	if (len > vp->config_len)
		len = vp->config_len;
	/* What is the driver's stays as it wrote it, or a change that crosses
	 * its write would undo it unseen. */
	for (uint32_t i = 0; i < len; i++)
		vp->config[i] = (uint8_t)(
		    (vp->config[i] & vp->config_writable[i]) |
		    (config[i] & ~vp->config_writable[i]));
	vp->generation++;
	/* Only now: who is interrupted finds what has changed. */
	if (tell && vp->active && !vp->resetting)
		virtio_signal_config(vp);
	pthread_mutex_unlock(&vp->fn.lock);
}

/* ---- ISR and device configuration ---- */

/* 4.1.4.5. Without MSI-X the worker's signals wait in their eventfds. */
static uint8_t
read_isr(struct virtio_pci *vp)
{
	uint8_t isr = vp->isr;

	if (!vp->msix.enabled)
		for (uint32_t s = 0; s <= vp->nqueues; s++)
			if (msix_poll(&vp->msix, s))
				isr |= s < vp->nqueues ? ISR_QUEUE : ISR_CONFIG;
	vp->isr = 0;
	return isr;
}

static void
device_read(const struct virtio_pci *vp, uint64_t offset, uint8_t *data,
    uint32_t len)
{
	memset(data, 0, len);
	for (uint32_t i = 0; i < len && offset + i < vp->config_len; i++)
		data[i] = vp->config[offset + i];
}

static void
post_config(struct virtio_pci *vp, uint64_t offset, const uint8_t *data,
    uint32_t len)
{
	struct virtio_pci_post p = {
		.kind = VIRTIO_POST_CONFIG, .offset = (uint32_t)offset,
		.len = len,
	};

	if (vp->resetting || offset >= vp->config_len ||
	    len > vp->config_len - offset)
		return;
	memcpy(p.data, data, len);
	virtio_post(vp, &p);
}

/*
 * Keep what the driver may write of byte @offset; false: nothing of it. Stored
 * before the vCPU goes on, hence before what the driver makes available next:
 * the worker that takes that finds it in the page.
 */
static bool
keep_config(struct virtio_pci *vp, uint64_t offset, uint8_t value)
{
	uint8_t mask;

	if (offset >= vp->config_len || vp->config_writable[offset] == 0)
		return false;
	if (vp->resetting)
		return true;
	mask = vp->config_writable[offset];
	vp->config[offset] = (uint8_t)((vp->config[offset] & ~mask) |
	    (value & mask));
	vp->config_page[offset] = vp->config[offset];
	return true;
}

void
virtio_pci_reset_config(struct virtio_pci *vp)
{
	for (uint32_t i = 0; i < vp->config_len; i++)
		(void)keep_config(vp, i, vp->config_initial[i]);
}

static void
device_write(struct virtio_pci *vp, uint64_t offset, const uint8_t *data,
    uint32_t len)
{
	bool kept = false;

	for (uint32_t i = 0; i < len; i++)
		kept |= keep_config(vp, offset + i, data[i]);
	if (kept)
		return;
	/* An access over the edge of a page comes in two, of any length; a
	 * worker takes those that a field can have. */
	if ((len & (len - 1)) == 0) {
		post_config(vp, offset, data, len);
		return;
	}
	for (uint32_t i = 0; i < len; i++)
		post_config(vp, offset + i, data + i, 1);
}

/* ---- BAR0 ---- */

static void
bar_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct virtio_pci *vp = owner;
	uint64_t at = offset % BAR_REGION;

	memset(data, 0, len);
	if (len > BAR_REGION - at)
		return;
	switch (offset - at) {
	case BAR_COMMON:
		virtio_common_read(vp, at, data, len);
		break;
	case BAR_ISR:
		if (at == 0)
			data[0] = read_isr(vp);
		break;
	case BAR_DEVICE:
		device_read(vp, at, data, len);
		break;
	case BAR_MSIX_TABLE:
		msix_table_read(&vp->msix, at, data, len);
		break;
	case BAR_MSIX_PBA:
		msix_pba_read(&vp->msix, at, data, len);
		break;
	default:
		break;
	}
}

static void
bar_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct virtio_pci *vp = owner;
	uint64_t at = offset % BAR_REGION;

	if (len > BAR_REGION - at)
		return;
	switch (offset - at) {
	case BAR_COMMON:
		virtio_common_write(vp, at, data, len);
		break;
	case BAR_DEVICE:
		device_write(vp, at, data, len);
		break;
	case BAR_NOTIFY:
		virtio_notify(vp, at);
		break;
	case BAR_MSIX_TABLE:
		msix_table_write(&vp->msix, at, data, len);
		break;
	default:
		break;
	}
}

/* ---- Configuration space ---- */

/* An access through the window of 4.1.4.9, checked. False: not a valid one. */
static bool
window(const struct virtio_pci *vp, uint32_t *offset, uint32_t *len)
{
	*offset = pci_get32(&vp->fn, PCI_CAP_OFFSET);
	*len = pci_get32(&vp->fn, PCI_CAP_LENGTH);
	return vp->fn.config[PCI_CAP_BAR] == 0 &&
	    (*len == 1 || *len == 2 || *len == 4) && *offset % *len == 0 &&
	    *offset < VIRTIO_PCI_BAR_SIZE;
}

static void
bar_moved(void *owner, uint64_t old, uint64_t base)
{
	(void)old;
	(void)base;
	virtio_kicks_moved(owner);
}

static void
config_read(void *owner, uint32_t offset, uint32_t len)
{
	struct virtio_pci *vp = owner;
	uint32_t at, size;

	if (offset < PCI_CAP_DATA + 4 && PCI_CAP_DATA < offset + len &&
	    window(vp, &at, &size))
		bar_read(vp, at, vp->fn.config + PCI_CAP_DATA, size);
}

void
virtio_pci_control(struct virtio_pci *vp)
{
	msix_control(&vp->msix, pci_get16(&vp->fn, MSIX_CONTROL));
}

static void
config_written(void *owner, uint32_t offset, uint32_t len)
{
	struct virtio_pci *vp = owner;
	uint32_t at, size;

	if (offset < MSIX_CONTROL + 2 && MSIX_CONTROL < offset + len)
		virtio_pci_control(vp);
	if (offset < PCI_CAP_DATA + 4 && PCI_CAP_DATA < offset + len &&
	    window(vp, &at, &size))
		bar_write(vp, at, vp->fn.config + PCI_CAP_DATA, size);
}

static const struct pci_function_ops virtio_pci_ops = {
	.config_read = config_read, .config_written = config_written,
	.bar_moved = bar_moved, .bar_read = bar_read, .bar_write = bar_write,
};

/* Its worker is gone for good, and the guest has not let it go: registers of zeros,
 * so that a driver that resets it need not wait. */
static void
dead_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	(void)owner;
	(void)offset;
	memset(data, 0, len);
}

static void
dead_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	(void)owner;
	(void)offset;
	(void)data;
	(void)len;
}

static const struct pci_function_ops dead_ops = {
	.bar_read = dead_read, .bar_write = dead_write,
};

void
virtio_pci_die(struct virtio_pci *vp)
{
	pthread_mutex_lock(&vp->fn.lock);
	vp->config_page = NULL;
	memset(vp->config_writable, 0, sizeof(vp->config_writable));
	virtio_forget_driver(vp);
	vp->nposts = 0;
	vp->fn.ops = &dead_ops;
	pthread_mutex_unlock(&vp->fn.lock);
}

/* ---- Building ---- */

/* struct virtio_pci_cap after its first two bytes; @extra: what follows it. */
static void
add_virtio_cap(struct pci_function *fn, uint8_t at, enum cap_type type,
    uint32_t offset, uint32_t length, bool has_extra, uint32_t extra)
{
	uint8_t body[18] = { 0 };
	uint8_t len = has_extra ? 20 : 16;

	body[0] = len;
	body[1] = (uint8_t)type;
	bus_put(body + 6, 4, offset);
	bus_put(body + 10, 4, length);
	bus_put(body + 14, 4, extra);
	pci_add_capability(fn, at, CAP_ID_VENDOR, body, len);
}

static void
add_capabilities(struct virtio_pci *vp)
{
	struct pci_function *fn = &vp->fn;
	uint8_t msix[10] = { 0 };

	bus_put(msix, 2, vp->msix.nvectors - 1);
	bus_put(msix + 2, 4, BAR_MSIX_TABLE);	/* in BAR 0 */
	bus_put(msix + 6, 4, BAR_MSIX_PBA);
	pci_add_capability(fn, CAP_MSIX, CAP_ID_MSIX, msix, 12);
	bus_put(fn->writable + MSIX_CONTROL, 2,
	    MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK);
	add_virtio_cap(fn, CAP_COMMON, CAP_TYPE_COMMON, BAR_COMMON,
	    VIRTIO_COMMON_SIZE, false, 0);
	add_virtio_cap(fn, CAP_ISR, CAP_TYPE_ISR, BAR_ISR, 1, false, 0);
	if (vp->config_len > 0)
		add_virtio_cap(fn, CAP_DEVICE, CAP_TYPE_DEVICE, BAR_DEVICE,
		    vp->config_len, false, 0);
	add_virtio_cap(fn, CAP_NOTIFY, CAP_TYPE_NOTIFY, BAR_NOTIFY,
	    VIRTIO_PCI_MAX_QUEUES * VIRTIO_NOTIFY_MULTIPLIER, true,
	    VIRTIO_NOTIFY_MULTIPLIER);
	add_virtio_cap(fn, CAP_PCI, CAP_TYPE_PCI, 0, 0, true, 0);
	fn->writable[PCI_CAP_BAR] = 0xff;
	memset(fn->writable + PCI_CAP_OFFSET, 0xff, 12);
}

static uint32_t
class_of(uint32_t virtio_id)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (classes[i].virtio_id == virtio_id)
			return classes[i].class_code;
	return CLASS_OTHER;
}

int
virtio_pci_init(struct virtio_pci *vp, struct pci_host *host,
    struct hv_vm *vm, const struct virtio_pci_config *config,
    void (*wake)(void *owner), void *wake_owner)
{
	int rc;

	if (config->virtio_id == 0 || config->virtio_id > 0x3f ||
	    config->nqueues > VIRTIO_PCI_MAX_QUEUES ||
	    config->config_len > sizeof(vp->config) ||
	    config->config_writable_len > config->config_len ||
	    (config->config_writable_len > 0 && config->config_page == NULL) ||
	    (config->features >> VIRTIO_F_VERSION_1 & 1) == 0)
		return -EINVAL;
	memset(vp, 0, sizeof(*vp));
	vp->vm = vm;
	vp->wake = wake;
	vp->wake_owner = wake_owner;
	vp->features = config->features & ~FEATURES_NOT_OFFERED;
	vp->nqueues = config->nqueues;
	vp->config_len = config->config_len;
	if (config->config_len > 0)
		memcpy(vp->config, config->config, config->config_len);
	memcpy(vp->config_initial, vp->config, sizeof(vp->config));
	if (config->config_writable_len > 0) {
		memcpy(vp->config_writable, config->config_writable,
		    config->config_writable_len);
		vp->config_page = config->config_page;
	}
	vp->config_call = config->config_call;
	msix_init(&vp->msix, vm, config->nqueues + 1);
	for (uint32_t q = 0; q < config->nqueues; q++) {
		vp->queue[q].max = config->queue_max[q];
		vp->queue[q].kick = config->kick[q];
		vp->queue[q].kick_at = PCI_UNMAPPED;
		msix_add_source(&vp->msix, config->call[q],
		    config->first_gsi + q);
	}
	msix_add_source(&vp->msix, config->config_call,
	    config->first_gsi + config->nqueues);
	pci_function_init(&vp->fn, config->bdf, VIRTIO_VENDOR,
	    (uint16_t)(VIRTIO_DEVICE_BASE + config->virtio_id),
	    class_of(config->virtio_id), VIRTIO_REVISION);
	pci_set16(&vp->fn, PCI_CFG_SUBVENDOR, VIRTIO_VENDOR);
	pci_set16(&vp->fn, PCI_CFG_SUBDEVICE,
	    (uint16_t)(VIRTIO_DEVICE_BASE + config->virtio_id));
	vp->fn.ops = &virtio_pci_ops;
	vp->fn.removable = true;
	vp->fn.owner = vp;
	virtio_forget_driver(vp);
	add_capabilities(vp);
	rc = pci_add_bar(host, &vp->fn, VIRTIO_PCI_BAR_SIZE);
	return rc < 0 ? rc : pci_add_function(host, &vp->fn);
}
