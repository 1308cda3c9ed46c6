/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers that the ACPI tables of a hardware-reduced machine point at:
 * sleep control and reset, the PM timer, and the generic event device (GED) that
 * tells of the power button. The tables are the loader's.
 */
#ifndef BULKHEAD_ARCH_X86_64_ACPI_H
#define BULKHEAD_ARCH_X86_64_ACPI_H

#include <pthread.h>
#include <stdint.h>

#include "arch/arch.h"
#include "arch/x86_64/ioapic.h"
#include "bulkhead.pb-c.h"
#include "vcpu-worker/bus.h"

struct acpi {
	pthread_mutex_t lock;
	struct arch_host host;
	struct ioapic *ioapic;
	uint32_t pm_offset;	/* of the PM timer to the host's clock, ticks */
	uint8_t events;		/* LAYOUT_GED_* that the guest has not read */
};

void acpi_init(struct acpi *a, struct ioapic *ioapic,
    const struct arch_host *host);

/* Tell the guest of @event. Any thread. */
void acpi_notify(struct acpi *a, uint8_t event);

/* At a standstill: the PM timer goes on where it was. */
void acpi_save(struct acpi *a, Bh__X86Platform *m);
void acpi_load(struct acpi *a, const Bh__X86Platform *m);

extern const struct bus_ops acpi_ops;	/* owner: struct acpi; base: sleep port */
#define ACPI_WINDOW (LAYOUT_PORT_PM_TIMER + 4u - LAYOUT_PORT_ACPI_SLEEP)

#endif
