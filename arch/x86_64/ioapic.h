/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IOAPIC (Intel 82093AA), in user space since the irqchip is split: 24 pins,
 * which send messages to the local APICs in the kernel.
 */
#ifndef BULKHEAD_ARCH_X86_64_IOAPIC_H
#define BULKHEAD_ARCH_X86_64_IOAPIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/hypervisor.h"
#include "arch/x86_64/layout.h"
#include "bulkhead.pb-c.h"
#include "vcpu-worker/bus.h"

struct ioapic {
	pthread_mutex_t lock;
	struct hv_vm *vm;
	uint8_t select;				/* IOREGSEL */
	uint8_t id;
	uint32_t lines;				/* bit n: line of pin n is high */
	uint64_t entry[LAYOUT_IOAPIC_PINS];	/* redirection table */
};

void ioapic_init(struct ioapic *io, struct hv_vm *vm);

/* Set the line of @pin. Any thread. */
void ioapic_line(struct ioapic *io, uint32_t pin, bool high);

/* The guest ended level interrupt @vector: deliver again what is still high. */
void ioapic_eoi(struct ioapic *io, uint32_t vector);

/* At a standstill. Load: a message that was checked. */
void ioapic_save(struct ioapic *io, Bh__X86Platform *m);
void ioapic_load(struct ioapic *io, const Bh__X86Platform *m);

extern const struct bus_ops ioapic_ops;		/* owner: struct ioapic */
#define IOAPIC_WINDOW 0x1000u

#endif
