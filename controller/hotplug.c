// SPDX-License-Identifier: Apache-2.0
//
// Devices of a running VM, see hotplug.h.
#include "controller/hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/change.h"
#include "controller/config.h"
#include "controller/holes.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/passt.h"
#include "controller/paths.h"
#include "controller/pmem.h"
#include "controller/recover.h"
#include "controller/resources.h"
#include "controller/start.h"
#include "controller/supervise.h"
#include "ipc/log.h"

#define UNPLUG_SECONDS 60u	/* the lab is a hundred times slower than a host */

static struct child *
child_of(struct vm *vm, const struct plan_device *dev)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].dev == dev)
			return &vm->children[i];
	return NULL;
}

static void
done(struct vm *vm, uint32_t status, const struct plan_device *dev,
    const char *why)
{
	hotplug_done_fn *fn = vm->hot.done;

	vm->hot.dev = NULL;
	vm->hot.done = NULL;
	vm->hot.calls = false;
	if (fn != NULL)
		fn(vm, status, dev, why);
}

/* What the spec, the plan and the back ends know of it. */
static void
forget(struct vm *vm, struct plan_device *dev)
{
	const struct plan_device old = *dev;

	start_release_backend(vm, &old);
	if (old.kind == PROC_NET) {
		struct net_spec *net = &vm->spec.nets[old.index];

		for (uint32_t i = 0; i < net->nfds; i++)
			close(net->fds[i]);
		net->nfds = 0;
	}
	holes_make(&vm->spec, dev);
	vm->hot.changed = true;
	change_sweep(vm);
}

/* ---- one that comes --------------------------------------------------------------- */

/* Nothing of it is left. */
static void
finish_failed(struct vm *vm)
{
	forget(vm, vm->hot.dev);
	done(vm, 500, NULL, vm->hot.why);
}

static void leave(struct child *child);

/* Not before its worker has gone: who tries again finds everything free. */
static void
give_up(struct vm *vm, const char *why)
{
	struct child *child = child_of(vm, vm->hot.dev);

	vm->hot.failed = false;
	if (why != vm->hot.why)
		(void)snprintf(vm->hot.why, sizeof(vm->hot.why), "%s", why);
	if (vm->opening) {
		vm->opening = false;
		vm->npaths = 0;
		if (vm->opener != NULL)
			child_quit(vm->opener);
	}
	if (child != NULL) {
		child->hot = false;
		child->removed = true;
		if (child->phase == CHILD_SPAWNING || child->phase == CHILD_UP) {
			child_kill(child);
			return;
		}
		child->phase = CHILD_GONE;
		leave(child);
		return;
	}
	finish_failed(vm);
}

bool
hotplug_takes_failure(struct vm *vm, const char *line)
{
	if (vm->hot.dev == NULL || (!vm->hot.calls && !vm->opening))
		return false;
	if (vm->hot.failed)
		return true;
	vm->hot.failed = true;
	(void)snprintf(vm->hot.why, sizeof(vm->hot.why), "%s", line);
	return true;
}

bool
hotplug_child_failed(struct child *child, const char *line)
{
	struct vm *vm = child->vm;

	/* One that the vcpu-worker was told of has a successor. */
	if (vm->hot.dev == NULL || child->told_vcpu || (!child->hot &&
	    (child != vm->opener || !vm->opening)))
		return false;
	/* The first line says the most. */
	if (vm->hot.why[0] == '\0')
		(void)snprintf(vm->hot.why, sizeof(vm->hot.why), "%s", line);
	return true;
}

/* What was said in the calls between these two is the device's failure. */
static void
calls_begin(struct vm *vm)
{
	vm->hot.calls = true;
	vm->hot.failed = false;
}

static bool
calls_end(struct vm *vm)
{
	vm->hot.calls = false;
	if (!vm->hot.failed)
		return true;
	give_up(vm, vm->hot.why);
	return false;
}

void
hotplug_progress(struct vm *vm)
{
	if (vm->hot.dev != NULL && vm->hot.failed && !vm->hot.calls)
		give_up(vm, vm->hot.why);
}

