/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI-X of one function (PCI Local Bus 3.0, 6.8.2): the vector table, the pending
 * bits, and the eventfds of the device worker that become interrupts.
 *
 * A source is such an eventfd with a GSI of its own, bound to a vector. While the
 * vector can fire, the eventfd is an irqfd of the hypervisor and nobody here sees
 * a signal. While it is masked the irqfd is taken off, and the eventfd is looked
 * at when the guest reads the pending bits or unmasks. Called with the
 * function's lock held.
 */
#ifndef BULKHEAD_VCPU_WORKER_MSIX_H
#define BULKHEAD_VCPU_WORKER_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/hypervisor.h"

#define MSIX_MAX_VECTORS 65u	/* one a queue, one for the configuration */
#define MSIX_NO_VECTOR 0xffffu
#define MSIX_ENTRY_SIZE 16u

/* Message control, in configuration space. */
#define MSIX_CONTROL_MASK (1u << 14)
#define MSIX_CONTROL_ENABLE (1u << 15)

struct msix_source {
	int fd;			/* eventfd, non-blocking */
	uint32_t gsi;
	uint16_t vector;	/* or MSIX_NO_VECTOR */
	bool attached;		/* it is an irqfd now */
};

struct msix {
	struct hv_vm *vm;
	uint32_t nvectors;
	uint32_t nsources;
	bool enabled, masked;	/* the function's control bits */
	uint32_t table[MSIX_MAX_VECTORS][4];	/* address low, high, data,
						 * control: bit 0 masks */
	bool pending[MSIX_MAX_VECTORS];
	struct msix_source source[MSIX_MAX_VECTORS];
};

/* @nvectors vectors, all masked; sources are added by msix_add_source. */
void msix_init(struct msix *m, struct hv_vm *vm, uint32_t nvectors);
void msix_add_source(struct msix *m, int fd, uint32_t gsi);

/* The message control register was written. */
void msix_control(struct msix *m, uint16_t control);

/* Bind source @s to @vector; returns it, or MSIX_NO_VECTOR if there is no such. */
uint16_t msix_bind(struct msix *m, uint32_t s, uint16_t vector);

/* The table and the pending bits; accesses outside read 0. */
void msix_table_read(const struct msix *m, uint64_t offset, uint8_t *data,
    uint32_t len);
void msix_table_write(struct msix *m, uint64_t offset, const uint8_t *data,
    uint32_t len);
void msix_pba_read(struct msix *m, uint64_t offset, uint8_t *data,
    uint32_t len);

/* Was source @s signalled since the last time? For those that are no irqfds. */
bool msix_poll(struct msix *m, uint32_t s);

/* Forget vectors and signals: the device is reset. The table stays. */
void msix_reset(struct msix *m);

#endif
