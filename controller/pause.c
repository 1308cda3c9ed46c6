// SPDX-License-Identifier: Apache-2.0
//
// Pause and resume, see pause.h.
#include "controller/pause.h"

#include "controller/manage.h"
#include "controller/recover.h"
#include "controller/requests.h"
#include "controller/snapshot.h"
#include "controller/supervise.h"

/* What was taken has to end first: a slow disk's requests, too. */
#define PAUSE_SECONDS 60u

static void
tell(struct child *child, bool paused)
{
	Bh__SetPaused m = BH__SET_PAUSED__INIT;
	CHAN_PACKET(p, SET_PAUSED, set_paused, &m);

	m.paused = paused;
	child->paused = paused;
	/* One that hears nothing any more, and may live. */
	if (child->hung_up)
		child_kill(child);
	child_send(child, &p, NULL, 0, 0, PAUSE_SECONDS);
}

/* All device workers that serve a ring, and are not so yet. */
static void
tell_devices(struct vm *vm, bool paused)
{
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];

		if (c->dev != NULL && c->dev->on_pci && c->ready &&
		    c->paused != paused)
			tell(c, paused);
	}
}

/* Does nobody owe an answer any more? */
static bool
all_answered(const struct vm *vm)
{
	for (size_t i = 0; i < VM_MAX_REQUESTS; i++)
		if (vm->requests[i].child != NULL &&
		    vm->requests[i].type == BH__PACKET__BODY_SET_PAUSED)
			return false;
	return true;
}

/* A worker that dies leaves I/O; its successor waits for that, and is told. */
static bool
moves(const struct child *c)
{
	if (c->dev == NULL || !c->dev->on_pci || c->lost)
		return false;
	return (child_alive(c) && c->hung_up) ||
	    (c->died_at != 0 && !(c->ready && c->paused));
}

static void
progress(struct vm *vm)
{
	if (vm->state != VM_RUNNING || !all_answered(vm))
		return;
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->pause == PAUSE_DEVICES && moves(&vm->children[i]))
			return;
	if (vm->pause == PAUSE_DEVICES) {
		vm->pause = PAUSE_FULL;
		manage_event(vm, "vm", "paused");
		manage_paused(vm);
		snapshot_paused(vm);
	} else if (vm->pause == PAUSE_ENDING) {
		vm->pause = PAUSE_NONE;
		manage_event(vm, "vm", "resumed");
		manage_paused(vm);
		snapshot_paused(vm);
	}
}

void
pause_begin(struct vm *vm)
{
	manage_event(vm, "vm", "pausing");
	vm->pause = PAUSE_CPUS;
	tell(vm->vcpu, true);
}

void
pause_end(struct vm *vm)
{
	manage_event(vm, "vm", "resuming");
	vm->pause = PAUSE_ENDING;
	tell_devices(vm, false);
	tell(vm->vcpu, false);
	progress(vm);
}

void
pause_answered(struct child *child)
{
	struct vm *vm = child->vm;

	if (vm->state != VM_RUNNING)
		return;
	if (child == vm->vcpu && vm->pause == PAUSE_CPUS) {
		vm->pause = PAUSE_DEVICES;
		tell_devices(vm, true);
	} else if (child->died_at != 0 && child->ready && child->bus[0] >= 0) {
		recover_ready(child);
	}
	progress(vm);
}

void
pause_gone(struct vm *vm)
{
	progress(vm);
}

bool
pause_successor(struct child *child)
{
	const struct vm *vm = child->vm;
	bool paused = vm->pause == PAUSE_DEVICES || vm->pause == PAUSE_FULL;

	if (child->paused != paused)
		tell(child, paused);
	return child_waiting(child, BH__PACKET__BODY_SET_PAUSED) > 0;
}

void
pause_reset(struct vm *vm)
{
	tell_devices(vm, false);
}
