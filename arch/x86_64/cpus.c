/* SPDX-License-Identifier: Apache-2.0 */
/* Registers that add and remove vCPUs, see cpus.h. */
#include "arch/x86_64/cpus.h"

#include <string.h>

#define REG_STATE 4u
#define FOR_GUEST (CPUS_PRESENT | CPUS_INSERTED | CPUS_REMOVE)

void
cpus_init(struct cpus *c, uint32_t boot, uint32_t max,
    const struct arch_host *host)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->host = *host;
	c->max = max > CPUS_MAX ? CPUS_MAX : max;
	for (uint32_t i = 0; i < boot && i < c->max; i++)
		c->flags[i] = CPUS_PRESENT;
}

/* With the lock. */
static uint32_t
count(const struct cpus *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->max; i++)
		n += c->flags[i] & CPUS_PRESENT;
	return n;
}

uint32_t
cpus_count(struct cpus *c)
{
	uint32_t n;

	pthread_mutex_lock(&c->lock);
	n = count(c);
	pthread_mutex_unlock(&c->lock);
	return n;
}

bool
cpus_present(struct cpus *c, uint32_t cpu)
{
	bool present;

	pthread_mutex_lock(&c->lock);
	present = cpu < c->max && (c->flags[cpu] & CPUS_PRESENT) != 0;
	pthread_mutex_unlock(&c->lock);
	return present;
}

bool
cpus_leaving(struct cpus *c)
{
	bool leaving = false;

	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < c->max; i++)
		leaving |= (c->flags[i] & CPUS_ASKED) != 0;
	pthread_mutex_unlock(&c->lock);
	return leaving;
}

bool
cpus_resize(struct cpus *c, uint32_t want, arch_plug_fn *plug, void *arg)
{
	uint32_t have, changed = 0;

	pthread_mutex_lock(&c->lock);
	have = count(c);
	for (uint32_t i = 0; i < c->max && have < want; i++) {
		if ((c->flags[i] & CPUS_PRESENT) != 0)
			continue;
		plug(arg, i);
		c->flags[i] = CPUS_PRESENT | CPUS_INSERTED;
		have++, changed++;
	}
	/* Never the first, which the guest began with. */
	for (uint32_t i = c->max; i-- > 1 && have > want;) {
		if ((c->flags[i] & CPUS_PRESENT) == 0)
			continue;
		c->flags[i] |= CPUS_REMOVE | CPUS_ASKED;
		have--, changed++;
	}
	pthread_mutex_unlock(&c->lock);
	return changed != 0;
}

static void
cpus_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct cpus *c = owner;
	uint64_t value = 0;

	pthread_mutex_lock(&c->lock);
	if (offset == 0)
		value = c->selected;
	else if (offset == REG_STATE && c->selected < c->max)
		value = c->flags[c->selected] & FOR_GUEST;
	pthread_mutex_unlock(&c->lock);
	bus_put(data, len, value);
}

static void
cpus_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct cpus *c = owner;
	uint64_t value = bus_get(data, len);
	uint32_t ejected = 0, refused = 0;

	pthread_mutex_lock(&c->lock);
	if (offset == 0) {
		c->selected = (uint32_t)value;
	} else if (offset == REG_STATE && c->selected < c->max) {
		uint8_t *f = &c->flags[c->selected];

		*f &= (uint8_t)~(value & (CPUS_INSERTED | CPUS_REMOVE));
		if ((value & CPUS_EJECT) != 0 && c->selected != 0 &&
		    (*f & CPUS_PRESENT) != 0) {
			*f = 0;
			ejected = c->selected;
		} else if ((value & CPUS_REFUSE) != 0 && (*f & CPUS_ASKED) != 0) {
			*f &= (uint8_t)~(CPUS_ASKED | CPUS_REMOVE);
			refused = c->selected;
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (ejected != 0 || refused != 0)
		c->host.let_go(c->host.owner, ejected + refused, ejected != 0);
}

void
cpus_save(struct cpus *c, Bh__X86Platform *m)
{
	pthread_mutex_lock(&c->lock);
	m->cpus_selected = c->selected;
	m->cpus_flags.len = c->max;
	m->cpus_flags.data = c->flags;
	pthread_mutex_unlock(&c->lock);
}

/* The first is always there. */
bool
cpus_fit(const struct cpus *c, const Bh__X86Platform *m)
{
	const uint8_t known = FOR_GUEST | CPUS_ASKED;

	if (m->cpus_flags.len != c->max || (m->cpus_flags.data[0] & CPUS_PRESENT) == 0)
		return false;
	for (uint32_t i = 0; i < c->max; i++)
		if ((m->cpus_flags.data[i] & ~known) != 0)
			return false;
	return true;
}

void
cpus_load(struct cpus *c, const Bh__X86Platform *m)
{
	pthread_mutex_lock(&c->lock);
	c->selected = m->cpus_selected;
	memcpy(c->flags, m->cpus_flags.data, c->max);
	pthread_mutex_unlock(&c->lock);
}

const struct bus_ops cpus_ops = { .read = cpus_read, .write = cpus_write };
