// SPDX-License-Identifier: Apache-2.0
//
// The list of deaths, see deaths.h.
#include "controller/deaths.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controller/report.h"
#include "controller/supervise.h"
#include "device-workers/lib/record.h"

#define MAX_DEATHS 64u
#define MAX_TAKEN 8u	/* requests that are kept of each */

struct death {
	uint64_t number;	/* child->last_death */
	struct timespec when;	/* CLOCK_REALTIME */
	uint64_t at;		/* CLOCK_MONOTONIC, ns */
	uint64_t replaced;	/* ns after that; 0: not */
	enum process_kind kind;
	char worker[96], device[72];
	uint32_t pid;
	const char *cause;
	char detail[240];
	uint64_t image_base, ip;
	char build_id[65];
	enum death_action action;
	uint32_t ntaken;
	Bh__ApiTaken taken[MAX_TAKEN];
};

/* Of the one VMM: death n is at n % MAX_DEATHS, from 1 on. */
static struct death deaths[MAX_DEATHS];
static uint64_t ndeaths;

static const char *const action_words[] = {
	[ACTION_STOPPED] = "vm-stopped", [ACTION_NONE] = "none",
	[ACTION_RESTARTED] = "restarted", [ACTION_ISOLATED] = "isolated",
	[ACTION_LOST] = "lost",
};

/* ---- short of memory ------------------------------------------------------------- */

/* A group's file that counts its processes whom the kernel has killed. */
static int
open_counter(const char *line)
{
	const char *path = strrchr(line, ':');
	char file[600];
	int fd;

	if (path == NULL)
		return -1;
	path++;
	if (strncmp(line, "0::", 3) != 0) {
		if (strstr(line, ":memory:") == NULL)
			return -1;
		(void)snprintf(file, sizeof(file), "/sys/fs/cgroup/memory%s/"
		    "memory.oom_control", path);
		return open(file, O_RDONLY | O_CLOEXEC);
	}
	(void)snprintf(file, sizeof(file), "/sys/fs/cgroup%s/memory.events", path);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	(void)snprintf(file, sizeof(file),
	    "/sys/fs/cgroup/unified%s/memory.events", path);
	return open(file, O_RDONLY | O_CLOEXEC);
}

static uint64_t
oom_kills(const struct vm *vm)
{
	char text[512];
	const char *at;
	ssize_t n;

	if (vm->oom_counter < 0)
		return 0;
	n = pread(vm->oom_counter, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, "oom_kill ");
	return at != NULL ? strtoull(at + 9, NULL, 10) : 0;
}

void
deaths_open(struct vm *vm)
{
	char text[4096], *line, *rest;
	/* Where the VM has a cgroup that was passed on, that one tells. */
	int fd = vm->spec.cgroup.fd != 0 ? -1 :
	    open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	vm->oom_counter = -1;
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	for (line = strtok_r(text, "\n", &rest); line != NULL &&
	    vm->oom_counter < 0; line = strtok_r(NULL, "\n", &rest))
		vm->oom_counter = open_counter(line);
	vm->oom_kills = oom_kills(vm);
}

/* Has the kernel killed one since we last looked? */
static bool
out_of_memory(struct vm *vm)
{
	const uint64_t before = vm->oom_kills;

	vm->oom_kills = oom_kills(vm);
	return vm->oom_kills > before;
}

/* ---- causes ----------------------------------------------------------------------- */

void
deaths_blame(struct child *child, enum death_why why, const char *detail)
{
	if (child->why != DEATH_OF_ITSELF)
		return;
	child->why = why;
	(void)snprintf(child->why_text, sizeof(child->why_text), "%s", detail);
}

static const char *
cause_of(struct child *child, const char **detail)
{
	static const char *const words[] = {
		[DEATH_OF_ITSELF] = "", [DEATH_DENIED] = "denied-call",
		[DEATH_HANG] = "hang", [DEATH_PROTOCOL] = "protocol",
		[DEATH_LATE] = "late", [DEATH_REFUSED] = "refused",
		[DEATH_SAID] = "failed",
	};
	const bool own = report_is_oom(child);
	const bool oom = own || (child->signal == SIGKILL &&
	    out_of_memory(child->vm));

	*detail = child->why_text;
	if (child->why != DEATH_OF_ITSELF)
		return words[child->why];
	*detail = "";
	if (oom) {
		*detail = own ? "its cgroup was out of memory (memory.max)" :
		    "the kernel was short of memory and chose it";
		return "oom";
	}
	if (child->signal == SIGKILL)
		return "killed";
	return child->signal != 0 ? "signal" : "exit";
}

/* ---- last requests ------------------------------------------------------------------ */

