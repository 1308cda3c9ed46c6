// SPDX-License-Identifier: Apache-2.0
//
// Live upgrade of device workers, see upgrade.h and docs/protocol.md.
#include "controller/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/broker.h"
#include "controller/config.h"
#include "controller/deaths.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/output.h"
#include "controller/paths.h"
#include "controller/recover.h"
#include "controller/resources.h"
#include "controller/start.h"
#include "controller/supervise.h"
#include "ipc/log.h"

#define STEP_SECONDS 5u	/* each: to start, to hand over, to take over */
#define ANSWER_SECONDS 60u	/* ... until a worker that says nothing is killed */
#define TRIAL_SECONDS 10u	/* who dies so soon is replaced by what was before */

/* ---- the fds of a device --------------------------------------------------------- */

/* They belong to @from, and @to is about to be spawned with them. */
static void
lend(const struct child *from, struct child *to)
{
	to->dev = from->dev;
	to->index = from->index;
	memcpy(to->events, from->events, sizeof(to->events));
	to->config_page = from->config_page;
	to->record = from->record;
}

static void
forget_fds(struct child *child)
{
	child->dev = NULL;
	for (size_t i = 0; i < sizeof(child->events) / sizeof(child->events[0]);
	    i++)
		child->events[i] = -1;
	child->config_page = child->record = -1;
}

/* The device is the next worker's. */
static void
pass_on(struct child *old, struct child *next)
{
	lend(old, next);
	next->device = old->device;
	next->known_once = old->known_once;
	next->told_vcpu = old->told_vcpu;
	next->known_to_vcpu = old->known_to_vcpu;
	next->ndeaths = old->ndeaths;
	next->late_deaths = old->late_deaths;
	next->deaths_from = old->deaths_from;
	next->replacing = old->replacing;
	next->must_listen = old->denied.fd >= 0;
	next->previous = old->binary;
	next->previous_state = old->state;
	old->binary = -1;
	if (old->trial_until != 0 && old->previous >= 0)
		close(old->previous);
	old->previous = -1;
	old->trial_until = 0;
	/* Begins with no driver; a reset need not drain it. */
	next->drained = true;
	next->spare = false;
	forget_fds(old);
	old->spare = old->told_quit = true;
}

/* ---- its end ---------------------------------------------------------------------- */

static void
settle(struct vm *vm, const char *why)
{
	struct upgrade *u = &vm->upgrade;
	upgrade_done_fn *done = u->done;
	char line[sizeof(u->why)];

	memcpy(line, u->why, sizeof(line));
	if (u->own >= 0)
		close(u->own);
	*u = (struct upgrade){ .step = UPGRADE_NONE, .own = -1 };
	done(vm, why == NULL ? NULL : line[0] != '\0' ? line : why);
}

static void
let_go_of_next(struct child *next)
{
	child_kill(next);
	for (int i = 0; i < 2; i++) {
		if (next->bus[i] >= 0)
			close(next->bus[i]);
		next->bus[i] = -1;
	}
	if (next->binary >= 0)
		close(next->binary);
	next->binary = -1;
}

/* The worker at work goes on as if nothing had been. */
static void
call_off(struct vm *vm, const char *why)
{
	struct upgrade *u = &vm->upgrade;
	Bh__TakeBack back = BH__TAKE_BACK__INIT;
	CHAN_PACKET(p, TAKE_BACK, take_back, &back);

	if (u->step == UPGRADE_DRAIN)
		child_send(u->old, &p, NULL, 0, 0, 0);
	log_warn("%s: not upgraded, its worker goes on: %s", u->old->name,
	    u->why[0] != '\0' ? u->why : why);
	if (u->next != NULL)
		let_go_of_next(u->next);
	settle(vm, why);
}

