// SPDX-License-Identifier: Apache-2.0
//
// Holes in the lists of a running VM's spec, see holes.h.
#include "controller/holes.h"

#include <stddef.h>
#include <string.h>

/* Lists of devices in a spec. */
enum list { DISKS, NETS, FS, GENERICS, PMEMS, VSOCKS, LISTS };

#define LIST(members, nmembers, type)					\
	{ offsetof(struct vm_spec, members), sizeof(struct type),	\
	  offsetof(struct vm_spec, nmembers), offsetof(struct type, pci) }

static const struct {
	size_t first, stride, count, pci;
} lists[LISTS] = {
	[DISKS] = LIST(disks, ndisks, disk_spec),
	[NETS] = LIST(nets, nnets, net_spec),
	[FS] = LIST(fs, nfs, fs_spec),
	[GENERICS] = LIST(generics, ngenerics, generic_spec),
	[PMEMS] = LIST(pmems, npmems, pmem_spec),
	[VSOCKS] = LIST(vsocks, nvsocks, vsock_spec),
};

static char *
entry_of(struct vm_spec *spec, enum list list, uint32_t i)
{
	return (char *)spec + lists[list].first + i * lists[list].stride;
}

static uint32_t *
count_of(struct vm_spec *spec, enum list list)
{
	return (uint32_t *)(void *)((char *)spec + lists[list].count);
}

static struct pci_spec *
pci_at(struct vm_spec *spec, enum list list, uint32_t i)
{
	return (struct pci_spec *)(void *)(entry_of(spec, list, i) +
	    lists[list].pci);
}

static enum list
list_of(const struct plan_device *dev)
{
	static const enum list fronts[] = {
		[FRONT_DISK] = DISKS, [FRONT_NET] = NETS, [FRONT_FS] = FS,
		[FRONT_GENERIC] = GENERICS,
	};

	switch ((int)dev->kind) {
	case PROC_BLK:
		return DISKS;
	case PROC_NET:
		return NETS;
	case PROC_FS:
		return FS;
	case PROC_PMEM:
		return PMEMS;
	case PROC_VSOCK:
		return VSOCKS;
	case PROC_FRONT:
		return fronts[dev->front];
	default:
		return LISTS;
	}
}

void
holes_make(struct vm_spec *spec, struct plan_device *dev)
{
	enum list list = list_of(dev);

	if (list != LISTS) {
		uint32_t *count = count_of(spec, list);

		pci_at(spec, list, dev->index)->gone = true;
		/* Those at the end are nobody's number. */
		while (*count > 0 && pci_at(spec, list, *count - 1)->gone)
			--*count;
	}
	*dev = (struct plan_device){ .kind = PROC_KIND_COUNT };
}

static uint32_t
holes_before(struct vm_spec *spec, enum list list, uint32_t index)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < index; i++)
		n += pci_at(spec, list, i)->gone;
	return n;
}

void
holes_squeeze(struct vm_spec *spec, struct vm_plan *plan)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < plan->ndevices; i++) {
		struct plan_device dev = plan->devices[i];
		enum list list = list_of(&dev);

		if (dev.kind == PROC_KIND_COUNT)
			continue;
		if (list != LISTS)
			dev.index -= holes_before(spec, list, dev.index);
		plan->devices[kept++] = dev;
	}
	plan->ndevices = kept;
	for (enum list list = 0; list < LISTS; list++) {
		uint32_t *count = count_of(spec, list), left = 0;

		for (uint32_t i = 0; i < *count; i++)
			if (!pci_at(spec, list, i)->gone)
				memmove(entry_of(spec, list, left++),
				    entry_of(spec, list, i), lists[list].stride);
		*count = left;
	}
}

/* What serves the one at @index of @list. */
static void
set_kind(const struct vm_spec *spec, enum list list, struct plan_device *dev)
{
	static const struct { enum process_kind own; enum plan_front front; } by[] = {
		[DISKS] = { PROC_BLK, FRONT_DISK }, [NETS] = { PROC_NET, FRONT_NET },
		[FS] = { PROC_FS, FRONT_FS }, [GENERICS] = { PROC_FRONT, FRONT_GENERIC },
		[PMEMS] = { PROC_PMEM, FRONT_DISK }, [VSOCKS] = { PROC_VSOCK, FRONT_DISK },
	};
	bool far = list == GENERICS ||
	    (list == DISKS && spec->disks[dev->index].vhost.on) ||
	    (list == NETS && spec->nets[dev->index].vhost.on) ||
	    (list == FS && spec->fs[dev->index].path == NULL);

	dev->kind = far ? PROC_FRONT : by[list].own;
	dev->front = by[list].front;
}

bool
holes_find_new(struct vm_spec *to, const struct vm_spec *from,
    struct plan_device *dev)
{
	union { const struct vm_spec *in; struct vm_spec *out; } u = { .in = from };

	for (enum list list = 0; list < LISTS; list++) {
		uint32_t *count = count_of(to, list), at = 0;
		uint32_t last = *count - 1;

		if (*count != *count_of(u.out, list) + 1)
			continue;
		while (at < last && !pci_at(to, list, at)->gone)
			at++;
		if (at < last) {
			memcpy(entry_of(to, list, at), entry_of(to, list, last),
			    lists[list].stride);
			--*count;
		}
		dev->index = at;
		set_kind(to, list, dev);
		return true;
	}
	return false;
}
