/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation with a back end: jobs, each a const table of steps, each step a
 * request that is sent for every queue or region it is about, or not at all. A
 * step waits for its answer: that of the request, or the one that REPLY_ACK brings.
 * One job at a time; what is asked for meanwhile waits in f->jobs. A connection
 * that is lost takes its job with it, and the next one starts from the beginning.
 * The tables are in greet.c and start.c; here is what goes through them.
 */
#include <unistd.h>

#include "device-workers/vhost-user-front/steps.h"
#include "ipc/log.h"

static const struct step *const jobs[JOB_COUNT] = {
	[JOB_GREET] = greet_steps, [JOB_STOP] = stop_steps,
	[JOB_MEMORY] = memory_steps, [JOB_LOG] = log_steps,
	[JOB_START] = start_steps, [JOB_WRITE] = write_steps,
	[JOB_CONFIG] = config_steps, [JOB_ENABLE] = enable_steps,
	[JOB_HEALTH] = health_steps,
};

bool
step_refuse(struct front *f, const char *why)
{
	front_conn_lose(f, why);
	return false;
}

void
front_ask(struct front *f, enum front_job job)
{
	/* Without a back end there is nobody to be told: the start tells all. */
	if (f->conn != CONN_READY)
		return;
	f->jobs |= 1u << job;
	if (f->job == JOB_NONE)
		front_go_on(f);
}

void
front_steps_forget(struct front *f)
{
	f->jobs = 0;
	f->job = JOB_NONE;
	f->waiting = false;
	f->rings_told = false;
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		f->region[i].told = false;
		f->removed[i].at.size = 0;
	}
	f->memory_told = false;
	/* Who comes next hears of it at its start. */
	control_told(f);
}

void
front_greet(struct front *f)
{
	f->job = JOB_GREET;
	f->step = f->sub = 0;
	front_go_on(f);
}

bool
front_busy(const struct front *f)
{
	uint32_t slow = f->jobs;

	if (f->conn != CONN_READY)
		return false;
	if (f->job != JOB_NONE)
		slow |= 1u << f->job;
	return (slow & (1u << JOB_STOP | 1u << JOB_MEMORY | 1u << JOB_LOG |
	    1u << JOB_START | 1u << JOB_ENABLE)) != 0;
}

/* Send what the step says. Whether to stop here: for an answer, or for good. */
static bool
carry_out(struct front *f, const struct step *s)
{
	bool ack = !s->quiet && s->answer == 0 && PF(f, VHU_PF_REPLY_ACK);
	struct out out = { .body = NULL };

	f->expect = (struct front_expect){
		.request = s->request, .size = s->answer != 0 ? s->answer : 8,
	};
	if (s->send != NULL && !s->send(f, &out))
		return f->conn != CONN_GREETING && f->conn != CONN_READY;
	if (s->answer != 0 || ack)
		front_conn_await(f);
	if (!front_conn_send(f, s->request, ack ? VHU_FLAG_NEED_REPLY : 0,
	    out.body != NULL ? out.body : &out.payload, out.size, out.fd,
	    out.nfds))
		return true;
	/* It has a copy, if it has none the channel is as good as closed. */
	if (s->request == VHU_SET_BACKEND_REQ_FD) {
		close(FD_FRONT_EVENTS_PEER);
		f->events_open = false;
	}
	return f->waiting;
}

/* Once for each time that the loss was told of. */
static void
say_back(struct front *f)
{
	if (f->lost && f->told_lost)
		log_guest_at(LOG_WARN, "the back end is back");
	f->lost = f->told_lost = false;
}

/*
 * A kick may have been taken and not been acted on, and an interrupt lost, by the
 * one who is gone.
 */
static void
nudge(struct front *f)
{
	const uint64_t one = 1;

	for (unsigned int q = 0; q < f->dev->nqueues; q++)
		if (f->queue[q].size != 0) {
			(void)!write(FD_KICK + (int)q, &one, sizeof(one));
			(void)!write(FD_CALL + (int)q, &one, sizeof(one));
		}
}

/* What follows from a job that is done. */
static void
finish(struct front *f)
{
	enum front_job job = f->job;

	f->job = JOB_NONE;
	if (job == JOB_GREET) {
		if (!front_greeted(f))
			return;
		f->conn = CONN_READY;
		if (f->started)
			f->jobs |= 1u << JOB_START;
		else
			say_back(f);
	} else if (job == JOB_START && f->started) {
		if (f->relay)
			relay_run(f);
		else if (f->served)
			nudge(f);
		f->served = true;
		if (f->write_len != 0)
			f->jobs |= 1u << JOB_WRITE;
		say_back(f);
	} else if (job == JOB_STOP && f->relay) {
		relay_hold(f);
		relay_settle(f);
	} else if (job == JOB_WRITE) {
		f->jobs |= 1u << JOB_CONFIG;
	} else if (job == JOB_ENABLE) {
		control_told(f);
	} else if (job == JOB_CONFIG) {
		/* 2.1.2: a device that needs a reset says so by a change. */
		f->jobs |= 1u << JOB_HEALTH;
	}
}

/* The next job: the first of enum front_job that is asked for. */
static void
begin_next(struct front *f)
{
	f->job = (enum front_job)__builtin_ctz(f->jobs);
	f->jobs &= ~(1u << f->job);
	f->step = f->sub = 0;
	if (f->job == JOB_START) {
		/* It tells of all memory, and of the log. */
		f->jobs &= ~(1u << JOB_MEMORY | 1u << JOB_LOG);
		f->memory_told = true;
		if (f->relay)
			relay_refill(f);
	}
}

void
front_go_on(struct front *f)
{
	while (!f->waiting && (f->conn == CONN_GREETING || f->conn == CONN_READY)) {
		const struct step *s;

		if (f->job == JOB_NONE && f->jobs == 0)
			return;
		if (f->job == JOB_NONE)
			begin_next(f);
		s = &jobs[f->job][f->step];
		if (s->request == 0) {
			finish(f);
			continue;
		}
		if (f->sub >= (s->count != NULL ? s->count(f) : 1)) {
			f->step++;
			f->sub = 0;
			continue;
		}
		if (carry_out(f, s))
			return;
		f->sub++;
	}
}

void
front_answered(struct front *f, int fd)
{
	const struct step *s = &jobs[f->job][f->step];
	bool good;

	if (s->take != NULL) {
		good = s->take(f, fd);
	} else {
		good = f->in.u64 == 0;
		if (!good)
			front_conn_lose(f, "it refused a request");
	}
	if (!good || f->job == JOB_NONE)
		return;
	f->sub++;
	front_go_on(f);
}
