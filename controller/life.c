// SPDX-License-Identifier: Apache-2.0
//
// The state machine of the VM, see life.h.
#include "controller/life.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "controller/front.h"
#include "controller/hotplug.h"
#include "controller/life_inside.h"
#include "controller/manage.h"
#include "controller/output.h"
#include "controller/passt.h"
#include "controller/pause.h"
#include "controller/recover.h"
#include "controller/report.h"
#include "controller/snapshot.h"
#include "controller/start.h"
#include "controller/supervise.h"
#include "controller/timeline.h"
#include "controller/upgrade.h"
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
		if (c->kind == PROC_LOADER || c->kind == PROC_MIGRATION)
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
		/* What is made of a snapshot is whole, or not there. */
		if (snapshot_restores(vm) && vm->pending.any)
			return AFTER_DELETE;
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
	snapshot_cancel(vm);
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
		    vm->children[i].kind == PROC_GUARD ||
		    vm->children[i].kind == PROC_SNAPSHOT)
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

bool
life_loads_again(const struct child *child)
{
	const struct vm *vm = child->vm;

	return child == vm->loader && child->kind == PROC_LOADER &&
	    child->signal == SIGKILL &&
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
	else if (child->spare || recover_takes(child) || life_loads_again(child) ||
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
	timeline_begin(vm);
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

void
life_boot(struct vm *vm)
{
	if (!life_enter(vm, VM_STARTING))
		return;
	if (vm->vmm_opened)
		timeline_begin(vm);
	vm->failure[0] = '\0';
	vm->devices_first = false;
	manage_event(vm, "vm", "booting");
	start_begin(vm);
}

void
life_go_on(struct vm *vm)
{
	if (vm->state == VM_STOPPING)
		stop_progress(vm);
	else if (vm->state == VM_RESETTING)
		reset_progress(vm);
	else
		start_progress(vm);
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