void
hotplug_add(struct vm *vm, struct plan_device *dev, hotplug_done_fn *ended)
{
	vm->hot.dev = dev;
	vm->hot.done = ended;
	vm->hot.changed = true;
	vm->hot.why[0] = '\0';
	calls_begin(vm);
	resources_limits(vm);
	if (!vm->hot.failed)
		(void)paths_adopt_device(vm, dev);
	if (!calls_end(vm))
		return;
	paths_list_device(vm, dev);
	if (vm->npaths == 0) {
		hotplug_opened(vm);
		return;
	}
	vm->opener = child_new(vm, PROC_OPENER, NULL);
	if (child_spawn(vm->opener, NULL, NULL, 0) != 0) {
		vm->opener = NULL;
		give_up(vm, "no opener can be started");
		return;
	}
	config_send_opener(vm->opener);
	vm->opening = true;
	start_progress(vm);
}

void
hotplug_opened(struct vm *vm)
{
	struct plan_device *dev = vm->hot.dev;
	struct child *child;

	if (dev == NULL)
		return;
	calls_begin(vm);
	child = child_new(vm, dev->kind, dev);
	child->hot = true;
	if (!vm->hot.failed)
		(void)resources_device(child);
	if (!vm->hot.failed && dev->kind == PROC_PMEM)
		(void)pmem_come(vm, dev->index);
	if (!vm->hot.failed && dev->kind == PROC_NET)
		(void)passt_come(vm, dev->index);
	if (!vm->hot.failed)
		start_spawn(child);
	(void)calls_end(vm);
}

static bool
is_backed(const struct vm *vm, const struct plan_device *dev)
{
	if (dev->kind == PROC_PMEM)
		return pmem_mapped(vm, dev->index);
	return dev->kind != PROC_NET || !vm->spec.nets[dev->index].user ||
	    vm->passts[dev->index].ready;
}

void
hotplug_ready(struct child *child)
{
	struct vm *vm = child->vm;

	/* A reset that began meanwhile tells of it. */
	if (vm->state != VM_RUNNING || child->phase != CHILD_UP || !child->ready ||
	    child->told_vcpu || child->removed || !is_backed(vm, child->dev))
		return;
	/* From now on its death is one as any other's: whatever comes first, it or
	 * the answer, the device is there. */
	child->known_once = true;
	if (child->kind == PROC_NET)
		passt_stays(vm, child->dev->index);
	start_tell_vcpu(vm, child);
}

void
hotplug_backed(struct vm *vm, const char *failed)
{
	struct child *child = vm->hot.dev != NULL ? child_of(vm, vm->hot.dev) : NULL;

	if (child == NULL || !child->hot)
		return;
	if (failed != NULL)
		give_up(vm, failed);
	else
		hotplug_ready(child);
}

void
hotplug_answered(struct vm *vm, uint32_t index, const char *failed)
{
	struct plan_device *dev = vm->hot.dev;
	struct child *child = dev != NULL ? child_of(vm, dev) : NULL;

	if (child == NULL || child->index != index || !child->hot)
		return;
	if (failed != NULL) {
		give_up(vm, failed);
		return;
	}
	child->hot = false;
	child->known_to_vcpu = true;
	log_info("%s: added at %04x:00:%02x.0", child->name, dev->bdf >> 8,
	    dev->bdf >> 3 & 31);
	done(vm, 200, dev, "");
	if (child->died_at != 0 && child->ready)
		recover_ready(child);
}

/* ---- one that leaves -------------------------------------------------------------- */

static void
answer_removal(struct vm *vm, const struct child *child, const char *failed)
{
	if (vm->hot.removing == NULL ||
	    (child != NULL && vm->hot.removing != child))
		return;
	vm->hot.removing = NULL;
	manage_removed(vm, failed);
}

/* It is the guest's no more: its worker finishes what it took, and ends. */
static void
gone(struct child *child)
{
	child->removed = true;
	if (child->phase == CHILD_SPAWNING || child->phase == CHILD_UP) {
		child_quit(child);
		return;
	}
	child->phase = CHILD_GONE;
	leave(child);
}

