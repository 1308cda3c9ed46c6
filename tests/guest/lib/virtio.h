/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A polled virtio-pci driver (modern): discovery, features, split and packed
 * queues with indirect descriptors and event index. Rings are plain memory here
 * so that hostile tests can write what they like.
 */
#ifndef BULKHEAD_TESTS_GUEST_VIRTIO_H
#define BULKHEAD_TESTS_GUEST_VIRTIO_H

#include "lib/guest.h"
#include "lib/pci.h"

enum virtio_id {
	VIRTIO_NET = 1,
	VIRTIO_BLK = 2,
	VIRTIO_CONSOLE = 3,
	VIRTIO_RNG = 4,
	VIRTIO_BALLOON = 5,
	VIRTIO_RTC = 17,
	VIRTIO_VSOCK = 19,
	VIRTIO_MEM = 24,
	VIRTIO_FS = 26,
	VIRTIO_PMEM = 27,
	VIRTIO_WATCHDOG = 35,
};

#define F_INDIRECT (1ull << 28)
#define F_EVENT_IDX (1ull << 29)
#define F_VERSION_1 (1ull << 32)
#define F_PACKED (1ull << 34)

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 0x40u

/* Common configuration (virtio 1.2, 4.1.4.3) */
#define CC_DEVICE_FEATURE_SELECT 0
#define CC_DEVICE_FEATURE 4
#define CC_DRIVER_FEATURE_SELECT 8
#define CC_DRIVER_FEATURE 12
#define CC_CONFIG_MSIX_VECTOR 16
#define CC_NUM_QUEUES 18
#define CC_STATUS 20
#define CC_CONFIG_GENERATION 21
#define CC_QUEUE_SELECT 22
#define CC_QUEUE_SIZE 24
#define CC_QUEUE_MSIX_VECTOR 26
#define CC_QUEUE_ENABLE 28
#define CC_QUEUE_NOTIFY_OFF 30
#define CC_QUEUE_DESC 32
#define CC_QUEUE_DRIVER 40
#define CC_QUEUE_DEVICE 48

struct vdev {
	uint16_t bdf;
	uint16_t id;
	uintptr_t common, isr, config, notify;
	uint32_t common_len, config_len, notify_len, notify_mult;
	uint64_t offered, features;
};

/* The @nth device of that kind: its registers mapped, not touched. */
bool virtio_find(struct vdev *d, uint16_t id, unsigned int nth);
/* Functions have come or gone since the last virtio_find(). */
void virtio_rescan(void);
/* Registers again after its BAR moved. */
bool virtio_map(struct vdev *d);

uint8_t virtio_status(const struct vdev *d);
void virtio_set_status(const struct vdev *d, uint8_t status);
/* Writes 0 and waits until it reads 0: false after @ms. */
bool virtio_reset(const struct vdev *d, uint32_t ms);
uint64_t virtio_offered(const struct vdev *d);
void virtio_write_features(const struct vdev *d, uint64_t features);
/* Reset to FEATURES_OK with VERSION_1 and what of @want is offered. */
bool virtio_negotiate(struct vdev *d, uint64_t want);
void virtio_driver_ok(const struct vdev *d);
/* NEEDS_RESET within @ms? */
bool virtio_needs_reset(const struct vdev *d, uint32_t ms);

struct desc {			/* split */
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct pdesc {			/* packed */
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

#define DESC_NEXT 1u
#define DESC_WRITE 2u
#define DESC_INDIRECT 4u
#define PDESC_AVAIL 0x80u
#define PDESC_USED 0x8000u

#define QUEUE_MAX 1024u

struct vq {
	const struct vdev *d;
	uint16_t index, size;
	bool packed, event_idx;
	uintptr_t notify;
	/* split: desc, avail (flags, idx, ring), used; packed: ring, events */
	struct desc *desc;
	struct pdesc *ring;
	volatile uint16_t *avail, *used;
	uint16_t free_count, free_head;
	uint16_t next_avail, last_used;
	uint16_t kicked;		/* next_avail when last kicked */
	bool avail_wrap, used_wrap;
	uint16_t count[QUEUE_MAX];	/* ring slots of each id; free list */
	uint16_t link[QUEUE_MAX];
	void *indirect[QUEUE_MAX];
};

struct buf {
	uint64_t addr;
	uint32_t len;
	bool write;		/* the device writes */
};

#define BUF_OUT(p, n) ((struct buf){ (uintptr_t)(p), (n), false })
#define BUF_IN(p, n) ((struct buf){ (uintptr_t)(p), (n), true })

/* Allocate, tell the device, enable. @size 0: the device's maximum. */
bool vq_setup(struct vq *q, const struct vdev *d, uint16_t index, uint16_t size);
/* Queue a request: its id, or -1 when the ring is full. */
int vq_add(struct vq *q, const struct buf *b, unsigned int n, bool indirect);
/* Notify if the device wants it (always with @force). */
void vq_kick(struct vq *q, bool force);
/* A used request? Its id and length. */
bool vq_poll(struct vq *q, int *id, uint32_t *len);
bool vq_wait(struct vq *q, int *id, uint32_t *len, uint32_t ms);
/* Add, kick, wait: the length, or -1. */
int vq_do(struct vq *q, const struct buf *b, unsigned int n, bool indirect);

/* Tell the addresses of a queue that the test made itself. */
void vq_program(const struct vdev *d, uint16_t index, uint16_t size,
    uint64_t desc, uint64_t driver, uint64_t device);

#endif
