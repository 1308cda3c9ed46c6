// SPDX-License-Identifier: Apache-2.0
//
// Persistent memory, see pmem.h. Behind RAM and before the PCI window, in what no table
// of the guest's names: Linux can have memory there only as far up as it expects some.
#include "controller/pmem.h"

#include <errno.h>
#include <string.h>

#include "controller/hotplug.h"
#include "controller/life.h"
#include "controller/paths.h"
#include "controller/paths_inside.h"
#include "controller/supervise.h"
#include "ipc/log.h"

#define ALIGN (2ull << 20)
#define GIB (1ull << 30)
#define ROOM (64 * GIB)		/* for those that come later */
#define PMEM_SECONDS 30u

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
	/* Not more than a quarter: the window is for all other devices. */
	at += (end - at) / 4 < ROOM ? ((end - at) / 4) & ~(GIB - 1) : ROOM;
	vm->mmio64_base = (at + GIB - 1) & ~(GIB - 1);
	vm->mmio64_size = end - vm->mmio64_base;
	plan_window64(&vm->plan, &vm->spec, vm->mmio64_base, vm->mmio64_size);
	return 0;
}

uint64_t
pmem_size(const struct vm *vm)
{
	return vm->mmio64_base - vm->plan.mmio64_base;
}

static void
send_add(struct child *child, uint32_t i, uint32_t subject, unsigned int seconds)
{
	struct vm *vm = child->vm;
	Bh__MemoryRegion region = BH__MEMORY_REGION__INIT;
	Bh__AddMemory add = BH__ADD_MEMORY__INIT;
	CHAN_PACKET(p, ADD_MEMORY, add_memory, &add);

	region.slot = vm->plan.nregions + i;
	region.gpa = vm->pmem_gpa[i];
	region.size = size_of(vm, i);
	region.discard = vm->spec.pmems[i].discard_writes;
	add.region = &region;
	child_send(child, &p, &vm->pmems[i].fds[0], 1, subject, seconds);
}

void
pmem_send(struct child *child, unsigned int seconds)
{
	struct vm *vm = child->vm;

	for (uint32_t i = 0; i < vm->spec.npmems; i++)
		if (vm->pmems[i].nfds > 0) {
			vm->pmem_map[i] = PMEM_IN;
			send_add(child, i, 0, seconds);
		}
}

/* ---- while the VM runs ---------------------------------------------------------------- */

/* Is [@at, @at + @size) behind something? Then *@next is where that ends. */
static bool
taken(const struct vm *vm, uint64_t at, uint64_t size, uint32_t but, uint64_t *next)
{
	for (uint32_t i = 0; i < SPEC_MAX_PMEMS; i++) {
		const uint64_t gpa = vm->pmem_gpa[i];
		const uint64_t dead = vm->pmem_dead[i].at;

		if (i != but && i < vm->spec.npmems && vm->pmems[i].nfds > 0 &&
		    at < gpa + size_of(vm, i) && gpa < at + size) {
			*next = gpa + size_of(vm, i);
			return true;
		}
		if (at < dead + vm->pmem_dead[i].size && dead < at + size) {
			*next = dead + vm->pmem_dead[i].size;
			return true;
		}
	}
	return false;
}

int
pmem_come(struct vm *vm, uint32_t i)
{
	const uint64_t size = size_of(vm, i);
	uint64_t at = vm->plan.mmio64_base;

	while (size <= vm->mmio64_base - at && taken(vm, at, size, i, &at))
		if (at > vm->mmio64_base)
			break;
	if (at > vm->mmio64_base || size > vm->mmio64_base - at) {
		life_fail(vm, "--pmem file=%s: no room is left in the guest's addresses "
		    "for what comes while it runs; begin with it", vm->spec.pmems[i].file);
		return -ENOSPC;
	}
	vm->pmem_gpa[i] = at;
	vm->pmem_map[i] = PMEM_COMES;
	send_add(vm->vcpu, i, PMEM_SUBJECT + i, PMEM_SECONDS);
	return 0;
}

bool
pmem_mapped(const struct vm *vm, uint32_t i)
{
	return vm->pmem_map[i] == PMEM_IN;
}

void
pmem_answered(struct vm *vm, Bh__Packet__BodyCase type, uint32_t subject,
    const Bh__Failed *failed)
{
	const uint32_t i = (subject - PMEM_SUBJECT) % SPEC_MAX_PMEMS;

	if (type == BH__PACKET__BODY_REMOVE_MEMORY) {
		/* It can only say that there is no such region. */
		vm->pmem_map[i] = PMEM_OUT;
		hotplug_settle_leaving(vm);
		return;
	}
	if (vm->pmem_map[i] == PMEM_COMES)
		vm->pmem_map[i] = failed == NULL ? PMEM_IN : PMEM_OUT;
	hotplug_backed(vm, failed == NULL ? NULL : failed->text);
}

/* Its addresses are the dead device's until the guest has let go of that. */
static void
bury(struct vm *vm, uint32_t i, uint32_t bdf)
{
	uint32_t n = 0;

	while (n < SPEC_MAX_PMEMS - 1 && vm->pmem_dead[n].size != 0)
		n++;
	vm->pmem_dead[n].at = vm->pmem_gpa[i];
	vm->pmem_dead[n].size = size_of(vm, i);
	vm->pmem_dead[n].bdf = bdf;
}

bool
pmem_leave(struct vm *vm, uint32_t i, uint32_t bdf)
{
	Bh__RemoveMemory gone = BH__REMOVE_MEMORY__INIT;
	CHAN_PACKET(p, REMOVE_MEMORY, remove_memory, &gone);

	/* With a vcpu-worker all its mappings go. */
	if (vm->pmem_map[i] == PMEM_OUT || vm->vcpu == NULL ||
	    !child_alive(vm->vcpu) || vm->vcpu->told_quit) {
		vm->pmem_map[i] = PMEM_OUT;
		return false;
	}
	if (vm->pmem_map[i] == PMEM_GOES)
		return true;
	if (bdf != 0)
		bury(vm, i, bdf);
	vm->pmem_map[i] = PMEM_GOES;
	gone.slot = vm->plan.nregions + i;
	child_send(vm->vcpu, &p, NULL, 0, PMEM_SUBJECT + i, PMEM_SECONDS);
	return true;
}

void
pmem_let_go(struct vm *vm, uint32_t bdf)
{
	for (uint32_t i = 0; i < SPEC_MAX_PMEMS; i++)
		if (bdf == UINT32_MAX || vm->pmem_dead[i].bdf == bdf)
			vm->pmem_dead[i].size = 0;
}

void
pmem_release(struct vm *vm)
{
	memset(vm->pmem_map, 0, sizeof(vm->pmem_map));
	memset(vm->pmem_dead, 0, sizeof(vm->pmem_dead));
}
