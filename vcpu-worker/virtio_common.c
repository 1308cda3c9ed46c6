/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common configuration of virtio-pci, see virtio_common.h. Section numbers
 * are those of virtio 1.2.
 */
#include "vcpu-worker/virtio_common.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ipc/log.h"

#define VIRTIO_F_VERSION_1 32

/* 2.1 */
enum virtio_status {
	STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8, STATUS_NEEDS_RESET = 64, STATUS_FAILED = 128,
};
#define STATUS_OF_DRIVER (STATUS_ACKNOWLEDGE | STATUS_DRIVER | \
    STATUS_DRIVER_OK | STATUS_FEATURES_OK | STATUS_FAILED)

/* 4.1.4.3 */
enum common_offset {
	COMMON_DEVICE_SELECT = 0x00, COMMON_DEVICE_FEATURE = 0x04,
	COMMON_DRIVER_SELECT = 0x08, COMMON_DRIVER_FEATURE = 0x0c,
	COMMON_CONFIG_VECTOR = 0x10, COMMON_NUM_QUEUES = 0x12,
	COMMON_STATUS = 0x14, COMMON_GENERATION = 0x15,
	COMMON_QUEUE_SELECT = 0x16, COMMON_QUEUE_SIZE = 0x18,
	COMMON_QUEUE_VECTOR = 0x1a, COMMON_QUEUE_ENABLE = 0x1c,
	COMMON_QUEUE_NOTIFY_OFF = 0x1e, COMMON_QUEUE_DESC = 0x20,
	COMMON_QUEUE_DRIVER = 0x28, COMMON_QUEUE_DEVICE = 0x30,
};

/* ---- Posts to the worker ---- */

void
virtio_post(struct virtio_pci *vp, const struct virtio_pci_post *p)
{
	uint32_t at;

	if (vp->dead || vp->absent)
		return;
	if (vp->nposts == VIRTIO_PCI_MAX_POSTS) {
		log_guest("PCI " PCI_NAME ": too many configuration writes",
		    PCI_NAME_OF(vp->fn.bdf));
		return;
	}
	at = (vp->first_post + vp->nposts) % VIRTIO_PCI_MAX_POSTS;
	vp->post[at] = *p;
	if (vp->nposts++ == 0)
		vp->wake(vp->wake_owner);
}

bool
virtio_pci_take(struct virtio_pci *vp, struct virtio_pci_post *out)
{
	bool any;

	pthread_mutex_lock(&vp->fn.lock);
	any = vp->nposts > 0;
	if (any) {
		*out = vp->post[vp->first_post];
		vp->first_post = (vp->first_post + 1) % VIRTIO_PCI_MAX_POSTS;
		vp->nposts--;
	}
	pthread_mutex_unlock(&vp->fn.lock);
	return any;
}

/* ---- Kicks ---- */

static uint64_t
notify_offset(uint32_t q)
{
	return VIRTIO_BAR_NOTIFY + q * (uint64_t)VIRTIO_NOTIFY_MULTIPLIER;
}

static void
detach_kicks(struct virtio_pci *vp)
{
	for (uint32_t q = 0; q < vp->nqueues; q++) {
		struct virtio_pci_queue *vq = &vp->queue[q];

		if (vq->kick_at != PCI_UNMAPPED)
			(void)hv_ioeventfd(vp->vm, vq->kick, vq->kick_at,
			    false);
		vq->kick_at = PCI_UNMAPPED;
	}
}

/*
 * Let kicks go to the worker without us. Only of an active device: the guest
 * moves BARs about before, and each costs system calls. A queue that gets none
 * (the hypervisor has a limit) is kicked from the register.
 */
static void
attach_kicks(struct virtio_pci *vp)
{
	if (!vp->active || vp->fn.bar_base == PCI_UNMAPPED)
		return;
	for (uint32_t q = 0; q < vp->nqueues; q++) {
		struct virtio_pci_queue *vq = &vp->queue[q];
		uint64_t at = vp->fn.bar_base + notify_offset(q);

		if (vq->enabled && vq->kick_at == PCI_UNMAPPED &&
		    hv_ioeventfd(vp->vm, vq->kick, at, true) == 0)
			vq->kick_at = at;
	}
}

