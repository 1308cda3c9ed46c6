/* SPDX-License-Identifier: Apache-2.0 */
/* Registers that add and remove PCI devices, see slots.h. */
#include "arch/x86_64/slots.h"

#include <string.h>

enum reg { REG_BUS = 0, REG_CAME = 4, REG_LEAVES = 8, REG_EJECT = 12 };

#define SLOT_COUNT 32u
#define BRIDGE 1u	/* slot 0 stays */

void
slots_init(struct slots *s, const struct arch_host *host)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->host = *host;
}

bool
slots_changed(struct slots *s, uint32_t bus, uint32_t slot, bool came)
{
	if (bus >= LAYOUT_PCI_SEGMENTS || slot == 0 || slot >= SLOT_COUNT)
		return false;
	pthread_mutex_lock(&s->lock);
	if (came)
		s->came[bus] |= 1u << slot;
	else
		s->leaves[bus] |= 1u << slot;
	pthread_mutex_unlock(&s->lock);
	return true;
}

static void
slots_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct slots *s = owner;
	uint64_t value = 0;

	pthread_mutex_lock(&s->lock);
	if (offset == REG_BUS)
		value = s->bus;
	else if (s->bus < LAYOUT_PCI_SEGMENTS && offset == REG_CAME)
		value = s->came[s->bus];
	else if (s->bus < LAYOUT_PCI_SEGMENTS && offset == REG_LEAVES)
		value = s->leaves[s->bus];
	pthread_mutex_unlock(&s->lock);
	bus_put(data, len, value);
}

static void
slots_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct slots *s = owner;
	const uint32_t value = (uint32_t)bus_get(data, len);
	uint32_t eject = 0, bus;

	pthread_mutex_lock(&s->lock);
	if (offset == REG_BUS)
		s->bus = value;
	bus = s->bus;
	if (bus < LAYOUT_PCI_SEGMENTS && offset == REG_CAME) {
		s->came[bus] &= ~value;
	} else if (bus < LAYOUT_PCI_SEGMENTS && offset == REG_LEAVES) {
		s->leaves[bus] &= ~value;
	} else if (bus < LAYOUT_PCI_SEGMENTS && offset == REG_EJECT) {
		eject = value & ~BRIDGE;
		s->leaves[bus] &= ~eject;
	}
	pthread_mutex_unlock(&s->lock);
	for (uint32_t slot = 1; slot < SLOT_COUNT; slot++)
		if ((eject & 1u << slot) != 0)
			s->host.ejected(s->host.owner, bus, slot);
}

void
slots_save(struct slots *s, Bh__X86Platform *m)
{
	pthread_mutex_lock(&s->lock);
	m->slots_bus = s->bus;
	m->n_slots_came = m->n_slots_leaves = LAYOUT_PCI_SEGMENTS;
	m->slots_came = s->came;
	m->slots_leaves = s->leaves;
	pthread_mutex_unlock(&s->lock);
}

bool
slots_fit(const Bh__X86Platform *m)
{
	return m->n_slots_came == LAYOUT_PCI_SEGMENTS;
}

void
slots_load(struct slots *s, const Bh__X86Platform *m)
{
	pthread_mutex_lock(&s->lock);
	s->bus = m->slots_bus;
	for (uint32_t bus = 0; bus < LAYOUT_PCI_SEGMENTS; bus++) {
		s->came[bus] = m->slots_came[bus] & ~BRIDGE;
		s->leaves[bus] = m->slots_leaves[bus] & ~BRIDGE;
	}
	pthread_mutex_unlock(&s->lock);
}

const struct bus_ops slots_ops = { .read = slots_read, .write = slots_write };