/* It had begun: the program of before is started again. */
static void
roll_back(struct child *child, const char *why)
{
	struct vm *vm = child->vm;

	log_error("%s: its new worker cannot take over, the program of before is "
	    "started again: %s", child->name, vm->upgrade.why[0] != '\0' ?
	    vm->upgrade.why : why);
	if (child->binary >= 0)
		close(child->binary);
	child->binary = child->previous;
	child->previous = -1;
	child->suspect = false;
	deaths_acted(child, ACTION_RESTARTED);
	manage_event_id(vm, "worker", "rolled-back", child->name);
	settle(vm, why);
}

/* ---- begin ------------------------------------------------------------------------ */

/*
 * Whoever owns the file decides what runs: nobody but root and the user who started
 * the VM, which is more than to be let in by the API socket.
 */
static const char *
refuse_binary(const struct vm *vm, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "its new program is not a file";
	if (st.st_uid != 0 && st.st_uid != vm->user)
		return "its new program belongs to another user; it must be "
		    "root's or yours";
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "others may write to its new program (chmod go-w)";
	return NULL;
}

static struct child *
find(struct vm *vm, const char *id)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].dev != NULL &&
		    strcmp(vm->children[i].dev->id, id) == 0)
			return &vm->children[i];
	return NULL;
}

static uint32_t
refuse(const struct vm *vm, const struct child *old, int binary,
    const char **why)
{
	*why = "there is no such device";
	if (old == NULL)
		return 404;
	*why = "no other process can take the place of its worker";
	/* What a back end has of a device, or a worker of open files, does not outlive
	 * an orderly stop. */
	if (!old->dev->on_pci || !process_kinds[old->kind].replaced ||
	    old->kind == PROC_FS || old->kind == PROC_FRONT)
		return 405;
	*why = "another upgrade is under way; try again";
	if (vm->upgrade.step != UPGRADE_NONE)
		return 429;
	*why = "its worker has died, and is not replaced yet; try again";
	if (!child_alive(old) || !old->ready || old->died_at != 0)
		return 429;
	*why = "it was given up after its worker had died too often";
	if (old->lost || old->isolated)
		return 500;
	*why = "it gets another size; try again";
	if (old->kind == PROC_BLK && vm->disks[old->dev->index].resizing != 0)
		return 429;
	*why = binary >= 0 ? refuse_binary(vm, binary) : NULL;
	return *why != NULL ? 403 : 0;
}

static void
next_step(struct vm *vm, enum upgrade_step step)
{
	vm->upgrade.step = step;
	vm->upgrade.deadline = now_ns() + STEP_SECONDS * SECOND;
	life_arm_timer(vm);
}

static void
start_next(struct vm *vm, int binary)
{
	struct upgrade *u = &vm->upgrade;
	struct child *next = child_new(vm, u->old->kind, NULL);
	struct backend *disk = next->kind == PROC_BLK ?
	    &vm->disks[u->old->dev->index] : NULL;

	u->next = next;
	next->spare = true;
	next->binary = binary;
	memcpy(next->name, u->old->name, sizeof(next->name));
	next_step(vm, UPGRADE_START);
	lend(u->old, next);
	if (resources_bus(next) == 0) {
		/* start_spawn() lets go of it; its locks are still to come. */
		if (u->own >= 0 && disk != NULL)
			disk->own = fcntl(u->own, F_DUPFD_CLOEXEC, 3);
		start_spawn(next);
	}
	forget_fds(next);
}

uint32_t
upgrade_begin(struct vm *vm, const char *id, int binary, upgrade_done_fn *done,
    const char **why)
{
	struct upgrade *u = &vm->upgrade;
	struct child *old = find(vm, id);
	uint32_t status = refuse(vm, old, binary, why);

	if (status != 0) {
		if (binary >= 0)
			close(binary);
		return status;
	}
	*u = (struct upgrade){ .old = old, .done = done, .own = -1,
	    .binary = binary };
	/* Of a disk whose I/O may outlive its worker each has a file of its own. */
	if (old->kind == PROC_BLK && vm->disks[old->dev->index].sentinel != 0) {
		next_step(vm, UPGRADE_REOPEN);
		vm->disks[old->dev->index].reopening = true;
		broker_reopen(vm, old->dev->index);
	} else {
		start_next(vm, binary);
	}
	return 0;
}

