// SPDX-License-Identifier: Apache-2.0
//
// The state machine of the VM, see life.h.
#include "controller/life.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "controller/balloon.h"
#include "controller/broker.h"
#include "controller/deaths.h"
#include "controller/dimms.h"
#include "controller/front.h"
#include "controller/hotplug.h"
#include "controller/manage.h"
#include "controller/memory.h"
#include "controller/output.h"
#include "controller/passt.h"
#include "controller/paths.h"
#include "controller/pause.h"
#include "controller/recover.h"
#include "controller/report.h"
#include "controller/resize.h"
#include "controller/resize_vm.h"
#include "controller/start.h"
#include "controller/supervise.h"
#include "controller/upgrade.h"
#include "controller/watchdog.h"
#include "ipc/log.h"

#define STOP_SECONDS 4u		/* for all; then they are killed: 5 in all */
#define DRAIN_SECONDS 30u
#define STUCK_SECONDS 10u	/* killed, and not gone: on a busy host that may last */

static const char *const state_names[] = {
	[VM_NONE] = "none", [VM_CREATED] = "created",
	[VM_STARTING] = "starting", [VM_RUNNING] = "running",
	[VM_RESETTING] = "resetting", [VM_STOPPING] = "stopping",
	[VM_OVER] = "over",
};

/* Where one may go from each state: a bit a state. */
static const unsigned int next_states[] = {
	[VM_NONE] = 1u << VM_CREATED | 1u << VM_STOPPING,
	[VM_CREATED] = 1u << VM_NONE | 1u << VM_STARTING | 1u << VM_STOPPING,
	[VM_STARTING] = 1u << VM_RUNNING | 1u << VM_STOPPING,
	[VM_RUNNING] = 1u << VM_RESETTING | 1u << VM_STOPPING,
	[VM_RESETTING] = 1u << VM_RUNNING | 1u << VM_STOPPING,
	[VM_STOPPING] = 1u << VM_NONE | 1u << VM_CREATED | 1u << VM_OVER,
	[VM_OVER] = 0,
};

bool
life_enter(struct vm *vm, enum vm_state next)
{
	if ((next_states[vm->state] & 1u << next) == 0)
		return false;
	log_info("%s -> %s", state_names[vm->state], state_names[next]);
	vm->state = next;
	vm->pause = PAUSE_NONE;
	return true;
}

/* ---- stopping ------------------------------------------------------------------------ */

static void
kill_all(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (&vm->children[i] != vm->api || vm->after == AFTER_EXIT)
			child_kill(&vm->children[i]);
}

/* Ask those with (@devices) or without a device to quit; how many are there? */
static uint32_t
quit_some(struct vm *vm, bool devices)
{
	uint32_t alive = 0;

	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];

		if (!child_alive(c) || (c->dev != NULL) != devices ||
		    c->kind == PROC_API)
			continue;
		alive++;
		if (c->kind == PROC_LOADER)
			child_kill(c);
		else
			child_quit(c);
	}
	return alive;
}

/* All of its processes are gone, and the VMM stays. */
static void
stopped(struct vm *vm)
{
	enum vm_state next = vm->after == AFTER_KEEP ? VM_CREATED : VM_NONE;

	terminal_restore(&vm->terminal);
	start_release(vm);
	hotplug_settle(vm);
	vm->stop_deadline = 0;
	vm->said_why = false;
	if (vm->after == AFTER_DELETE)
		manage_forget(vm);
	(void)life_enter(vm, next);
	manage_progress(vm);
}

/*
 * The vCPUs first, so that nothing new comes, then those who have to flush; the
 * api-worker, which has answers to bring out, last.
 */
static void
stop_progress(struct vm *vm)
{
	bool first = vm->devices_first;

	if (quit_some(vm, first) != 0 || quit_some(vm, !first) != 0)
		return;
	if (vm->after != AFTER_EXIT) {
		stopped(vm);
		return;
	}
	manage_progress(vm);
	if (child_alive(vm->api)) {
		child_quit(vm->api);
		return;
	}
	if (life_enter(vm, VM_OVER))
		vm->loop.stop = true;
}

