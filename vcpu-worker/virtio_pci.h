/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register file of a virtio device on PCI (virtio 1.2, 4.1): capabilities,
 * common configuration, ISR, device configuration, notifications. It holds no
 * ring and reads no guest memory; the device itself is another process, and what
 * it has to know leaves here as posts that the main thread sends.
 *
 * vCPU threads come in through the PCI host; the main thread by the functions
 * below. Both under the function's lock.
 */
#ifndef BULKHEAD_VCPU_WORKER_VIRTIO_PCI_H
#define BULKHEAD_VCPU_WORKER_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/hypervisor.h"
#include "proto/limits.h"
#include "vcpu-worker/msix.h"
#include "vcpu-worker/pci.h"

#define VIRTIO_PCI_BAR_SIZE 0x8000u
#define VIRTIO_PCI_MAX_QUEUES DEVICE_LIMIT_QUEUES
#define VIRTIO_PCI_MAX_POSTS 32u

_Static_assert(VIRTIO_PCI_MAX_QUEUES + 1 == MSIX_MAX_VECTORS, "msix.h");

/* What the device is, as its worker said, and its eventfds. */
struct virtio_pci_config {
	uint16_t bdf;
	uint32_t virtio_id;
	uint64_t features;
	uint32_t nqueues;
	uint16_t queue_max[VIRTIO_PCI_MAX_QUEUES];
	int kick[VIRTIO_PCI_MAX_QUEUES];	/* stay the caller's */
	int call[VIRTIO_PCI_MAX_QUEUES];
	int config_call;
	uint32_t first_gsi;			/* nqueues + 1 of them */
	const uint8_t *config;
	uint32_t config_len;
	const uint8_t *config_writable;		/* bits the driver may write */
	uint32_t config_writable_len;		/* at most config_len */
	/* Shared with the worker, DEVICE_LIMIT_CONFIG bytes; NULL: none. Only
	 * written here. */
	volatile uint8_t *config_page;
};

struct virtio_pci_queue {
	uint16_t max, size;
	bool enabled;
	uint64_t desc, driver, device;
	int kick;
	uint64_t kick_at;	/* address of the ioeventfd, PCI_UNMAPPED: none */
};

/* What the driver chose, as it was at DRIVER_OK. */
struct virtio_pci_activation {
	uint64_t features;
	uint32_t nqueues;
	struct {
		uint32_t index, size;
		uint64_t desc, driver, device;
	} queue[VIRTIO_PCI_MAX_QUEUES];
};

enum virtio_pci_post_kind {
	VIRTIO_POST_ACTIVATE,	/* vp->activation, which stays until a reset */
	VIRTIO_POST_RESUME,	/* the same, for the worker's successor */
	VIRTIO_POST_RESET,
	VIRTIO_POST_CONFIG,
};

struct virtio_pci_post {
	enum virtio_pci_post_kind kind;
	uint32_t offset, len;
	uint8_t data[8];
};

struct virtio_pci {
	struct pci_function fn;
	struct msix msix;
	struct hv_vm *vm;
	void (*wake)(void *owner);	/* posts wait for the main thread */
	void *wake_owner;

	uint64_t features, driver_features;
	uint32_t device_select, driver_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t status;
	uint8_t generation;
	uint8_t isr;
	uint32_t nqueues;
	struct virtio_pci_queue queue[VIRTIO_PCI_MAX_QUEUES];
	uint16_t queue_vector[VIRTIO_PCI_MAX_QUEUES];
	uint8_t config[DEVICE_LIMIT_CONFIG];
	uint8_t config_initial[DEVICE_LIMIT_CONFIG];	/* of the bits below */
	uint8_t config_writable[DEVICE_LIMIT_CONFIG];
	volatile uint8_t *config_page;
	uint32_t config_len;
	int config_call;

	bool active;		/* between DRIVER_OK and reset */
	bool resetting;		/* the worker has not answered the reset */
	bool absent;		/* there is no worker, another will come */
	bool dead;		/* none will */
	struct virtio_pci_activation activation;
	uint32_t first_post, nposts;
	struct virtio_pci_post post[VIRTIO_PCI_MAX_POSTS];
};

/*
 * Fill in @vp and put it on @host. EINVAL: what the worker says is no modern
 * virtio device; EEXIST, ENOSPC: see pci.h.
 */
int virtio_pci_init(struct virtio_pci *vp, struct pci_host *host,
    struct hv_vm *vm, const struct virtio_pci_config *config,
    void (*wake)(void *owner), void *wake_owner);

/* Take the oldest post; false: there is none. */
bool virtio_pci_take(struct virtio_pci *vp, struct virtio_pci_post *post);

/* From the device worker. */
void virtio_pci_reset_done(struct virtio_pci *vp);
void virtio_pci_needs_reset(struct virtio_pci *vp);
/* @tell: interrupt the driver. */
void virtio_pci_config_changed(struct virtio_pci *vp, const uint8_t *config,
    uint32_t len, bool tell);

/*
 * The worker is gone. The registers go on without it: what the driver does
 * meanwhile is told to the next one, and a reset waits for that, since of the
 * dead one's requests some may still be on their way into guest memory.
 */
void virtio_pci_hangup(struct virtio_pci *vp);

/*
 * A new worker is on the bus. EINVAL, and nothing has changed: it is not the
 * device that the driver knows.
 */
int virtio_pci_replaced(struct virtio_pci *vp, uint32_t virtio_id,
    uint64_t features, uint32_t nqueues, const uint32_t *queue_max,
    const uint8_t *config, uint32_t config_len);

/* The device is taken away under the guest, which sees one that does nothing. */
void virtio_pci_die(struct virtio_pci *vp);

/*
 * At a standstill, main thread. Save: what it puts into @m is good until the next
 * call; @held, a post that was taken and not sent, or NULL. Fits: NULL, or what of a
 * message that was checked is not this device. Load tells the worker by posts.
 */
void virtio_pci_save(struct virtio_pci *vp, Bh__VirtioState *m,
    struct virtio_pci_post *held);
const char *virtio_pci_fits(const struct virtio_pci *vp, const Bh__VirtioState *m);
void virtio_pci_load(struct virtio_pci *vp, const Bh__VirtioState *m);

/* None will come: DEVICE_NEEDS_RESET, and resets are done at once. */
void virtio_pci_lost(struct virtio_pci *vp);

#endif
