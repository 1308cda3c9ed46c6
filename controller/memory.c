// SPDX-License-Identifier: Apache-2.0
//
// Memory that comes and goes, see memory.h.
#include "controller/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/dimms.h"
#include "controller/manage.h"
#include "controller/supervise.h"
#include "device-workers/lib/counters.h"

#define VIRTIO_MEM_BLOCK (2ull << 20)

uint64_t
memory_block(const struct vm *vm, uint32_t zone)
{
	struct stat st;

	/* hugetlbfs says the size of its pages so. */
	if (!vm->plan.zones[zone].hugepages ||
	    fstat(vm->zones[zone].ram, &st) != 0 ||
	    (uint64_t)st.st_blksize < VIRTIO_MEM_BLOCK)
		return VIRTIO_MEM_BLOCK;
	return (uint64_t)st.st_blksize;
}

static uint64_t
at_boot(const struct vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->plan.nzones; i++)
		sum += vm->plan.zones[i].size;
	return sum;
}

uint64_t
memory_most(const struct vm *vm)
{
	uint64_t sum = at_boot(vm);

	for (uint32_t i = 0; i < vm->plan.nzones; i++)
		sum += vm->plan.zones[i].hot_size;
	return sum + vm->plan.dimm_size;
}

uint64_t
memory_wanted(const struct vm *vm)
{
	uint64_t sum = at_boot(vm);

	for (uint32_t i = 0; i < vm->plan.nzones; i++)
		sum += vm->plan.zones[i].hot_wanted;
	if (vm->plan.dimm_size != 0)
		sum += vm->state == VM_CREATED ? vm->spec.memory.hotplugged_size :
		    dimms_size(vm);
	return sum;
}

/* ---- virtio-mem ------------------------------------------------------------------ */

static struct child *
worker_of(const struct vm *vm, uint32_t zone)
{
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		union { const struct child *in; struct child *out; } u = {
			.in = &vm->children[i],
		};

		if (u.in->kind == PROC_MEM && u.in->dev != NULL &&
		    u.in->dev->index == zone)
			return u.out;
	}
	return NULL;
}

/* A worker may have written anything there; no more than there is. */
static uint64_t
plugged(const struct vm *vm, uint32_t zone)
{
	const struct child *worker = worker_of(vm, zone);
	uint64_t counters[COUNTERS], most = vm->plan.zones[zone].hot_size;

	if (worker == NULL || worker->record < 0 || pread(worker->record, counters,
	    sizeof(counters), COUNTERS_AT) != (ssize_t)sizeof(counters))
		return 0;
	return counters[MEM_COUNT_PLUGGED] < most ? counters[MEM_COUNT_PLUGGED] :
	    most;
}

uint64_t
memory_actual(const struct vm *vm)
{
	uint64_t sum = at_boot(vm);

	for (uint32_t i = 0; i < vm->plan.nzones; i++)
		if (vm->plan.zones[i].hot_size != 0)
			sum += plugged(vm, i);
	return sum + dimms_size(vm);
}

/* Who is not there, or not ready, is told by its configuration. */
static void
tell(const struct vm *vm, uint32_t zone)
{
	Bh__SetPlugged set = BH__SET_PLUGGED__INIT;
	CHAN_PACKET(p, SET_PLUGGED, set_plugged, &set);
	struct child *worker = worker_of(vm, zone);

	set.size = vm->plan.zones[zone].hot_wanted;
	if (worker != NULL && child_alive(worker) && worker->ready &&
	    !worker->told_quit && !worker->isolated)
		child_send(worker, &p, NULL, 0, 0, 0);
}

void
memory_ready(const struct child *worker)
{
	if (worker->kind == PROC_MEM)
		tell(worker->vm, worker->dev->index);
}

/* ---- vm.resize ------------------------------------------------------------------- */

uint32_t
memory_refuse(const struct vm *vm, uint64_t size, const char **why)
{
	uint64_t boot = at_boot(vm);
	uint64_t most = vm->plan.zones[0].hot_size + vm->plan.dimm_size;

	if (size == memory_wanted(vm))
		return 0;
	*why = "desired_ram: this VM's memory is of zones; resize one of them "
	    "(vm.resize-zone)";
	if (vm->spec.nzones != 0)
		return 500;
	*why = "desired_ram: this VM's memory is as large as it is; start it with "
	    "--memory hotplug_size=";
	if (most == 0)
		return 500;
	*why = "desired_ram: less than the VM has at boot (--memory size=)";
	if (size < boot)
		return 500;
	*why = "desired_ram: more than --memory size= and hotplug_size= together";
	if (size - boot > most)
		return 500;
	*why = "desired_ram: what is more than at boot is not a multiple of 128M";
	if ((size - boot) % MEM_LIMIT_ALIGN != 0)
		return 500;
	return vm->plan.dimm_size != 0 && vm->state == VM_RUNNING ?
	    dimms_refuse(vm, size - boot, why) : 0;
}

uint32_t
memory_resize(struct vm *vm, uint64_t size, const char **why)
{
	uint32_t status = memory_refuse(vm, size, why);

	if (status != 0)
		return status;
	if (size == memory_wanted(vm))
		return 204;
	if (vm->plan.dimm_size != 0 && vm->state == VM_RUNNING)
		return dimms_resize(vm, size - at_boot(vm), why);
	if (vm->plan.dimm_size != 0) {
		vm->spec.memory.hotplugged_size = size - at_boot(vm);
		return 204;
	}
	manage_event(vm, "vm", "resizing");
	vm->plan.zones[0].hot_wanted = size - at_boot(vm);
	/* A guest that boots again has as much. */
	vm->spec.memory.hotplugged_size = vm->plan.zones[0].hot_wanted;
	tell(vm, 0);
	manage_event(vm, "vm", "resized");
	return 204;
}

/* ---- vm.resize-zone -------------------------------------------------------------- */

uint32_t
memory_resize_zone(struct vm *vm, const char *id, uint64_t size, const char **why)
{
	struct plan_zone *z = NULL;
	uint32_t n = 0;

	*why = "this VM has no memory zones; vm.resize is for all of its memory";
	if (vm->spec.nzones == 0)
		return 500;
	for (uint32_t i = 0; i < vm->plan.nzones; i++)
		if (strcmp(vm->plan.zones[i].id, id) == 0) {
			z = &vm->plan.zones[i];
			n = i;
		}
	*why = "there is no such memory zone";
	if (z == NULL)
		return 404;
	if (size == z->size + z->hot_wanted)
		return 204;
	*why = "desired_ram: this zone is as large as it is; start it with "
	    "--memory-zone hotplug_size=";
	if (z->hot_size == 0)
		return 500;
	*why = "desired_ram: less than the zone has at boot (size=)";
	if (size < z->size)
		return 500;
	*why = "desired_ram: more than the zone's size= and hotplug_size= together";
	if (size - z->size > z->hot_size)
		return 500;
	*why = "desired_ram: what is more than at boot is not a multiple of 128M";
	if ((size - z->size) % MEM_LIMIT_ALIGN != 0)
		return 500;
	manage_event(vm, "vm", "resizing");
	/* A guest that boots again has as much. */
	z->hot_wanted = vm->spec.zones[n].hotplugged_size = size - z->size;
	tell(vm, n);
	manage_event(vm, "vm", "resized");
	return 204;
}
