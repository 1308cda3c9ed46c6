// SPDX-License-Identifier: Apache-2.0
//
// DIMMs, see dimms.h. What a process maps of them is in child->dimms, a bit each; what
// it should follows from their states, so that nothing depends on who dies when.
#include "controller/dimms.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "controller/life.h"
#include "controller/manage.h"
#include "controller/resources.h"
#include "controller/supervise.h"
#include "ipc/log.h"
#include "proto/limits.h"

/* A worker may have much to finish before it lets go; one that does not is replaced. */
#define DIMM_SECONDS 30u
#define TOLD (1u << 31)		/* it has its configuration */

_Static_assert(DIMM_LIMIT < 31, "a bit each");

/* From the end: the plan's regions and persistent memory have the first. */
static uint32_t
slot_of(uint32_t i)
{
	return GMEM_LIMIT_REGIONS - 1 - i;
}

/* Is it the guest's, or about to be? */
static bool
comes(const struct dimm_memory *d)
{
	return d->state != DIMM_NONE && d->state != DIMM_GOES;
}

uint64_t
dimms_size(const struct vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < DIMM_LIMIT; i++)
		if (comes(&vm->dimms[i]) && vm->dimms[i].state != DIMM_ASKED)
			sum += vm->dimms[i].size;
	return sum;
}

static uint32_t
count(const struct vm *vm, enum dimm_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < DIMM_LIMIT; i++)
		n += vm->dimms[i].state == state;
	return n;
}

/* ---- who maps what ------------------------------------------------------------------ */

static void
send_add(struct child *child, uint32_t i, unsigned int seconds)
{
	const struct dimm_memory *d = &child->vm->dimms[i];
	Bh__MemoryRegion region = BH__MEMORY_REGION__INIT;
	Bh__AddMemory add = BH__ADD_MEMORY__INIT;
	CHAN_PACKET(p, ADD_MEMORY, add_memory, &add);

	region.slot = slot_of(i);
	region.gpa = d->gpa;
	region.size = d->size;
	add.region = &region;
	child->dimms |= 1u << i;
	child_send(child, &p, &d->fd, 1, i + 1, seconds);
}

static void
send_remove(struct child *child, uint32_t i)
{
	Bh__RemoveMemory gone = BH__REMOVE_MEMORY__INIT;
	CHAN_PACKET(p, REMOVE_MEMORY, remove_memory, &gone);

	gone.slot = slot_of(i);
	child->dimms &= ~(1u << i);
	child_send(child, &p, NULL, 0, i + 1, DIMM_SECONDS);
}

static void
send_plug(const struct vm *vm, uint32_t i, unsigned int seconds)
{
	Bh__PlugDimm plug = BH__PLUG_DIMM__INIT;
	CHAN_PACKET(p, PLUG_DIMM, plug_dimm, &plug);

	plug.index = i;
	plug.start = vm->dimms[i].gpa;
	plug.size = vm->dimms[i].size;
	child_send(vm->vcpu, &p, NULL, 0, i, seconds);
}

uint32_t
dimms_regions(const struct vm *vm)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < DIMM_LIMIT; i++)
		n += comes(&vm->dimms[i]);
	return n;
}

void
dimms_send(struct child *child, unsigned int seconds)
{
	struct vm *vm = child->vm;

	child->dimms = TOLD;
	for (uint32_t i = 0; i < DIMM_LIMIT; i++) {
		if (!comes(&vm->dimms[i]))
			continue;
		send_add(child, i, seconds);
		if (child->kind == PROC_VCPU)
			send_plug(vm, i, seconds);
	}
}

/* Bring @child to where it should be with DIMM @i; is it there? */
static bool
settle_one(struct child *child, uint32_t i)
{
	bool has = (child->dimms >> i & 1) != 0;
	bool should = comes(&child->vm->dimms[i]);

	if (has == should)
		return true;
	if (should) {
		send_add(child, i, DIMM_SECONDS);
		return false;
	}
	/* Until it is ready it takes none back. */
	if (child->ready)
		send_remove(child, i);
	return false;
}

static bool
settle_workers(struct vm *vm, uint32_t i)
{
	bool all = true;

	for (uint32_t k = 0; k < vm->nchildren; k++) {
		struct child *c = &vm->children[k];

		if (c->dev == NULL || !c->dev->on_pci || !child_alive(c) ||
		    (c->dimms & TOLD) == 0 || c->told_quit)
			continue;
		if (!settle_one(c, i) ||
		    child_waiting(c, BH__PACKET__BODY_ADD_MEMORY) != 0 ||
		    child_waiting(c, BH__PACKET__BODY_REMOVE_MEMORY) != 0)
			all = false;
	}
	return all;
}

