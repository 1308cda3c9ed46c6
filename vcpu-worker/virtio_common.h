/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the virtio-pci register file: the common configuration (virtio 1.2,
 * 4.1.4.3), which holds the device status, feature negotiation and the queues'
 * registers; the kicks; and the posts to the worker. With the function's lock.
 */
#ifndef BULKHEAD_VCPU_WORKER_VIRTIO_COMMON_H
#define BULKHEAD_VCPU_WORKER_VIRTIO_COMMON_H

#include "vcpu-worker/virtio_pci.h"

#define VIRTIO_DEVICE_BASE 0x1040u	/* PCI device id of virtio id 0 */
#define VIRTIO_COMMON_SIZE 0x38u
#define VIRTIO_BAR_NOTIFY 0x3000u	/* in BAR0 */
#define VIRTIO_NOTIFY_MULTIPLIER 4u
#define VIRTIO_F_RING_PACKED 34
#define VIRTIO_STATUS_FEATURES_OK 8u

void virtio_common_read(const struct virtio_pci *vp, uint64_t offset,
    uint8_t *data, uint32_t len);
void virtio_common_write(struct virtio_pci *vp, uint64_t offset,
    const uint8_t *data, uint32_t len);

/* The driver wrote at @offset of the notification area. */
void virtio_notify(struct virtio_pci *vp, uint64_t offset);

/* Interrupt the driver for a configuration change. With the lock. */
void virtio_signal_config(struct virtio_pci *vp);

/* The BAR is elsewhere: the ioeventfds follow. */
void virtio_kicks_moved(struct virtio_pci *vp);

/* The driver's bits of the device configuration, as the worker said them. */
void virtio_pci_reset_config(struct virtio_pci *vp);

/* All registers as after a reset, but for the device status. */
void virtio_forget_driver(struct virtio_pci *vp);

/* What the driver chose, for the worker. */
void virtio_fill_activation(struct virtio_pci *vp);

/* virtio_pci.c: act on MSI-X's control register, in configuration space. */
void virtio_pci_control(struct virtio_pci *vp);

/* Queue a post for the main thread; dropped when there are too many. */
void virtio_post(struct virtio_pci *vp, const struct virtio_pci_post *p);

#endif