bool
upgrade_reopened(struct vm *vm, uint32_t index, int fd, const char *why)
{
	struct upgrade *u = &vm->upgrade;

	if (u->step != UPGRADE_REOPEN || u->old->dev->index != index)
		return false;
	vm->disks[index].reopening = false;
	if (fd < 0) {
		if (u->binary >= 0)
			close(u->binary);
		(void)snprintf(u->why, sizeof(u->why), "its disk cannot be opened "
		    "again: %s", why);
		call_off(vm, "its disk cannot be opened again");
		return true;
	}
	u->own = fd;
	start_next(vm, u->binary);
	return true;
}

/* ---- the next worker ----------------------------------------------------------------- */

bool
upgrade_is_next(const struct child *child)
{
	const struct upgrade *u = &child->vm->upgrade;

	return child == u->next && (u->step == UPGRADE_START ||
	    u->step == UPGRADE_DRAIN || u->step == UPGRADE_EXIT);
}

bool
upgrade_is_trial(const struct child *child)
{
	return child == child->vm->upgrade.next &&
	    child->vm->upgrade.step == UPGRADE_CONFIGURE;
}

void
upgrade_note(const struct child *child, const char *line)
{
	struct upgrade *u = &child->vm->upgrade;

	if (u->step != UPGRADE_NONE && child == u->next && u->why[0] == '\0')
		(void)snprintf(u->why, sizeof(u->why), "%s", line);
}

void
upgrade_up(struct child *child)
{
	struct vm *vm = child->vm;
	struct upgrade *u = &vm->upgrade;
	Bh__HandOver over = BH__HAND_OVER__INIT;
	CHAN_PACKET(p, HAND_OVER, hand_over, &over);

	if (u->step != UPGRADE_START || child != u->next || !child->hello ||
	    child->phase != CHILD_UP)
		return;
	if (u->old->state < child->state_oldest ||
	    u->old->state > child->state) {
		(void)snprintf(u->why, sizeof(u->why), "the worker at work keeps "
		    "state of version %u, and the new one knows %u to %u",
		    u->old->state, child->state_oldest, child->state);
		call_off(vm, "state of another version");
		return;
	}
	next_step(vm, UPGRADE_DRAIN);
	u->since = now_ns();
	child_send(u->old, &p, NULL, 0, 0, ANSWER_SECONDS);
}

/* It gets what any worker begins with. */
static void
configure(struct vm *vm)
{
	struct upgrade *u = &vm->upgrade;

	next_step(vm, UPGRADE_CONFIGURE);
	config_send(u->next);
}

void
upgrade_answered(struct child *child, const char *text)
{
	struct vm *vm = child->vm;
	struct upgrade *u = &vm->upgrade;

	if (text != NULL || u->step != UPGRADE_DRAIN || child != u->old)
		return;		/* it was taken back, in time or too late */
	if (!child_alive(u->next) || u->next->hung_up)
		return;		/* ... or will be: recover.c takes its exit */
	pass_on(u->old, u->next);
	u->next->died_at = u->since;
	if (u->own >= 0)
		next_step(vm, UPGRADE_EXIT);
	else
		configure(vm);
}

/* The locks are those of the new open file, once the old one is closed. */
static void
old_exited(struct vm *vm)
{
	struct upgrade *u = &vm->upgrade;
	uint32_t disk = u->next->dev->index;
	int rc;

	u->old = NULL;
	/* Not yet: upgrade_tick() comes again. */
	if (!paths_io_ended(&vm->disks[disk]))
		return;
	rc = paths_own(vm, disk, u->own);
	vm->disks[disk].own = 0;
	close(u->own);
	u->own = -1;
	if (rc != 0)
		log_warn("%s: its disk cannot be locked again: %s", u->next->name,
		    log_errtext(rc));
	configure(vm);
}