/* ---- one that goes, or comes ---------------------------------------------------------- */

static void
forget(struct vm *vm, uint32_t i)
{
	struct dimm_memory *d = &vm->dimms[i];

	close(d->fd);
	*d = (struct dimm_memory){ .fd = -1 };
}

/* A guest that boots again has as much. */
static void
note_size(struct vm *vm)
{
	vm->spec.memory.hotplugged_size = dimms_size(vm);
}

static void
progress_of(struct vm *vm, uint32_t i)
{
	struct dimm_memory *d = &vm->dimms[i];

	if ((d->state != DIMM_COMES && d->state != DIMM_GOES) ||
	    !settle_workers(vm, i) ||
	    child_waiting(vm->vcpu, BH__PACKET__BODY_ADD_MEMORY) != 0 ||
	    child_waiting(vm->vcpu, BH__PACKET__BODY_REMOVE_MEMORY) != 0)
		return;
	if (d->state == DIMM_COMES) {
		if ((vm->vcpu->dimms >> i & 1) == 0) {
			send_add(vm->vcpu, i, DIMM_SECONDS);
			return;
		}
		d->state = DIMM_IN;
		send_plug(vm, i, DIMM_SECONDS);
	} else if ((vm->vcpu->dimms >> i & 1) != 0) {
		send_remove(vm->vcpu, i);
	} else {
		forget(vm, i);
		manage_event(vm, "vm", "memory-removed");
	}
}

void
dimms_progress(struct vm *vm)
{
	if (vm->state != VM_RUNNING || vm->vcpu == NULL || !child_alive(vm->vcpu))
		return;
	for (uint32_t i = 0; i < DIMM_LIMIT; i++)
		progress_of(vm, i);
}

void
dimms_answered(struct child *child, Bh__Packet__BodyCase type, uint32_t subject,
    const Bh__Failed *failed)
{
	struct vm *vm = child->vm;
	struct dimm_memory *d = &vm->dimms[subject % DIMM_LIMIT];

	if (type == BH__PACKET__BODY_PLUG_DIMM ||
	    type == BH__PACKET__BODY_UNPLUG_DIMM) {
		if (vm->state != VM_RUNNING)
			return;
		note_size(vm);
		if (type == BH__PACKET__BODY_UNPLUG_DIMM && failed != NULL)
			d->state = DIMM_IN;
		if (vm->dimms_asked && child_waiting(child, type) == 0) {
			vm->dimms_asked = false;
			manage_event(vm, "vm", "resized");
			manage_resized(vm, failed != NULL ? 500 : 204,
			    failed != NULL ? failed->text : "");
		}
		return;
	}
	d = &vm->dimms[(subject - 1) % DIMM_LIMIT];
	/* The vcpu-worker cannot have it: so nobody has. */
	if (failed != NULL && child == vm->vcpu && d->state == DIMM_COMES) {
		child->dimms &= ~(1u << (subject - 1) % DIMM_LIMIT);
		d->state = DIMM_GOES;
		vm->dimms_asked = false;
		manage_resized(vm, 500, failed->text);
	} else if (failed != NULL) {
		life_child_failed(child, "%s: %s; it was killed", child->name,
		    failed->text);
		child_kill(child);
	}
	dimms_progress(vm);
}

int
dimms_changed(struct vm *vm, const Bh__DimmChanged *changed)
{
	struct dimm_memory *d = &vm->dimms[changed->index % DIMM_LIMIT];

	if (d->state != DIMM_IN && d->state != DIMM_ASKED)
		return -EPROTO;
	if (!changed->gone) {
		log_warn("the guest does not let %llu bytes of memory go",
		    (unsigned long long)d->size);
		d->state = DIMM_IN;
		note_size(vm);
		manage_event(vm, "vm", "memory-kept");
		return 0;
	}
	log_info("the guest has let %llu bytes of memory go",
	    (unsigned long long)d->size);
	d->state = DIMM_GOES;
	note_size(vm);
	dimms_progress(vm);
	return 0;
}

/* ---- vm.resize ------------------------------------------------------------------------ */

/* The first address where @size bytes are free, or 0. */
static uint64_t
room(const struct vm *vm, uint64_t size)
{
	uint64_t at = vm->plan.dimm_gpa, end = at + vm->plan.dimm_size;
	bool moved = true;

	while (moved) {
		moved = false;
		for (uint32_t i = 0; i < DIMM_LIMIT; i++) {
			const struct dimm_memory *d = &vm->dimms[i];

			if (d->state != DIMM_NONE && at < d->gpa + d->size &&
			    d->gpa < at + size) {
				at = d->gpa + d->size;
				moved = true;
			}
		}
	}
	return at <= end && size <= end - at ? at : 0;
}