uint32_t
hotplug_remove(struct vm *vm, const char *id, bool force, const char **why)
{
	Bh__UnplugDevice unplug = BH__UNPLUG_DEVICE__INIT;
	CHAN_PACKET(p, UNPLUG_DEVICE, unplug_device, &unplug);
	struct child *child = NULL;

	*why = "No device with this id to remove";
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].dev != NULL && !vm->children[i].removed &&
		    strcmp(vm->children[i].dev->id, id) == 0)
			child = &vm->children[i];
	if (child == NULL)
		return 404;
	*why = "devices of this kind cannot be removed";
	if (plan_removable(&vm->spec, child->dev) == NULL || !child->known_to_vcpu)
		return 400;
	unplug.index = child->index;
	unplug.force = force;
	child->asked_to_go = true;
	vm->hot.removing = child;
	child_send(vm->vcpu, &p, NULL, 0, child->index, UNPLUG_SECONDS);
	child->forced = force;
	/* Until the guest lets go, something dead is in its slot. */
	if (force)
		vm->plan.dead_slots[child->dev->bdf >> 8] |=
		    1u << (child->dev->bdf >> 3 & 31);
	return 0;
}

void
hotplug_unplugged(struct vm *vm, uint32_t index, const char *failed)
{
	struct child *child = NULL;

	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].dev != NULL && vm->children[i].index == index)
			child = &vm->children[i];
	/* The guest was first, and its message: nothing was there to be asked for. */
	if (child != NULL && child->removed)
		failed = NULL;
	/* By force it is gone when its worker is; that is the answer then. */
	if (failed == NULL && child != NULL && child->forced) {
		if (!child->removed)
			gone(child);
	} else {
		answer_removal(vm, child, failed);
	}
}

void
hotplug_ejected(struct vm *vm, uint32_t bdf)
{
	if (bdf >> 8 < vm->plan.nsegments)
		vm->plan.dead_slots[bdf >> 8] &= ~(1u << (bdf >> 3 & 31));
	pmem_let_go(vm, bdf);
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];

		if (c->dev != NULL && !c->removed && c->dev->on_pci &&
		    c->dev->bdf == bdf && c->known_to_vcpu) {
			gone(c);
			return;
		}
	}
}

static bool
is_dead(const struct vm *vm, const struct plan_device *dev)
{
	return (vm->plan.dead_slots[dev->bdf >> 8] >> (dev->bdf >> 3 & 31) & 1) != 0;
}

/* Its worker is gone: so is it, once nothing else has what is its back end's. */
static void
leave(struct child *child)
{
	struct vm *vm = child->vm;
	struct plan_device *dev = &vm->plan.devices[child->index];
	char id[PLAN_ID_SIZE];

	if ((dev->kind == PROC_PMEM && pmem_leave(vm, dev->index,
	    is_dead(vm, dev) ? dev->bdf : 0)) ||
	    (dev->kind == PROC_NET && passt_leave(vm, dev->index)))
		return;
	memcpy(id, dev->id, sizeof(id));
	log_info("%s: removed", child->name);
	start_release_child(child);
	if (dev == vm->hot.dev) {
		finish_failed(vm);
		return;
	}
	forget(vm, dev);
	manage_event_id(vm, "vm", "device-removed", id);
	answer_removal(vm, child, NULL);
}

void
hotplug_settle_leaving(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];

		if (c->dev != NULL && c->removed && c->phase == CHILD_GONE)
			leave(c);
	}
}

void
hotplug_exited(struct child *child)
{
	struct vm *vm = child->vm;

	if (child == vm->opener && vm->opening && vm->hot.dev != NULL)
		give_up(vm, "the opener died");
	if (child->hot && !child->told_vcpu)
		give_up(vm, vm->hot.why[0] != '\0' ? vm->hot.why :
		    "its worker died");
	hotplug_settle_leaving(vm);
}

/* ---- the VM as a whole ------------------------------------------------------------------ */

void
hotplug_reset(struct vm *vm)
{
	if (vm->hot.dev != NULL)
		give_up(vm, "the VM is reset; try again");
	memset(vm->plan.dead_slots, 0, sizeof(vm->plan.dead_slots));
	pmem_let_go(vm, UINT32_MAX);
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].dev != NULL && vm->children[i].asked_to_go &&
		    !vm->children[i].removed)
			gone(&vm->children[i]);
}

void
hotplug_settle(struct vm *vm)
{
	if (vm->hot.dev != NULL) {
		holes_make(&vm->spec, vm->hot.dev);
		vm->hot.changed = true;
		done(vm, 500, NULL, "the VM was stopped");
	}
	if (vm->hot.changed)
		change_settle(vm);
	vm->hot.changed = false;
}
