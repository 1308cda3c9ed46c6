// SPDX-License-Identifier: Apache-2.0
//
// Device workers that die, see recover.h.
#include "controller/recover.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "controller/broker.h"
#include "controller/deaths.h"
#include "controller/front.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/paths.h"
#include "controller/pause.h"
#include "controller/requests.h"
#include "controller/resize.h"
#include "controller/resources.h"
#include "controller/start.h"
#include "controller/supervise.h"
#include "controller/upgrade.h"
#include "ipc/log.h"

#define REPLACE_SECONDS 60u	/* the lab is a hundred times slower than a host */
#define LET_GO_SECONDS 10u	/* for a back end of another program to hang up */

bool
recover_takes(const struct child *child)
{
	const struct vm *vm = child->vm;

	return child->dev != NULL && child->known_once && !child->removed &&
	    process_kinds[child->kind].replaced &&
	    (vm->spec.worker_failure.action != FAILURE_STOP ||
	    upgrade_is_trial(child)) &&
	    (vm->state == VM_RUNNING || vm->state == VM_RESETTING);
}

static struct child *
child_of(struct vm *vm, uint32_t index)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].dev != NULL &&
		    vm->children[i].index == index)
			return &vm->children[i];
	return NULL;
}

/* One death more: were there too many of late? */
static bool
too_many(struct child *child, uint64_t now)
{
	const struct failure_spec *f = &child->vm->spec.worker_failure;

	child->ndeaths++;
	if (child->late_deaths == 0 ||
	    now - child->deaths_from >= f->seconds * SECOND) {
		child->deaths_from = now;
		child->late_deaths = 0;
	}
	return ++child->late_deaths >= f->deaths;
}

/* Nobody serves the device any more; its driver is told that it needs a reset. */
static void
lose(struct child *child)
{
	Bh__LoseDevice m = BH__LOSE_DEVICE__INIT;
	CHAN_PACKET(p, LOSE_DEVICE, lose_device, &m);
	struct vm *vm = child->vm;

	child->lost = true;
	deaths_acted(child, ACTION_LOST);
	manage_event_id(vm, "worker", "lost", child->name);
	log_error("%s: the device is lost until the VM is started again",
	    child->name);
	m.index = child->index;
	if (vm->state == VM_RUNNING && child->dev->on_pci)
		child_send(vm->vcpu, &p, NULL, 0, child->index, REPLACE_SECONDS);
	resize_successor(child);
}

void
recover_replace(struct child *child)
{
	struct vm *vm = child->vm;

	if (child->died_at == 0)
		child->died_at = now_ns();
	child_again(child);
	/* Both: the last one may have ended before it was given its own. */
	for (int i = 0; i < 2; i++) {
		if (child->bus[i] >= 0)
			close(child->bus[i]);
		child->bus[i] = -1;
	}
	if (child->dev->on_pci && resources_bus(child) != 0)
		return;
	if ((child->kind == PROC_BLK &&
	    vm->disks[child->dev->index].sentinel != 0) ||
	    (child->kind == PROC_FRONT && child->isolated)) {
		child->awaits_io = true;
		recover_tick(vm);
	} else {
		start_spawn(child);
	}
}

void
recover_exited(struct child *child)
{
	const struct vm *vm = child->vm;
	const uint64_t now = now_ns();
	bool isolate;

	if (!recover_takes(child) || child->lost)
		return;
	/* A signal that nobody here sent is the administrator's, or the kernel's
	 * when memory is short: no request is to blame. */
	child->suspect = (child->signal != SIGKILL || child->failed ||
	    child->told_quit) && !child->stopped;
	deaths_acted(child, ACTION_RESTARTED);
	/* The next one begins with no driver, as one that was drained. */
	child->drained = true;
	/* A stand-in has no reason to die. */
	if (child->isolated) {
		lose(child);
		return;
	}
	isolate = too_many(child, now) ||
	    vm->spec.worker_failure.action == FAILURE_ISOLATE;
	/* One that connected to us: nobody hears when it lets go of the rings. */
	if (isolate && child->kind == PROC_FRONT && child->far < 0) {
		lose(child);
		return;
	}
	if (isolate) {
		child->isolated = true;
		log_error("%s: worker number %u of it has died: it is isolated, "
		    "and every request fails", child->name, child->ndeaths);
		manage_event_id(child->vm, "worker", "isolated", child->name);
		deaths_acted(child, ACTION_ISOLATED);
	}
	recover_replace(child);
}

/* The predecessor's I/O has ended: nothing lands on the disk any more. */
static void
io_ended(struct child *child)
{
	struct vm *vm = child->vm;
	const uint32_t disk = child->dev->index;
	struct backend *b = &vm->disks[disk];
	int rc;

	child->awaits_io = false;
	if (!child->isolated) {
		rc = paths_own(vm, disk, b->next_own);
		b->next_own = 0;
		if (rc != 0) {
			log_error("%s: its disk cannot be locked again: %s; it is "
			    "isolated, and every request fails", child->name,
			    log_errtext(rc));
			child->isolated = true;
		}
	}
	start_spawn(child);
}

/*
 * A stand-in serves the rings itself: not before the back end has let go of them.
 * True: it may still.
 */
static bool
far_end_serves(struct child *child, uint64_t now)
{
	if (front_let_go(child)) {
		child->awaits_io = false;
		start_spawn(child);
		return false;
	}
	if (now - child->died_at < LET_GO_SECONDS * SECOND)
		return true;
	log_error("%s: its back end does not hang up", child->name);
	child->awaits_io = false;
	child->phase = CHILD_GONE;
	for (int i = 0; i < 2; i++) {
		close(child->bus[i]);
		child->bus[i] = -1;
	}
	lose(child);
	return false;
}

