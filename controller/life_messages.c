// SPDX-License-Identifier: Apache-2.0
//
// What the children of a VM say, and what it comes to; see life.h.
#include "controller/life.h"

#include <errno.h>

#include "controller/balloon.h"
#include "controller/broker.h"
#include "controller/deaths.h"
#include "controller/dimms.h"
#include "controller/front.h"
#include "controller/hotplug.h"
#include "controller/keeper.h"
#include "controller/life_inside.h"
#include "controller/manage.h"
#include "controller/memory.h"
#include "controller/paths.h"
#include "controller/pause.h"
#include "controller/pmem.h"
#include "controller/recover.h"
#include "controller/report.h"
#include "controller/resize.h"
#include "controller/resize_vm.h"
#include "controller/snapshot.h"
#include "controller/start.h"
#include "controller/supervise.h"
#include "controller/timeline.h"
#include "controller/upgrade.h"
#include "controller/watchdog.h"
#include "ipc/log.h"

static void
guest_stopped(struct vm *vm, const Bh__GuestStopped *stopped)
{
	log_info("the guest stopped, reason %d%s%s", (int)stopped->reason,
	    stopped->text[0] != '\0' ? ": " : "", stopped->text);
	switch (stopped->reason) {
	case BH__STOP_REASON__STOP_REASON_SHUTDOWN:
		life_stop(vm, STOP_GUEST);
		return;
	case BH__STOP_REASON__STOP_REASON_RESET:
	case BH__STOP_REASON__STOP_REASON_TRIPLE_FAULT:
		life_reset(vm);
		return;
	case BH__STOP_REASON__STOP_REASON_ERROR:
	case _BH__STOP_REASON_IS_INT_SIZE:
	default:
		life_fail(vm, "the guest cannot go on: %s", stopped->text);
		return;
	}
}

/* The VM goes on: what is to be done about it is its owner's to know. */
static void
guest_panicked(struct vm *vm, uint32_t events)
{
	static const struct { uint32_t bit; const char *event, *text; } said[] = {
		{ 1, "panic", "the guest's kernel panicked" },
		{ 2, "crash_loaded", "the guest's crash kernel takes over" },
	};

	for (unsigned int i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if ((events & said[i].bit) != 0) {
			log_warn("%s", said[i].text);
			manage_event_with(vm, "guest", "panic", "", "event",
			    said[i].event);
		}
}

static void
driver_runs(struct vm *vm, uint32_t index)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].dev != NULL && vm->children[i].index == index)
			timeline_mark(&vm->children[i], BOOT_GUEST);
}

static void
running(struct vm *vm)
{
	bool again = vm->state == VM_RESETTING;

	if (!life_enter(vm, VM_RUNNING))
		return;
	timeline_guest(vm);
	resize_vm_booted(vm);
	manage_event(vm, "vm", again ? "rebooted" :
	    snapshot_restores(vm) ? "restored" : "booted");
	recover_running(vm);
	manage_progress(vm);
}

static void
memory_answered(struct child *child, const struct request *req,
    const Bh__Failed *failed)
{
	if (child->vm->state != VM_RUNNING)
		return;
	if (req->subject >= PMEM_SUBJECT && (req->type ==
	    BH__PACKET__BODY_ADD_MEMORY || req->type ==
	    BH__PACKET__BODY_REMOVE_MEMORY))
		pmem_answered(child->vm, req->type, req->subject, failed);
	else
		dimms_answered(child, req->type, req->subject, failed);
}

static void
acknowledged(struct child *child, const struct request *req)
{
	struct vm *vm = child->vm;

	switch ((int)req->type) {
	case BH__PACKET__BODY_PCI_DEVICE:
		if (vm->state == VM_RUNNING) {
			hotplug_answered(vm, req->subject, NULL);
			return;
		}
		for (uint32_t i = 0; i < vm->nchildren; i++)
			if (vm->children[i].dev != NULL &&
			    vm->children[i].index == req->subject)
				vm->children[i].known_to_vcpu = true;
		return;
	case BH__PACKET__BODY_UNPLUG_DEVICE:
		hotplug_unplugged(vm, req->subject, NULL);
		return;
	case BH__PACKET__BODY_DRAIN:
		child->drained = true;
		return;
	case BH__PACKET__BODY_REPLACE_DEVICE:
		recover_answered(vm, req->subject, false, "");
		return;
	case BH__PACKET__BODY_RESIZE_DISK:
		resize_answered(vm, req->subject, NULL);
		return;
	case BH__PACKET__BODY_RESIZE_VCPUS:
		resize_vm_answered(vm, NULL);
		return;
	case BH__PACKET__BODY_ADD_MEMORY:
	case BH__PACKET__BODY_REMOVE_MEMORY:
	case BH__PACKET__BODY_PLUG_DIMM:
	case BH__PACKET__BODY_UNPLUG_DIMM:
		memory_answered(child, req, NULL);
		return;
	case BH__PACKET__BODY_SET_PAUSED:
		pause_answered(child);
		return;
	case BH__PACKET__BODY_HAND_OVER:
		upgrade_answered(child, NULL);
		return;
	case BH__PACKET__BODY_START_VM:
		child->chan.states = PROTO_RUNNING;
		if (snapshot_restores(vm)) {
			snapshot_load_vm(vm);
			return;
		}
		running(vm);
		dimms_progress(vm);
		return;
	case BH__PACKET__BODY_SAVE_VM:
		snapshot_vm_saved(vm, NULL);
		return;
	case BH__PACKET__BODY_LOAD_VM:
		running(vm);
		snapshot_loaded(vm);
		return;
	case BH__PACKET__BODY_API_START:
		child->chan.states = PROTO_RUNNING |
		    (child->told_quit ? PROTO_CLOSING : 0u);
		manage_up(vm);
		return;
	default:
		return;
	}
}

