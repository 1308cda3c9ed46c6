// SPDX-License-Identifier: Apache-2.0
//
// Processes that hang, see pulse.h.
#include "controller/pulse.h"

#include <stdio.h>
#include <sys/timerfd.h>

#include "controller/deaths.h"
#include "controller/life.h"
#include "controller/supervise.h"
#include "ipc/log.h"

/* So many ticks make the time that somebody has for his answer. */
#define TICKS 5u

void
pulse_start(struct vm *vm)
{
	const uint64_t ns = vm->spec.worker_failure.hang * SECOND / TICKS;
	const struct timespec t = { .tv_sec = (time_t)(ns / SECOND),
				    .tv_nsec = (long)(ns % SECOND) };
	const struct itimerspec tick = { .it_interval = t, .it_value = t };

	(void)timerfd_settime(vm->pulse.fd, 0, &tick, NULL);
}

/* Does it listen, and to nothing but what it is told from now on? */
static bool
works(const struct child *child)
{
	if (child->phase != CHILD_UP || child->told_quit || child->hung_up)
		return false;
	if (child->kind == PROC_VCPU)
		return child->vm->state == VM_RUNNING;
	return child->ready && (child->dev != NULL || child->kind == PROC_API);
}

static void
ping(struct child *child)
{
	Bh__Ping m = BH__PING__INIT;
	CHAN_PACKET(p, PING, ping, &m);

	child->pulse.number++;
	child->pulse.waits = true;
	child->pulse.ticks = child->pulse.looks = 0;
	m.number = child->pulse.number;
	child_send(child, &p, NULL, 0, 0, 0);
}

static void
look_at(struct child *child)
{
	Bh__LookAt m = BH__LOOK_AT__INIT;
	CHAN_PACKET(p, LOOK_AT, look_at, &m);

	m.instance = child->instance;
	(void)chan_send(&child->vm->spawner, &p, NULL, 0);
}

void
pulse_tick(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->nchildren && !vm->spawner_gone; i++) {
		struct child *c = &vm->children[i];

		if (!works(c))
			c->pulse.waits = false;
		else if (!c->pulse.waits)
			ping(c);
		else if (++c->pulse.ticks >= TICKS)
			look_at(c);
	}
}

bool
pulse_answered(struct child *child, uint32_t number)
{
	if (number != child->pulse.number)
		return false;
	if (child->pulse.waits && child->pulse.excused)
		log_warn("%s (pid %u) answers again", child->name,
		    child->host_pid);
	child->pulse.waits = child->pulse.excused = false;
	return true;
}

static void
hangs(struct child *child, const char *how)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "no answer for %u s, %s",
	    child->vm->spec.worker_failure.hang, how);
	deaths_blame(child, DEATH_HANG, text);
	life_child_failed(child, "%s (pid %u) hangs: %s; it was killed",
	    child->name, child->host_pid, text);
	child_kill(child);
}

/*
 * A device worker that sleeps in the kernel waits for storage (D; a file system
 * in user space: S), since it waits for nothing else but in its loop. Killing it
 * would end nothing: the next one would wait there, too.
 */
void
pulse_seen(struct child *child, uint32_t state)
{
	const bool sleeps = state == 'D' || (state == 'S' && child->dev != NULL);

	if (!child->pulse.waits || child->pulse.ticks < TICKS ||
	    !works(child))
		return;
	if (state == 'T') {
		child->stopped = true;
		hangs(child, "it is stopped");
	} else if (sleeps || state == 't') {
		child->pulse.looks = 0;
		if (!child->pulse.excused)
			log_warn("%s (pid %u) has not answered for %u s: it %s",
			    child->name, child->host_pid,
			    child->vm->spec.worker_failure.hang, state == 't' ?
			    "is being debugged" : "waits for the host's storage");
		child->pulse.excused = true;
	} else if (++child->pulse.looks > 1) {
		/* Twice in a row: it was not just on its way. */
		hangs(child, state == 'R' ? "it runs in circles" :
		    state == 'S' ? "it waits for something that does not come" :
		    "it does not come back");
	}
}