static enum vm_after
what_after(const struct vm *vm, enum stop_cause cause)
{
	switch (cause) {
	case STOP_GUEST:
		return vm->spec.no_shutdown ? AFTER_KEEP : AFTER_EXIT;
	case STOP_FAILED:
		/* Who asked for the boot gets the answer, and may try again. */
		return vm->spec.no_shutdown || (vm->pending.any &&
		    vm->state == VM_STARTING) ? AFTER_KEEP : AFTER_EXIT;
	case STOP_SHUTDOWN:
		return AFTER_KEEP;
	case STOP_DELETE:
		return AFTER_DELETE;
	case STOP_ASKED:
		break;
	}
	return AFTER_EXIT;
}

void
life_arm_timer(struct vm *vm)
{
	static const struct itimerspec tick = {
		.it_interval = { .tv_nsec = SECOND / 10 },
		.it_value = { .tv_nsec = SECOND / 10 },
	};

	(void)timerfd_settime(vm->timer.fd, 0, &tick, NULL);
	vm->timer_armed = true;
}

void
life_stop(struct vm *vm, enum stop_cause cause)
{
	bool early = vm->state == VM_STARTING;
	enum vm_after after = what_after(vm, cause);

	if (vm->state == VM_NONE || vm->state == VM_CREATED)
		after = AFTER_EXIT;	/* there is nothing else to stop */
	if (vm->state == VM_STOPPING && after == AFTER_EXIT)
		vm->after = after;
	if (!life_enter(vm, VM_STOPPING))
		return;
	vm->after = after;
	upgrade_cancel(vm, "the VM was stopped meanwhile");
	if (cause == STOP_FAILED && after == AFTER_EXIT)
		vm->exit_status = 1;
	vm->devices_first = cause == STOP_GUEST;
	vm->stop_deadline = now_ns() + STOP_SECONDS * SECOND;
	life_arm_timer(vm);
	/* Before the guest ran there is nothing to flush. The opener answers
	 * first what it was asked: it may have made something. */
	for (uint32_t i = 0; early && i < vm->nchildren; i++)
		if (vm->children[i].kind == PROC_API)
			continue;
		else if (vm->children[i].kind == PROC_OPENER ||
		    vm->children[i].kind == PROC_GUARD)
			child_quit(&vm->children[i]);
		else
			child_kill(&vm->children[i]);
	stop_progress(vm);
}

void
life_fail(struct vm *vm, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (hotplug_takes_failure(vm, line))
		return;
	/* What follows from the first failure is for the log alone. */
	if (vm->said_why) {
		log_info("%s", line);
	} else {
		vm->said_why = true;
		memcpy(vm->failure, line, sizeof(line));
		terminal_restore(&vm->terminal);
		output_user("%s", line);
	}
	life_stop(vm, STOP_FAILED);
	if (vm->after == AFTER_EXIT)
		vm->exit_status = 1;
}

/*
 * A loader that somebody has killed is started once more: what it had written, the next
 * one writes, too. What it died of by itself it would die of again.
 */
static bool
loads_again(const struct child *child)
{
	const struct vm *vm = child->vm;

	return child == vm->loader && child->signal == SIGKILL &&
	    !child->failed && !child->told_quit && !report_is_oom(child) &&
	    !vm->loaded && !vm->loads_again &&
	    (vm->state == VM_STARTING || vm->state == VM_RESETTING);
}

void
life_child_failed(struct child *child, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	upgrade_note(child, line);
	if (child->kind == PROC_API && child->vm->api_ready)
		log_error("%s", line);
	else if (hotplug_child_failed(child, line) || child->removed)
		log_info("%s", line);
	else if (child->spare || recover_takes(child) || loads_again(child) ||
	    (child == child->vm->broker && child->vm->state == VM_RUNNING))
		log_warn("%s", line);
	else
		life_fail(child->vm, "%s", line);
}