bool
upgrade_taken_over(struct child *child)
{
	struct vm *vm = child->vm;

	if (!upgrade_is_trial(child))
		return false;
	child->trial_until = now_ns() + TRIAL_SECONDS * SECOND;
	log_info("%s: upgraded, a new worker (pid %u) has taken over after %llu.%llu "
	    "ms", child->name, child->host_pid,
	    (unsigned long long)((now_ns() - child->died_at) / 1000000),
	    (unsigned long long)((now_ns() - child->died_at) / 100000 % 10));
	child->died_at = 0;
	manage_event_id(vm, "worker", "upgraded", child->name);
	settle(vm, NULL);
	return true;
}

/* ---- ends of processes, and of patience -------------------------------------------- */

/* An upgraded worker that soon dies: what was before knows its record? */
static void
end_of_trial(struct child *child)
{
	bool soon = now_ns() < child->trial_until;

	if (child->trial_until == 0 || !recover_takes(child))
		return;
	child->trial_until = 0;
	if (soon && child->previous_state == child->state) {
		log_error("%s: dead soon after it was upgraded: the program of "
		    "before is started again", child->name);
		manage_event_id(child->vm, "worker", "rolled-back", child->name);
		if (child->binary >= 0)
			close(child->binary);
		child->binary = child->previous;
	} else if (child->previous >= 0) {
		close(child->previous);
	}
	child->previous = -1;
}

bool
upgrade_exited(struct child *child)
{
	struct vm *vm = child->vm;
	struct upgrade *u = &vm->upgrade;

	if (u->step == UPGRADE_NONE || (child != u->next && child != u->old)) {
		end_of_trial(child);
		return false;
	}
	if (child == u->old) {
		if (u->step == UPGRADE_EXIT)
			old_exited(vm);
		else if (u->step != UPGRADE_CONFIGURE)
			call_off(vm, "its worker died meanwhile");
		return child->dev == NULL;
	}
	/* In EXIT the old one is about to go as well. */
	if (u->step == UPGRADE_EXIT ||
	    (u->step == UPGRADE_CONFIGURE && recover_takes(child))) {
		roll_back(child, "the new worker died");
		recover_replace(child);
	} else {
		call_off(vm, "the new program ended at once");
	}
	return true;
}

bool
upgrade_tick(struct vm *vm)
{
	struct upgrade *u = &vm->upgrade;

	if (u->step == UPGRADE_NONE)
		return false;
	if (u->step == UPGRADE_EXIT && u->old == NULL)
		old_exited(vm);
	if (now_ns() < u->deadline)
		return true;
	switch (u->step) {
	case UPGRADE_REOPEN:
	case UPGRADE_START:
		call_off(vm, "the new program did not speak in time");
		break;
	case UPGRADE_DRAIN:
		call_off(vm, "its worker did not finish in time");
		break;
	case UPGRADE_EXIT:
	case UPGRADE_CONFIGURE:
		u->deadline += STEP_SECONDS * SECOND;
		upgrade_note(u->next, "the new worker did not take over in time");
		child_kill(u->step == UPGRADE_EXIT && u->old != NULL ?
		    u->old : u->next);
		break;
	case UPGRADE_NONE:
		break;
	}
	return u->step != UPGRADE_NONE;
}

void
upgrade_cancel(struct vm *vm, const char *why)
{
	struct upgrade *u = &vm->upgrade;

	if (u->step == UPGRADE_NONE)
		return;
	/* The old one is as good as gone, and what waits for that goes on. */
	if (u->step == UPGRADE_EXIT && vm->state == VM_RESETTING)
		return;
	if (u->step == UPGRADE_EXIT || u->step == UPGRADE_CONFIGURE) {
		/* Then its worker is like any that is being made. */
		if (u->next->previous >= 0)
			close(u->next->previous);
		u->next->previous = -1;
		settle(vm, why);
	} else {
		call_off(vm, why);
	}
}