/* An answer. 0, or -EPROTO: not what this child may say. */
static int
take_answer(struct child *child, const Bh__Packet *packet, struct chan_msg *msg,
    const struct request *req)
{
	struct vm *vm = child->vm;

	if (snapshot_takes(child))
		return snapshot_answered(child, packet, msg, req);
	switch ((int)packet->body_case) {
	case BH__PACKET__BODY_ACK:
		acknowledged(child, req);
		return 0;
	case BH__PACKET__BODY_FAILED:
		if (req->type == BH__PACKET__BODY_REPLACE_DEVICE ||
		    req->type == BH__PACKET__BODY_LOSE_DEVICE)
			recover_answered(vm, req->subject, true,
			    packet->failed->text);
		else if (req->type == BH__PACKET__BODY_OPEN && child->spare)
			front_refused(vm, req->subject, packet->failed);
		else if (req->type == BH__PACKET__BODY_OPEN &&
		    child == vm->broker)
			broker_failed(vm, req->subject, packet->failed);
		else if (req->type == BH__PACKET__BODY_OPEN)
			paths_failed(vm, req->subject, packet->failed);
		else if (req->type == BH__PACKET__BODY_PCI_DEVICE &&
		    vm->state == VM_RUNNING)
			hotplug_answered(vm, req->subject, packet->failed->text);
		else if (req->type == BH__PACKET__BODY_UNPLUG_DEVICE)
			hotplug_unplugged(vm, req->subject,
			    packet->failed->text);
		else if (req->type == BH__PACKET__BODY_HAND_OVER)
			upgrade_answered(child, packet->failed->text);
		else if (req->type == BH__PACKET__BODY_SAVE_VM)
			snapshot_vm_saved(vm, packet->failed->text);
		else if (req->type == BH__PACKET__BODY_LOAD_VM)
			life_fail(vm, "restore of %.500s: vcpu: %s",
			    vm->snapshot.path, packet->failed->text);
		else if (req->type == BH__PACKET__BODY_RESIZE_DISK)
			resize_answered(vm, req->subject, packet->failed);
		else if (req->type == BH__PACKET__BODY_RESIZE_VCPUS)
			resize_vm_answered(vm, packet->failed);
		else if (vm->state == VM_RUNNING && (child == vm->vcpu ||
		    child->ready) && (req->type == BH__PACKET__BODY_ADD_MEMORY ||
		    req->type == BH__PACKET__BODY_REMOVE_MEMORY ||
		    req->type == BH__PACKET__BODY_PLUG_DIMM ||
		    req->type == BH__PACKET__BODY_UNPLUG_DIMM))
			memory_answered(child, req, packet->failed);
		else
			report_failed(child, packet->failed);
		return 0;
	case BH__PACKET__BODY_OPENED:
		if (child->spare)
			return front_connected(vm, req->subject, msg);
		if (child == vm->broker)
			return broker_opened(vm, req->subject, packet->opened,
			    msg);
		if (paths_opened(vm, req->subject, packet->opened, msg) ==
		    -EPROTO)
			return -EPROTO;
		vm->npaths_done++;
		return 0;
	case BH__PACKET__BODY_LOADED:
		if (child != vm->loader)
			return -EPROTO;
		bh__boot_state__init(&vm->boot);
		vm->boot.protocol = packet->loaded->boot->protocol;
		vm->boot.entry = packet->loaded->boot->entry;
		vm->boot.param = packet->loaded->boot->param;
		vm->loaded = true;
		timeline_mark(child, BOOT_READY);
		return 0;
	case BH__PACKET__BODY_DEVICE_READY:
		child->chan.states = PROTO_RUNNING;
		/* An upgraded one is under a filter, or not at all. */
		if (child->dev == NULL ||
		    (child->must_listen && child->denied.fd < 0) ||
		    start_device_ready(child, packet->device_ready) != 0)
			return -EPROTO;
		timeline_mark(child, BOOT_READY);
		broker_settle(vm);
		balloon_ready(child);
		memory_ready(child);
		dimms_progress(vm);
		if (child->died_at != 0)
			recover_ready(child);
		else if (child->hot)
			hotplug_ready(child);
		return 0;
	default:
		return -EPROTO;
	}
}