/* ---- reset ------------------------------------------------------------------------------ */

static void
reset_progress(struct vm *vm)
{
	if (child_alive(vm->vcpu) || vm->start_sent == false) {
		start_progress(vm);
		return;
	}
	if (child_alive(vm->loader))
		return;
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].dev != NULL &&
		    vm->children[i].dev->on_pci && (!vm->children[i].drained ||
		    vm->children[i].removed))
			return;
	vm->resets++;
	start_again(vm);
}

void
life_reset(struct vm *vm)
{
	if (!life_enter(vm, VM_RESETTING))
		return;
	upgrade_cancel(vm, "the VM was reset meanwhile");
	hotplug_reset(vm);
	manage_event(vm, "vm", "rebooting");
	manage_progress(vm);
	pause_reset(vm);
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		Bh__Drain drain = BH__DRAIN__INIT;
		CHAN_PACKET(p, DRAIN, drain, &drain);
		struct child *c = &vm->children[i];

		if (c->dev == NULL || !c->dev->on_pci)
			continue;
		/* One that is still being made has no driver to forget. */
		c->drained = c->died_at != 0 || c->lost || c->removed;
		if (!c->drained)
			child_send(c, &p, NULL, 0, 0, DRAIN_SECONDS);
	}
	child_quit(vm->vcpu);
}

/* ---- what children say -------------------------------------------------------------------- */

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
running(struct vm *vm)
{
	bool again = vm->state == VM_RESETTING;

	if (!life_enter(vm, VM_RUNNING))
		return;
	resize_vm_booted(vm);
	manage_event(vm, "vm", again ? "rebooted" : "booted");
	recover_running(vm);
	manage_progress(vm);
}

void
life_boot(struct vm *vm)
{
	if (!life_enter(vm, VM_STARTING))
		return;
	vm->failure[0] = '\0';
	vm->devices_first = false;
	manage_event(vm, "vm", "booting");
	start_begin(vm);
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
		if (vm->state == VM_RUNNING)
			dimms_answered(child, req->type, req->subject, NULL);
		return;
	case BH__PACKET__BODY_SET_PAUSED:
		pause_answered(child);
		return;
	case BH__PACKET__BODY_HAND_OVER:
		upgrade_answered(child, NULL);
		return;
	case BH__PACKET__BODY_START_VM:
		child->chan.states = PROTO_RUNNING;
		running(vm);
		dimms_progress(vm);
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
		else if (req->type == BH__PACKET__BODY_RESIZE_DISK)
			resize_answered(vm, req->subject, packet->failed);
		else if (req->type == BH__PACKET__BODY_RESIZE_VCPUS)
			resize_vm_answered(vm, packet->failed);
		else if (vm->state == VM_RUNNING && (child == vm->vcpu ||
		    child->ready) && (req->type == BH__PACKET__BODY_ADD_MEMORY ||
		    req->type == BH__PACKET__BODY_REMOVE_MEMORY ||
		    req->type == BH__PACKET__BODY_PLUG_DIMM ||
		    req->type == BH__PACKET__BODY_UNPLUG_DIMM))
			dimms_answered(child, req->type, req->subject,
			    packet->failed);
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
		return 0;
	case BH__PACKET__BODY_DEVICE_READY:
		child->chan.states = PROTO_RUNNING;
		/* An upgraded one is under a filter, or not at all. */
		if (child->dev == NULL ||
		    (child->must_listen && child->denied.fd < 0) ||
		    start_device_ready(child, packet->device_ready) != 0)
			return -EPROTO;
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
	} else if (packet->body_case == BH__PACKET__BODY_GUEST_PANICKED) {
		guest_panicked(vm, packet->guest_panicked->events);
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
	if (vm->state == VM_RESETTING)
		reset_progress(vm);
	else
		start_progress(vm);
}

/* Whatever waited for it can go on. */
static void
go_on(struct vm *vm)
{
	if (vm->state == VM_STOPPING)
		stop_progress(vm);
	else if (vm->state == VM_RESETTING)
		reset_progress(vm);
	else
		start_progress(vm);
}