void
virtio_kicks_moved(struct virtio_pci *vp)
{
	detach_kicks(vp);
	attach_kicks(vp);
}

static void
signal_eventfd(int fd)
{
	const uint64_t one = 1;

	/* Non-blocking: a full counter is a signal, too. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

void
virtio_signal_config(struct virtio_pci *vp)
{
	signal_eventfd(vp->config_call);
}

void
virtio_notify(struct virtio_pci *vp, uint64_t offset)
{
	uint64_t q = offset / VIRTIO_NOTIFY_MULTIPLIER;

	if (offset % VIRTIO_NOTIFY_MULTIPLIER == 0 && q < vp->nqueues && vp->active &&
	    vp->queue[q].enabled)
		signal_eventfd(vp->queue[q].kick);
}

/* ---- Device status, 2.1 and 3.1 ---- */

void
virtio_forget_driver(struct virtio_pci *vp)
{
	detach_kicks(vp);
	msix_reset(&vp->msix);
	vp->active = false;
	virtio_pci_reset_config(vp);
	vp->driver_features = 0;
	vp->device_select = vp->driver_select = 0;
	vp->queue_select = 0;
	vp->config_vector = MSIX_NO_VECTOR;
	vp->isr = 0;
	for (uint32_t q = 0; q < vp->nqueues; q++) {
		struct virtio_pci_queue *vq = &vp->queue[q];

		vq->size = vq->max;
		vq->enabled = false;
		vq->desc = vq->driver = vq->device = 0;
		vp->queue_vector[q] = MSIX_NO_VECTOR;
	}
}

static void
reset(struct virtio_pci *vp)
{
	const struct virtio_pci_post p = { .kind = VIRTIO_POST_RESET };

	if (vp->resetting)
		return;
	virtio_forget_driver(vp);
	if (vp->dead) {
		vp->status = 0;
		return;
	}
	/* The status reads as it was until the worker has let go of the rings
	 * (4.1.4.3.1). A driver that had not got to DRIVER_OK waits, too: one
	 * path. What had not been sent is of no use any more. */
	vp->resetting = true;
	vp->nposts = 0;
	virtio_post(vp, &p);
}

void
virtio_pci_reset_done(struct virtio_pci *vp)
{
	pthread_mutex_lock(&vp->fn.lock);
	if (vp->resetting) {
		/* Signals of the requests that the reset cut off. */
		msix_reset(&vp->msix);
		vp->resetting = false;
		vp->status = 0;
	}
	pthread_mutex_unlock(&vp->fn.lock);
}

void
virtio_fill_activation(struct virtio_pci *vp)
{
	struct virtio_pci_activation *a = &vp->activation;

	memset(a, 0, sizeof(*a));
	a->features = vp->driver_features;
	for (uint32_t q = 0; q < vp->nqueues; q++) {
		const struct virtio_pci_queue *vq = &vp->queue[q];

		if (!vq->enabled)
			continue;
		a->queue[a->nqueues].index = q;
		a->queue[a->nqueues].size = vq->size;
		a->queue[a->nqueues].desc = vq->desc;
		a->queue[a->nqueues].driver = vq->driver;
		a->queue[a->nqueues].device = vq->device;
		a->nqueues++;
	}
}

static void
activate(struct virtio_pci *vp)
{
	const struct virtio_pci_post p = { .kind = VIRTIO_POST_ACTIVATE };

	virtio_fill_activation(vp);
	vp->active = true;
	attach_kicks(vp);
	virtio_post(vp, &p);
}

static bool
features_acceptable(const struct virtio_pci *vp)
{
	return !vp->dead && (vp->driver_features & ~vp->features) == 0 &&
	    (vp->driver_features >> VIRTIO_F_VERSION_1 & 1) != 0;
}

static void
write_status(struct virtio_pci *vp, uint8_t value)
{
	uint8_t added;

	if (value == 0) {
		/* Of a device that was never touched there is nothing to tell
		 * the worker. */
		if (vp->status == 0 && !vp->resetting)
			virtio_forget_driver(vp);
		else
			reset(vp);
		return;
	}
	if (vp->resetting)
		return;
	/* Bits are only set; clearing is the reset's. */
	added = value & STATUS_OF_DRIVER & (uint8_t)~vp->status;
	if ((added & STATUS_FEATURES_OK) != 0 && !features_acceptable(vp))
		added &= (uint8_t)~(STATUS_FEATURES_OK | STATUS_DRIVER_OK);
	if (((vp->status | added) & STATUS_FEATURES_OK) == 0)
		added &= (uint8_t)~STATUS_DRIVER_OK;
	vp->status |= added;
	if ((added & STATUS_DRIVER_OK) != 0)
		activate(vp);
}

/* Set DEVICE_NEEDS_RESET and tell the driver (2.1.2). With the lock. */
static void
set_needs_reset(struct virtio_pci *vp)
{
	if ((vp->status & STATUS_NEEDS_RESET) != 0)
		return;
	vp->status |= STATUS_NEEDS_RESET;
	if ((vp->status & STATUS_DRIVER_OK) != 0)
		virtio_signal_config(vp);
}

void
virtio_pci_needs_reset(struct virtio_pci *vp)
{
	pthread_mutex_lock(&vp->fn.lock);
	/* Said before the worker saw the reset: about the driver that is gone. */
	if (!vp->resetting)
		set_needs_reset(vp);
	pthread_mutex_unlock(&vp->fn.lock);
}

void
virtio_pci_hangup(struct virtio_pci *vp)
{
	pthread_mutex_lock(&vp->fn.lock);
	vp->absent = true;
	vp->nposts = 0;
	pthread_mutex_unlock(&vp->fn.lock);
}

/* With the lock. */
static bool
is_same_device(const struct virtio_pci *vp, uint64_t features,
    uint32_t nqueues, const uint32_t *queue_max, uint32_t config_len)
{
	bool same = (vp->features & ~features) == 0 && nqueues == vp->nqueues &&
	    config_len == vp->config_len;

	for (uint32_t q = 0; same && q < nqueues; q++)
		same = queue_max[q] >= vp->queue[q].max;
	return same;
}

int
virtio_pci_replaced(struct virtio_pci *vp, uint32_t virtio_id,
    uint64_t features, uint32_t nqueues, const uint32_t *queue_max,
    const uint8_t *config, uint32_t config_len)
{
	struct virtio_pci_post p = { .kind = VIRTIO_POST_RESUME };
	bool changed = false;

	pthread_mutex_lock(&vp->fn.lock);
	if (vp->dead || pci_get16(&vp->fn, PCI_CFG_DEVICE) !=
	    VIRTIO_DEVICE_BASE + virtio_id ||
	    !is_same_device(vp, features, nqueues, queue_max, config_len)) {
		pthread_mutex_unlock(&vp->fn.lock);
		return -EINVAL;
	}
	vp->absent = false;
	vp->nposts = 0;
	/* A new worker has nothing to reset; but the record of what its
	 * predecessor had in flight is to be cleared. */
	if (vp->resetting)
		p.kind = VIRTIO_POST_RESET;
	if (vp->resetting || vp->active)
		virtio_post(vp, &p);
	for (uint32_t i = 0; i < config_len; i++)
		changed |= ((vp->config[i] ^ config[i]) &
		    ~vp->config_writable[i]) != 0;
	pthread_mutex_unlock(&vp->fn.lock);
	/* A disk may have another size than when its driver looked. */
	if (changed)
		virtio_pci_config_changed(vp, config, config_len, true);
	return 0;
}

void
virtio_pci_lost(struct virtio_pci *vp)
{
	pthread_mutex_lock(&vp->fn.lock);
	vp->dead = true;
	vp->nposts = 0;
	if (vp->resetting) {
		vp->resetting = false;
		vp->status = 0;
	}
	set_needs_reset(vp);
	pthread_mutex_unlock(&vp->fn.lock);
}

/* ---- Common configuration ---- */

static const struct virtio_pci_queue *
selected(const struct virtio_pci *vp)
{
	return vp->queue_select < vp->nqueues ? &vp->queue[vp->queue_select] :
	    NULL;
}

/* The 64-bit address field at @offset of the selected queue, or NULL. */
static const uint64_t *
address_field(const struct virtio_pci_queue *vq, uint64_t offset)
{
	switch (offset & ~7ull) {
	case COMMON_QUEUE_DESC:
		return &vq->desc;
	case COMMON_QUEUE_DRIVER:
		return &vq->driver;
	case COMMON_QUEUE_DEVICE:
		return &vq->device;
	default:
		return NULL;
	}
}

/* Fields have their natural width (4.1.3.1); other accesses hit nothing. */
static uint32_t
field_width(uint64_t offset)
{
	switch (offset) {
	case COMMON_DEVICE_SELECT:
	case COMMON_DEVICE_FEATURE:
	case COMMON_DRIVER_SELECT:
	case COMMON_DRIVER_FEATURE:
		return 4;
	case COMMON_STATUS:
	case COMMON_GENERATION:
		return 1;
	case COMMON_CONFIG_VECTOR:
	case COMMON_NUM_QUEUES:
	case COMMON_QUEUE_SELECT:
	case COMMON_QUEUE_SIZE:
	case COMMON_QUEUE_VECTOR:
	case COMMON_QUEUE_ENABLE:
	case COMMON_QUEUE_NOTIFY_OFF:
		return 2;
	default:
		return 0;
	}
}

static uint32_t
half(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

static uint64_t
queue_get(const struct virtio_pci *vp, uint64_t offset)
{
	const struct virtio_pci_queue *vq = selected(vp);

	if (vq == NULL)
		return offset == COMMON_QUEUE_VECTOR ? MSIX_NO_VECTOR : 0;
	switch (offset) {
	case COMMON_QUEUE_SIZE:
		return vq->size;
	case COMMON_QUEUE_VECTOR:
		return vp->queue_vector[vp->queue_select];
	case COMMON_QUEUE_ENABLE:
		return vq->enabled;
	case COMMON_QUEUE_NOTIFY_OFF:
		return vp->queue_select;
	default:
		return 0;
	}
}

static uint64_t
common_get(const struct virtio_pci *vp, uint64_t offset)
{
	switch (offset) {
	case COMMON_DEVICE_SELECT:
		return vp->device_select;
	case COMMON_DEVICE_FEATURE:
		return half(vp->features, vp->device_select);
	case COMMON_DRIVER_SELECT:
		return vp->driver_select;
	case COMMON_DRIVER_FEATURE:
		return half(vp->driver_features, vp->driver_select);
	case COMMON_CONFIG_VECTOR:
		return vp->config_vector;
	case COMMON_NUM_QUEUES:
		return vp->nqueues;
	case COMMON_STATUS:
		return vp->status;
	case COMMON_GENERATION:
		return vp->generation;
	case COMMON_QUEUE_SELECT:
		return vp->queue_select;
	default:
		return queue_get(vp, offset);
	}
}

void
virtio_common_read(const struct virtio_pci *vp, uint64_t offset, uint8_t *data,
    uint32_t len)
{
	uint64_t value = 0;

	if (offset >= COMMON_QUEUE_DESC) {
		const struct virtio_pci_queue *vq = selected(vp);
		const uint64_t *field = vq != NULL && offset < VIRTIO_COMMON_SIZE ?
		    address_field(vq, offset) : NULL;

		if (field != NULL && (len == 4 || len == 8) &&
		    offset % len == 0)
			value = *field >> (8 * (offset & 7));
	} else if (field_width(offset) == len) {
		value = common_get(vp, offset);
	}
	bus_put(data, len, value);
}

static bool
size_acceptable(const struct virtio_pci *vp, const struct virtio_pci_queue *vq,
    uint64_t size)
{
	bool packed = (vp->driver_features >> VIRTIO_F_RING_PACKED & 1) != 0;

	return size > 0 && size <= vq->max &&
	    (packed || (size & (size - 1)) == 0);
}

static void
queue_set(struct virtio_pci *vp, uint64_t offset, uint64_t value)
{
	struct virtio_pci_queue *vq;

	if (vp->queue_select >= vp->nqueues)
		return;
	vq = &vp->queue[vp->queue_select];
	if (offset == COMMON_QUEUE_VECTOR) {
		vp->queue_vector[vp->queue_select] = msix_bind(&vp->msix,
		    vp->queue_select, (uint16_t)value);
		return;
	}
	/* A live queue is not changed, and none is enabled late (4.1.4.3.2). */
	if (vq->enabled || vp->active)
		return;
	if (offset == COMMON_QUEUE_SIZE && size_acceptable(vp, vq, value))
		vq->size = (uint16_t)value;
	else if (offset == COMMON_QUEUE_ENABLE && value == 1 &&
	    (vp->status & STATUS_FEATURES_OK) != 0)
		vq->enabled = true;
}

static void
driver_feature(struct virtio_pci *vp, uint32_t value)
{
	uint32_t shift = 32 * vp->driver_select;

	if (vp->driver_select > 1) {
		/* Bits 64 and up: none is offered, so none may be chosen. */
		if (value != 0)
			log_guest("PCI " PCI_NAME ": features beyond 64 bits",
			    PCI_NAME_OF(vp->fn.bdf));
		return;
	}
	if ((vp->status & STATUS_FEATURES_OK) == 0)
		vp->driver_features = (vp->driver_features &
		    ~(0xffffffffull << shift)) | (uint64_t)value << shift;
}

static void
common_set(struct virtio_pci *vp, uint64_t offset, uint64_t value)
{
	switch (offset) {
	case COMMON_DEVICE_SELECT:
		vp->device_select = (uint32_t)value;
		break;
	case COMMON_DRIVER_SELECT:
		vp->driver_select = (uint32_t)value;
		break;
	case COMMON_DRIVER_FEATURE:
		driver_feature(vp, (uint32_t)value);
		break;
	case COMMON_CONFIG_VECTOR:
		vp->config_vector = msix_bind(&vp->msix, vp->nqueues,
		    (uint16_t)value);
		break;
	case COMMON_QUEUE_SELECT:
		vp->queue_select = (uint16_t)value;
		break;
	default:
		queue_set(vp, offset, value);
		break;
	}
}

static void
write_address(struct virtio_pci *vp, uint64_t offset, const uint8_t *data,
    uint32_t len)
{
	uint64_t at = offset - COMMON_QUEUE_DESC, value = bus_get(data, len);
	struct virtio_pci_queue *vq;
	uint64_t *field;

	if (vp->queue_select >= vp->nqueues || vp->active ||
	    (len != 4 && len != 8) || offset % len != 0 ||
	    offset >= VIRTIO_COMMON_SIZE)
		return;
	vq = &vp->queue[vp->queue_select];
	if (vq->enabled)
		return;
	field = at < 8 ? &vq->desc : at < 16 ? &vq->driver : &vq->device;
	if (len == 8)
		*field = value;
	else if (at % 8 == 0)
		*field = (*field & ~0xffffffffull) | value;
	else
		*field = (*field & 0xffffffffull) | value << 32;
}

void
virtio_common_write(struct virtio_pci *vp, uint64_t offset, const uint8_t *data,
    uint32_t len)
{
	if (offset == COMMON_STATUS && len == 1)
		write_status(vp, data[0]);
	else if (vp->resetting)
		return;
	else if (offset >= COMMON_QUEUE_DESC)
		write_address(vp, offset, data, len);
	else if (field_width(offset) == len)
		common_set(vp, offset, bus_get(data, len));
}