void
life_message(struct child *child, const Bh__Packet *packet,
    struct chan_msg *msg, const struct request *req)
{
	struct vm *vm = child->vm;
	int rc = 0;

	/* Whoever is being stopped has nothing to say that changes it; but a
	 * socket that was just made is to be removed. */
	if ((vm->state == VM_STOPPING || vm->state == VM_OVER) &&
	    child->kind != PROC_API) {
		if (packet->body_case == BH__PACKET__BODY_OPENED &&
		    req != NULL && child != vm->broker && !child->spare)
			(void)paths_opened(vm, req->subject, packet->opened,
			    msg);
		return;
	}
	if (req != NULL) {
		rc = take_answer(child, packet, msg, req);
	} else if (packet->body_case == BH__PACKET__BODY_GUEST_STOPPED) {
		if (vm->state == VM_RUNNING)
			guest_stopped(vm, packet->guest_stopped);
	} else if (packet->body_case == BH__PACKET__BODY_DRIVER_RUNS) {
		driver_runs(vm, packet->driver_runs->index);
	} else if (packet->body_case == BH__PACKET__BODY_GUEST_PANICKED) {
		guest_panicked(vm, packet->guest_panicked->events);
	} else if (packet->body_case == BH__PACKET__BODY_SNAPSHOT_CONFIG) {
		rc = snapshot_config(child, packet->snapshot_config);
	} else if (packet->body_case == BH__PACKET__BODY_KEEP_FILE) {
		rc = keeper_take(child, packet->keep_file, msg);
	} else if (packet->body_case == BH__PACKET__BODY_WATCHDOG_EXPIRED) {
		rc = watchdog_expired(child);
	} else if (packet->body_case == BH__PACKET__BODY_DEVICE_EJECTED) {
		hotplug_ejected(vm, packet->device_ejected->bdf);
	} else if (packet->body_case == BH__PACKET__BODY_VCPUS_CHANGED) {
		rc = resize_vm_changed(vm, packet->vcpus_changed);
	} else if (packet->body_case == BH__PACKET__BODY_DIMM_CHANGED) {
		rc = dimms_changed(vm, packet->dimm_changed);
	} else if (packet->body_case == BH__PACKET__BODY_WANT_FILE) {
		rc = broker_want(child, packet->want_file);
	} else if (packet->body_case == BH__PACKET__BODY_WANT_CONNECTION) {
		rc = front_want(child);
	} else if (packet->body_case == BH__PACKET__BODY_WANT_PORT) {
		rc = front_want_port(child, packet->want_port);
	} else if (packet->body_case == BH__PACKET__BODY_STOP_REQUESTED) {
		log_info("stop asked for in the console");
		life_stop(vm, STOP_ASKED);
	} else {
		rc = -EPROTO;
	}
	if (rc != 0) {
		life_child_failed(child, "%s (pid %u) broke the protocol by %s; "
		    "it was killed", child->name, child->host_pid,
		    proto_name_of(packet->body_case));
		child_kill(child);
	}
	if (vm->state == VM_STOPPING || vm->state == VM_OVER)
		return;
	hotplug_progress(vm);
	life_go_on(vm);
}

void
life_spawned(struct child *child)
{
	/* A successor may be ready before it is known who it is. */
	if (child->died_at != 0 && child->ready)
		recover_ready(child);
	else if (child->hot && child->ready)
		hotplug_ready(child);
	life_go_on(child->vm);
}

void
life_exited(struct child *child)
{
	struct vm *vm = child->vm;

	if (child == vm->api)
		manage_down(vm);
	if (child->spare)
		front_settle(vm);
	if (child->kind == PROC_FRONT)
		front_hang_up(child, recover_takes(child));
	if (!upgrade_exited(child))
		recover_exited(child);
	hotplug_exited(child);
	snapshot_exited(child);
	pause_gone(vm);
	dimms_progress(vm);
	/* The place of one that is gone may be another child's next. */
	if (child == vm->broker) {
		vm->broker = NULL;
		recover_no_opener(vm);
	}
	if (child == vm->opener)
		vm->opener = NULL;
	if (child == vm->loader && life_loads_again(child)) {
		deaths_acted(child, ACTION_RESTARTED);
		vm->loads_again = true;
		vm->loader = child_new(vm, PROC_LOADER, NULL);
	} else if (child == vm->loader) {
		vm->loader = NULL;
	}
	life_go_on(vm);
}
