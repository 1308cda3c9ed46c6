// SPDX-License-Identifier: Apache-2.0
//
// Persistent memory, see pmem.h. Behind RAM and before the PCI window, in what no table
// of the guest's names: Linux can have memory there only as far up as it expects some.
#include "controller/pmem.h"

#include <errno.h>

#include "controller/life.h"
#include "controller/paths.h"
#include "controller/paths_inside.h"
#include "controller/supervise.h"
#include "ipc/log.h"

#define ALIGN (2ull << 20)
#define GIB (1ull << 30)

/* What of the file is mapped. */
static uint64_t
size_of(const struct vm *vm, uint32_t i)
{
	return vm->spec.pmems[i].size != 0 ? vm->spec.pmems[i].size :
	    vm->pmems[i].size;
}

int
pmem_opened(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, int fd)
{
	const struct pmem_spec *spec = &vm->spec.pmems[item->index];
	struct backend *b = &vm->pmems[item->index];
	int rc;

	b->fds[b->nfds++] = fd;
	b->size = opened->size;
	b->folder = -1;
	if (size_of(vm, item->index) > b->size)
		return path_refuse(vm, item, "smaller than size=; make it larger "
		    "(truncate -s)");
	if (size_of(vm, item->index) == 0 || size_of(vm, item->index) % ALIGN != 0)
		return path_refuse(vm, item, "not a multiple of 2M; make it so "
		    "(truncate -s %2M), or give size=");
	rc = paths_lock(fd, spec->discard_writes, b->size);
	if (rc == -EAGAIN)
		return path_refuse(vm, item, "locked by another VM (or another "
		    "--pmem); stop that, or add discard_writes=on to both");
	if (rc != 0)
		log_warn("--pmem file=%s: cannot be locked: %s; see to it that nobody "
		    "else uses it", spec->file, log_errtext(rc));
	return 0;
}

int
pmem_place(struct vm *vm)
{
	uint64_t at = vm->plan.mmio64_base, end = at + vm->plan.mmio64_size;

	for (uint32_t i = 0; i < vm->spec.npmems; i++) {
		uint64_t size = size_of(vm, i);

		if (size > end - at || end - at - size < 2 * GIB) {
			life_fail(vm, "--pmem file=%s: does not fit into the guest's "
			    "addresses; raise --cpus max_phys_bits",
			    vm->spec.pmems[i].file);
			return -ENOSPC;
		}
		vm->pmem_gpa[i] = at;
		at += size;
	}
	vm->mmio64_base = (at + GIB - 1) & ~(GIB - 1);
	vm->mmio64_size = end - vm->mmio64_base;
	return 0;
}

uint64_t
pmem_size(const struct vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->spec.npmems; i++)
		sum += size_of(vm, i);
	return sum;
}

void
pmem_send(struct child *child, unsigned int seconds)
{
	struct vm *vm = child->vm;

	for (uint32_t i = 0; i < vm->spec.npmems; i++) {
		Bh__MemoryRegion region = BH__MEMORY_REGION__INIT;
		Bh__AddMemory add = BH__ADD_MEMORY__INIT;
		CHAN_PACKET(p, ADD_MEMORY, add_memory, &add);

		region.slot = vm->plan.nregions + i;
		region.gpa = vm->pmem_gpa[i];
		region.size = size_of(vm, i);
		region.discard = vm->spec.pmems[i].discard_writes;
		add.region = &region;
		child_send(child, &p, &vm->pmems[i].fds[0], 1, 0, seconds);
	}
}