void
life_spawned(struct child *child)
{
	/* A successor may be ready before it is known who it is. */
	if (child->died_at != 0 && child->ready)
		recover_ready(child);
	else if (child->hot && child->ready)
		hotplug_ready(child);
	go_on(child->vm);
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
	pause_gone(vm);
	dimms_progress(vm);
	/* The place of one that is gone may be another child's next. */
	if (child == vm->broker) {
		vm->broker = NULL;
		recover_no_opener(vm);
	}
	if (child == vm->opener)
		vm->opener = NULL;
	if (child == vm->loader && loads_again(child)) {
		deaths_acted(child, ACTION_RESTARTED);
		vm->loads_again = true;
		vm->loader = child_new(vm, PROC_LOADER, NULL);
	} else if (child == vm->loader) {
		vm->loader = NULL;
	}
	go_on(vm);
}

/* ---- time and signals ------------------------------------------------------------------------ */

void
life_tick(struct vm *vm)
{
	static const struct itimerspec never;
	bool waiting = vm->stop_deadline != 0 || vm->api_again != 0;

	supervise_deadlines(vm);
	if ((vm->state == VM_STARTING || vm->state == VM_RUNNING ||
	    vm->state == VM_RESETTING) && passt_tick(vm))
		waiting = true;
	if (upgrade_tick(vm))
		waiting = true;
	if (front_tick(vm))
		waiting = true;
	if (vm->api_again != 0 && now_ns() >= vm->api_again)
		manage_start(vm);
	if (vm->stop_deadline != 0 && now_ns() >= vm->stop_deadline) {
		kill_all(vm);
		/* A worker in a stuck system call cannot even die: the pid
		 * namespace is left to the spawner's end. */
		if (vm->after != AFTER_EXIT) {
			if (now_ns() >= vm->stop_deadline +
			    STUCK_SECONDS * SECOND)
				manage_stuck(vm);
		} else if (now_ns() >= vm->stop_deadline + SECOND / 2) {
			(void)life_enter(vm, VM_OVER);
			vm->loop.stop = true;
		}
	}
	for (size_t i = 0; i < VM_MAX_REQUESTS && !waiting; i++)
		waiting = vm->requests[i].child != NULL;
	if (!waiting) {
		(void)timerfd_settime(vm->timer.fd, 0, &never, NULL);
		vm->timer_armed = false;
	}
}

static void
tell_size(struct vm *vm)
{
	Bh__ConsoleSize size = BH__CONSOLE_SIZE__INIT;
	CHAN_PACKET(p, CONSOLE_SIZE, console_size, &size);

	terminal_size(&vm->terminal, &size.columns, &size.rows);
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].kind == PROC_CONSOLE &&
		    vm->children[i].ready)
			child_send(&vm->children[i], &p, NULL, 0, 0, 0);
}

/* Of the API, and of SIGPWR: the host's power fails. */
void
life_power_button(struct vm *vm)
{
	Bh__PowerButton button = BH__POWER_BUTTON__INIT;
	CHAN_PACKET(p, POWER_BUTTON, power_button, &button);

	if (vm->state == VM_RUNNING)
		child_send(vm->vcpu, &p, NULL, 0, 0, 0);
}

void
life_nmi(struct vm *vm)
{
	Bh__InjectNmi nmi = BH__INJECT_NMI__INIT;
	CHAN_PACKET(p, INJECT_NMI, inject_nmi, &nmi);

	if (vm->state == VM_RUNNING)
		child_send(vm->vcpu, &p, NULL, 0, 0, 0);
}

void
life_signal(struct vm *vm, int signal)
{
	if (signal == SIGPWR) {
		life_power_button(vm);
		return;
	}
	if (signal == SIGWINCH) {
		tell_size(vm);
		return;
	}
	if (vm->state == VM_STOPPING && vm->after == AFTER_EXIT) {
		kill_all(vm);
		return;
	}
	life_stop(vm, STOP_ASKED);
}
