/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvpanic-pci, see pvpanic.h.
 */
#include "vcpu-worker/pvpanic.h"

#include <string.h>

#define VENDOR 0x1b36u		/* Red Hat */
#define DEVICE 0x0011u
#define SUBVENDOR 0x1af4u
#define SUBDEVICE 0x1100u
#define CLASS_SYSTEM_OTHER 0x088000u
#define REVISION 1u
#define BAR_SIZE 16u		/* the least that a memory BAR can have */

static void
bar_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	(void)owner;
	memset(data, 0, len);
	if (offset == 0)
		data[0] = PVPANIC_EVENTS;
}

static void
bar_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct pvpanic *p = owner;
	unsigned int events = data[0] & PVPANIC_EVENTS;

	(void)len;
	if (offset != 0 || (atomic_fetch_or(&p->seen, events) & events) == events)
		return;
	p->said(p->owner);
}

static const struct pci_function_ops ops = {
	.bar_read = bar_read, .bar_write = bar_write,
};

int
pvpanic_add(struct pvpanic *p, struct pci_host *host, uint16_t bdf,
    void (*said)(void *owner), void *owner)
{
	int rc;

	p->said = said;
	p->owner = owner;
	pci_function_init(&p->fn, bdf, VENDOR, DEVICE, CLASS_SYSTEM_OTHER,
	    REVISION);
	pci_set16(&p->fn, PCI_CFG_SUBVENDOR, SUBVENDOR);
	pci_set16(&p->fn, PCI_CFG_SUBDEVICE, SUBDEVICE);
	p->fn.ops = &ops;
	p->fn.owner = p;
	rc = pci_add_bar(host, &p->fn, BAR_SIZE);
	return rc < 0 ? rc : pci_add_function(host, &p->fn);
}

uint32_t
pvpanic_take(struct pvpanic *p)
{
	unsigned int seen = atomic_load(&p->seen);

	return seen & ~atomic_exchange(&p->taken, seen);
}

void
pvpanic_save(struct pvpanic *p, Bh__PvpanicState *m)
{
	bh__pvpanic_state__init(m);
	pci_save(&p->fn, &p->saved);
	m->pci = &p->saved;
	m->seen = atomic_load(&p->seen);
	m->taken = atomic_load(&p->taken);
}

void
pvpanic_load(struct pvpanic *p, const Bh__PvpanicState *m)
{
	pthread_mutex_lock(&p->fn.lock);
	pci_load(&p->fn, m->pci);
	atomic_store(&p->seen, m->seen);
	atomic_store(&p->taken, m->taken);
	pthread_mutex_unlock(&p->fn.lock);
}