/* The latest first. What is in the record may be anything. */
static void
read_queue(struct death *d, int record, uint32_t q, uint32_t most)
{
	struct record_taken trail[RECORD_TRAIL];
	const off_t at = (off_t)((q + 1) * (uint64_t)RECORD_QUEUE_SIZE +
	    RECORD_TRAIL_AT);
	uint32_t last = 0;

	if (pread(record, trail, sizeof(trail), at) != (ssize_t)sizeof(trail))
		return;
	for (uint32_t i = 1; i < RECORD_TRAIL; i++)
		if (trail[i].number > trail[last].number)
			last = i;
	for (uint32_t i = 0; i < most && d->ntaken < MAX_TAKEN; i++) {
		const struct record_taken *t =
		    &trail[(last + RECORD_TRAIL - i) % RECORD_TRAIL];
		Bh__ApiTaken *to = &d->taken[d->ntaken];

		if (t->number == 0)
			return;
		bh__api_taken__init(to);
		to->queue = q;
		to->type = t->type;
		to->read_len = t->read_len;
		to->write_len = t->write_len;
		d->ntaken++;
	}
}

static void
read_requests(struct death *d, const struct child *child)
{
	const uint32_t n = child->dev != NULL ? child->dev->nqueues : 0;

	if (child->record < 0 || n == 0)
		return;
	for (uint32_t q = 0; q < n; q++)
		read_queue(d, child->record, q, n < MAX_TAKEN / 2 ?
		    MAX_TAKEN / n : 2);
}

/* ---- the list ----------------------------------------------------------------------- */

static struct death *
last_of(const struct child *child)
{
	struct death *d = &deaths[child->last_death % MAX_DEATHS];

	return child->last_death != 0 && d->number == child->last_death ? d :
	    NULL;
}

const char *
deaths_note(struct child *child)
{
	struct death *d = &deaths[++ndeaths % MAX_DEATHS];
	const char *detail;
	char end[64];

	*d = (struct death){ .number = ndeaths, .kind = child->kind,
	    .pid = child->host_pid, .at = now_ns() };
	child->last_death = ndeaths;
	d->image_base = child->image_base;
	d->ip = child->denied_at;
	(void)snprintf(d->build_id, sizeof(d->build_id), "%s", child->build_id);
	clock_gettime(CLOCK_REALTIME, &d->when);
	(void)snprintf(d->worker, sizeof(d->worker), "%s", child->name);
	if (child->dev != NULL)
		(void)snprintf(d->device, sizeof(d->device), "%s",
		    child->dev->id);
	d->cause = cause_of(child, &detail);
	report_end(child, end, sizeof(end));
	if (child->why != DEATH_OF_ITSELF)
		(void)snprintf(d->detail, sizeof(d->detail), "%s", detail);
	else
		(void)snprintf(d->detail, sizeof(d->detail), "%s%s%s", end,
		    detail[0] != '\0' ? ": " : "", detail);
	d->action = child->vm->said_why ? ACTION_STOPPED : ACTION_NONE;
	read_requests(d, child);
	return d->cause;
}

const char *
deaths_detail(const struct child *child)
{
	const struct death *d = last_of(child);

	return d != NULL ? d->detail : "";
}

void
deaths_acted(const struct child *child, enum death_action action)
{
	struct death *d = last_of(child);

	if (d != NULL)
		d->action = action;
}

void
deaths_replaced(const struct child *child)
{
	struct death *d = last_of(child);

	if (d != NULL)
		d->replaced = now_ns() - d->at;
}

/* protobuf-c has no const in its structs, and does not write to them. */
static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

size_t
deaths_list(Bh__ApiDeath ***list)
{
	static Bh__ApiDeath out[MAX_DEATHS];
	static Bh__ApiDeath *pointers[MAX_DEATHS];
	static Bh__ApiTaken *taken[MAX_DEATHS][MAX_TAKEN];
	size_t n = 0;

	for (uint64_t i = ndeaths; i > 0 && n < MAX_DEATHS; i--, n++) {
		struct death *d = &deaths[i % MAX_DEATHS];
		Bh__ApiDeath *m = &out[n];

		bh__api_death__init(m);
		m->seconds = (uint64_t)d->when.tv_sec;
		m->nanoseconds = (uint32_t)d->when.tv_nsec;
		m->worker = d->worker;
		m->device = d->device;
		m->kind = constless(process_kinds[d->kind].name);
		m->pid = d->pid;
		m->cause = constless(d->cause);
		m->detail = d->detail;
		m->action = constless(action_words[d->action]);
		m->replaced_us = d->replaced / 1000;
		m->image_base = d->image_base;
		m->ip = d->ip;
		m->build_id = d->build_id;
		for (uint32_t k = 0; k < d->ntaken; k++)
			taken[n][k] = &d->taken[k];
		m->n_taken = d->ntaken;
		m->taken = taken[n];
		pointers[n] = m;
	}
	*list = pointers;
	return n;
}
