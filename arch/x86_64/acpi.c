/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI's registers, see acpi.h; ACPI specification 6.4, 4.8.3 (sleep control and
 * reset of hardware-reduced machines), 4.8.2.1 (PM timer), 5.6.9 (GED).
 */
#include "arch/x86_64/acpi.h"

#include <string.h>
#include <time.h>

enum acpi_offset {
	REG_SLEEP = 0,
	REG_RESET = LAYOUT_PORT_ACPI_RESET - LAYOUT_PORT_ACPI_SLEEP,
	REG_GED = LAYOUT_PORT_GED - LAYOUT_PORT_ACPI_SLEEP,
	REG_PM_TIMER = LAYOUT_PORT_PM_TIMER - LAYOUT_PORT_ACPI_SLEEP,
};

#define SLEEP_ENABLE (1u << 5)
#define SLEEP_TYPE(value) (((value) >> 2) & 7u)
#define PM_TIMER_HZ 3579545ull
#define NS_PER_S 1000000000ull

void
acpi_init(struct acpi *a, struct ioapic *ioapic, const struct arch_host *host)
{
	memset(a, 0, sizeof(*a));
	pthread_mutex_init(&a->lock, NULL);
	a->host = *host;
	a->ioapic = ioapic;
}

void
acpi_notify(struct acpi *a, uint8_t event)
{
	pthread_mutex_lock(&a->lock);
	a->events |= event;
	/* An edge, also where the last one has not been read yet. */
	ioapic_line(a->ioapic, LAYOUT_GSI_GED, false);
	ioapic_line(a->ioapic, LAYOUT_GSI_GED, true);
	pthread_mutex_unlock(&a->lock);
}

static uint32_t
pm_timer(void)
{
	struct timespec now;
	uint64_t ticks;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ticks = (uint64_t)now.tv_sec * PM_TIMER_HZ +
	    (uint64_t)now.tv_nsec * PM_TIMER_HZ / NS_PER_S;
	return (uint32_t)ticks;
}

static void
acpi_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct acpi *a = owner;
	uint32_t value = 0;

	if (offset >= REG_PM_TIMER) {
		value = (pm_timer() + a->pm_offset) >> (8 * (offset - REG_PM_TIMER));
	} else if (offset == REG_GED) {
		pthread_mutex_lock(&a->lock);
		value = a->events;
		a->events = 0;
		ioapic_line(a->ioapic, LAYOUT_GSI_GED, false);
		pthread_mutex_unlock(&a->lock);
	}
	bus_put(data, len, value);
}

static void
acpi_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	const struct acpi *a = owner;

	(void)len;
	if (offset == REG_SLEEP && (data[0] & SLEEP_ENABLE) != 0 &&
	    SLEEP_TYPE(data[0]) == LAYOUT_ACPI_S5)
		a->host.stop(a->host.owner, ARCH_STOP_SHUTDOWN);
	else if (offset == REG_RESET && data[0] == LAYOUT_ACPI_RESET_VALUE)
		a->host.stop(a->host.owner, ARCH_STOP_RESET);
}

void
acpi_save(struct acpi *a, Bh__X86Platform *m)
{
	pthread_mutex_lock(&a->lock);
	m->acpi_events = a->events;
	m->pm_timer = pm_timer() + a->pm_offset;
	pthread_mutex_unlock(&a->lock);
}

void
acpi_load(struct acpi *a, const Bh__X86Platform *m)
{
	pthread_mutex_lock(&a->lock);
	a->events = (uint8_t)m->acpi_events;
	a->pm_offset = m->pm_timer - pm_timer();
	pthread_mutex_unlock(&a->lock);
}

const struct bus_ops acpi_ops = { .read = acpi_read, .write = acpi_write };