/* Soon at first, and ever more seldom. */
static void
look_again(struct vm *vm, uint64_t waited)
{
	const uint64_t ns = waited / 8 < SECOND / 2000 ? SECOND / 2000 :
	    waited / 8 > SECOND / 50 ? SECOND / 50 : waited / 8;
	const struct itimerspec once = { .it_value.tv_nsec = (long)ns };

	(void)timerfd_settime(vm->io_timer.fd, 0, &once, NULL);
}

void
recover_tick(struct vm *vm)
{
	const uint64_t now = now_ns();
	uint64_t waited = UINT64_MAX;

	if (vm->state != VM_RUNNING && vm->state != VM_RESETTING)
		return;
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];
		struct backend *b;

		if (!c->awaits_io || c->dev == NULL)
			continue;
		if (c->kind == PROC_FRONT) {
			if (far_end_serves(c, now) && now - c->died_at < waited)
				waited = now - c->died_at;
			continue;
		}
		b = &vm->disks[c->dev->index];
		/* The next one needs the disk once more: both take their time. */
		if (!c->isolated && b->next_own == 0 && !b->reopening) {
			b->reopening = true;
			broker_reopen(vm, c->dev->index);
		}
		if ((c->isolated || b->next_own > 0) && paths_io_ended(b))
			io_ended(c);
		else if (now - c->died_at < waited)
			waited = now - c->died_at;
	}
	if (waited != UINT64_MAX)
		look_again(vm, waited);
}

int
recover_reopened(struct vm *vm, uint32_t index, int fd, const char *why)
{
	struct child *child = NULL;

	if (upgrade_reopened(vm, index, fd, why))
		return 0;
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].awaits_io &&
		    vm->children[i].kind == PROC_BLK &&
		    vm->children[i].dev->index == index)
			child = &vm->children[i];
	if (child == NULL || !vm->disks[index].reopening)
		return -EPROTO;
	vm->disks[index].reopening = false;
	if (fd >= 0) {
		vm->disks[index].next_own = fd;
	} else {
		log_error("%s: its disk cannot be opened again: %s; it is "
		    "isolated, and every request fails", child->name, why);
		child->isolated = true;
	}
	recover_tick(vm);
	return 0;
}

void
recover_no_opener(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->spec.ndisks; i++)
		if (vm->disks[i].reopening && vm->state != VM_STOPPING)
			(void)recover_reopened(vm, i, -1, "the opener died");
}

/* The guest's requests are the new worker's. */
static void
taken_over(struct child *child)
{
	const uint64_t us = (now_ns() - child->died_at) / 1000;

	log_warn("%s: a new worker (pid %u) has taken over after %llu.%llu ms",
	    child->name, child->host_pid,
	    (unsigned long long)(us / 1000), (unsigned long long)(us / 100 % 10));
	child->died_at = 0;
	deaths_replaced(child);
	manage_event_id(child->vm, "worker", "restarted", child->name);
	resize_successor(child);
}

void
recover_ready(struct child *child)
{
	Bh__ReplaceDevice replace = BH__REPLACE_DEVICE__INIT;
	Bh__DeviceReady ready;
	CHAN_PACKET(p, REPLACE_DEVICE, replace_device, &replace);
	struct vm *vm = child->vm;

	/* A vcpu-worker that does not know the device yet gets PciDevice. */
	if (vm->state != VM_RUNNING || child->phase != CHILD_UP)
		return;
	/* The serial port's rings are in memory, which it has looked at by now. */
	if (!child->dev->on_pci) {
		taken_over(child);
		return;
	}
	if (!child->known_to_vcpu || child->bus[0] < 0)
		return;
	if (pause_successor(child))
		return;
	start_fill_ready(child, &ready);
	replace.index = child->index;
	replace.device = &ready;
	child->replacing++;
	child_send(vm->vcpu, &p, &child->bus[0], 1, child->index,
	    REPLACE_SECONDS);
	close(child->bus[0]);
	child->bus[0] = -1;
}

void
recover_running(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];

		if (c->dev == NULL)
			continue;
		c->known_once = true;
		if (c->lost)
			lose(c);
		else if (c->died_at != 0 && c->ready &&
		    (c->bus[0] >= 0 || !c->dev->on_pci))
			recover_ready(c);
		else if (c->ready)
			c->died_at = 0;
		if (c->ready && c->died_at == 0)
			resize_successor(c);
	}
}

void
recover_answered(struct vm *vm, uint32_t index, bool failed, const char *text)
{
	struct child *child = child_of(vm, index);

	if (child == NULL || child->lost || child->removed)
		return;
	/* One that has died since is not the one that was answered for. */
	if (child->replacing > 0 && --child->replacing > 0)
		return;
	if (child->died_at == 0)
		return;
	if (failed) {
		log_error("%s: its new worker cannot take over: %s", child->name,
		    text);
		/* Its exit is the next death: isolated, or lost. */
		if (!upgrade_is_trial(child))
			child->isolated = child->isolated ||
			    too_many(child, now_ns());
		upgrade_note(child, text);
		deaths_blame(child, DEATH_REFUSED, text);
		child_kill(child);
		return;
	}
	if (upgrade_taken_over(child))
		return;
	taken_over(child);
}