static uint32_t
free_one(const struct vm *vm)
{
	uint32_t i = 0;

	while (i < DIMM_LIMIT && vm->dimms[i].state != DIMM_NONE)
		i++;
	return i;
}

/* Whole ones that make up @size bytes, the last first: a bit each; 0: none do. */
static uint32_t
choose(const struct vm *vm, uint64_t size)
{
	uint32_t chosen = 0;

	for (uint32_t i = DIMM_LIMIT; i-- > 0;) {
		const struct dimm_memory *d = &vm->dimms[i];

		if (d->state == DIMM_IN && d->size <= size) {
			chosen |= 1u << i;
			size -= d->size;
		}
	}
	return size == 0 ? chosen : 0;
}

uint32_t
dimms_refuse(const struct vm *vm, uint64_t size, const char **why)
{
	uint64_t now = dimms_size(vm);

	*why = "the guest is still asked to let memory go; try again";
	if (count(vm, DIMM_ASKED) + count(vm, DIMM_GOES) + count(vm, DIMM_COMES) != 0)
		return 429;
	*why = "desired_ram: no slot for memory is left";
	if (size > now && free_one(vm) == DIMM_LIMIT)
		return 500;
	*why = "desired_ram: no room in one piece is left in hotplug_size=";
	if (size > now && room(vm, size - now) == 0)
		return 500;
	*why = "desired_ram: memory goes in the pieces in which it came, and none are "
	    "as large together";
	return size < now && choose(vm, now - size) == 0 ? 500 : 0;
}

static void
ask(struct vm *vm, uint32_t chosen)
{
	for (uint32_t i = 0; i < DIMM_LIMIT; i++) {
		Bh__UnplugDimm unplug = BH__UNPLUG_DIMM__INIT;
		CHAN_PACKET(p, UNPLUG_DIMM, unplug_dimm, &unplug);

		if ((chosen >> i & 1) == 0)
			continue;
		unplug.index = i;
		vm->dimms[i].state = DIMM_ASKED;
		child_send(vm->vcpu, &p, NULL, 0, i, DIMM_SECONDS);
	}
}

static int
make(struct vm *vm, uint32_t i, uint64_t size, const char **why)
{
	struct dimm_memory *d = &vm->dimms[i];
	int fd = resources_dimm(vm, size, why);

	if (fd < 0)
		return fd;
	*d = (struct dimm_memory){ .fd = fd, .gpa = room(vm, size), .size = size,
		.state = DIMM_COMES };
	return 0;
}

uint32_t
dimms_resize(struct vm *vm, uint64_t size, const char **why)
{
	uint64_t now = dimms_size(vm);
	uint32_t status = dimms_refuse(vm, size, why);

	if (status != 0)
		return status;
	if (size > now && make(vm, free_one(vm), size - now, why) != 0)
		return 500;
	vm->dimms_asked = true;
	manage_event(vm, "vm", "resizing");
	if (size < now)
		ask(vm, choose(vm, now - size));
	dimms_progress(vm);
	return 0;
}

/* ---- a VM's life ------------------------------------------------------------------------ */

int
dimms_boot(struct vm *vm)
{
	uint64_t size = vm->spec.memory.hotplugged_size;
	const char *why = "";
	int rc;

	if (vm->plan.dimm_size == 0 || size == 0)
		return 0;
	rc = make(vm, 0, size, &why);
	if (rc != 0)
		life_fail(vm, "--memory hotplugged_size: %s: %s", why,
		    log_errtext(rc));
	else
		vm->dimms[0].state = DIMM_IN;
	return rc;
}

void
dimms_reset(struct vm *vm)
{
	for (uint32_t i = 0; i < DIMM_LIMIT; i++)
		if (comes(&vm->dimms[i]))
			vm->dimms[i].state = DIMM_IN;
	if (vm->plan.dimm_size != 0)
		note_size(vm);
	if (vm->dimms_asked)
		manage_resized(vm, 204, "");
	vm->dimms_asked = false;
}

int
dimms_punch(const struct vm *vm)
{
	for (uint32_t i = 0; i < DIMM_LIMIT; i++)
		if (vm->dimms[i].state != DIMM_NONE &&
		    fallocate(vm->dimms[i].fd, FALLOC_FL_PUNCH_HOLE |
		    FALLOC_FL_KEEP_SIZE, 0, (off_t)vm->dimms[i].size) < 0)
			return -errno;
	return 0;
}

void
dimms_release(struct vm *vm)
{
	for (uint32_t i = 0; i < DIMM_LIMIT; i++)
		if (vm->dimms[i].state != DIMM_NONE)
			forget(vm, i);
}
