/* SPDX-License-Identifier: Apache-2.0 */
/* Registers that add and remove memory, see dimms.h. */
#include "arch/x86_64/dimms.h"

#include <errno.h>

#define REG_STATE 4u
#define REG_PLACE 8u
#define FOR_GUEST (DIMMS_PRESENT | DIMMS_INSERTED | DIMMS_REMOVE)

void
dimms_init(struct dimms *d, const struct arch_host *host)
{
	pthread_mutex_init(&d->lock, NULL);
	d->host = *host;
	d->selected = 0;
}

int
dimms_add(struct dimms *d, uint32_t i, uint64_t base, uint64_t size, bool fresh)
{
	int rc = 0;

	if (i >= LAYOUT_DIMMS)
		return -EINVAL;
	pthread_mutex_lock(&d->lock);
	if ((d->dimm[i].flags & DIMMS_PRESENT) != 0)
		rc = -EEXIST;
	else
		d->dimm[i] = (struct dimm){ base, size,
			DIMMS_PRESENT | (fresh ? DIMMS_INSERTED : 0) };
	pthread_mutex_unlock(&d->lock);
	return rc;
}

int
dimms_ask(struct dimms *d, uint32_t i)
{
	int rc = 0;

	if (i >= LAYOUT_DIMMS)
		return -EINVAL;
	pthread_mutex_lock(&d->lock);
	if ((d->dimm[i].flags & DIMMS_PRESENT) == 0)
		rc = -ENOENT;
	else if ((d->dimm[i].flags & DIMMS_ASKED) != 0)
		rc = -EBUSY;
	else
		d->dimm[i].flags |= DIMMS_REMOVE | DIMMS_ASKED;
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static void
dimms_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct dimms *d = owner;
	uint64_t value = 0;

	pthread_mutex_lock(&d->lock);
	if (offset == 0) {
		value = d->selected;
	} else if (d->selected < LAYOUT_DIMMS) {
		const struct dimm *m = &d->dimm[d->selected];

		if (offset == REG_STATE)
			value = m->flags & FOR_GUEST;
		else if (offset >= REG_PLACE && offset < REG_PLACE + 8)
			value = m->base >> 8 * (offset - REG_PLACE);
		else if (offset >= REG_PLACE + 8)
			value = m->size >> 8 * (offset - REG_PLACE - 8);
	}
	pthread_mutex_unlock(&d->lock);
	bus_put(data, len, value);
}

static void
dimms_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct dimms *d = owner;
	uint64_t value = bus_get(data, len);
	bool gone = false, stays = false;
	uint32_t i;

	pthread_mutex_lock(&d->lock);
	i = d->selected;
	if (offset == 0) {
		d->selected = (uint32_t)value;
	} else if (offset == REG_STATE && i < LAYOUT_DIMMS) {
		uint8_t *f = &d->dimm[i].flags;

		*f &= (uint8_t)~(value & (DIMMS_INSERTED | DIMMS_REMOVE));
		gone = (value & DIMMS_EJECT) != 0 && (*f & DIMMS_PRESENT) != 0;
		stays = !gone && (value & DIMMS_REFUSE) != 0 &&
		    (*f & DIMMS_ASKED) != 0;
		if (gone)
			*f = 0;
		else if (stays)
			*f &= (uint8_t)~(DIMMS_ASKED | DIMMS_REMOVE);
	}
	pthread_mutex_unlock(&d->lock);
	if (gone || stays)
		d->host.dimm_let_go(d->host.owner, i, gone);
}

void
dimms_save(struct dimms *d, Bh__X86Platform *m)
{
	pthread_mutex_lock(&d->lock);
	m->dimms_selected = d->selected;
	for (size_t i = 0; i < LAYOUT_DIMMS; i++) {
		d->saved[3 * i] = d->dimm[i].base;
		d->saved[3 * i + 1] = d->dimm[i].size;
		d->saved[3 * i + 2] = d->dimm[i].flags;
	}
	m->n_dimms = (size_t)3 * LAYOUT_DIMMS;
	m->dimms = d->saved;
	pthread_mutex_unlock(&d->lock);
}

bool
dimms_fit(struct dimms *d, const Bh__X86Platform *m)
{
	bool fits = true;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < LAYOUT_DIMMS; i++) {
		const uint64_t *s = m->dimms + 3 * i;
		bool there = (d->dimm[i].flags & DIMMS_PRESENT) != 0;

		fits &= (s[2] & ~(uint64_t)(FOR_GUEST | DIMMS_ASKED)) == 0 &&
		    there == ((s[2] & DIMMS_PRESENT) != 0) &&
		    (!there || (s[0] == d->dimm[i].base && s[1] == d->dimm[i].size));
	}
	pthread_mutex_unlock(&d->lock);
	return fits;
}

void
dimms_load(struct dimms *d, const Bh__X86Platform *m)
{
	pthread_mutex_lock(&d->lock);
	d->selected = m->dimms_selected;
	for (size_t i = 0; i < LAYOUT_DIMMS; i++)
		d->dimm[i] = (struct dimm){ m->dimms[3 * i], m->dimms[3 * i + 1],
			(uint8_t)m->dimms[3 * i + 2] };
	pthread_mutex_unlock(&d->lock);
}

const struct bus_ops dimms_ops = { .read = dimms_read, .write = dimms_write };
