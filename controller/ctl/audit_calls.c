/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `audit --trace SECONDS VM`: which system calls the processes of a VM make, counted
 * by a BPF program on the kernel's tracepoint, and which they are allowed and did not
 * make, and which were denied. Root, on a kernel that lets programs be attached;
 * elsewhere it says so.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/ctl/audit.h"
#include "controller/ctl/calls.h"
#include "controller/ctl/progress.h"
#include "sandbox/notify.h"

_Alignas(8) static const unsigned char program[] = {
#include "calls_object.h"
};

static int
complain(const char *what, int error)
{
	(void)fprintf(stderr, "bulkheadctl: audit: --trace: %s: %s; %s\n", what,
	    strerror(error), error == EPERM || error == EACCES ?
	    "it needs CAP_BPF and CAP_PERFMON (root), and a kernel that is not locked "
	    "down" : "it needs a kernel with CONFIG_BPF_EVENTS");
	return AUDIT_INCOMPLETE;
}

static int
watch(const struct audit *a, int map)
{
	const uint32_t one = 1;

	for (size_t i = 0; i < a->n; i++) {
		uint32_t pid = (uint32_t)a->processes[i].pid;

		if (bpf_map_update_elem(map, &pid, &one, BPF_ANY) != 0)
			return -errno;
	}
	return 0;
}

static uint64_t
count_of(int map, pid_t pid, uint32_t nr)
{
	struct calls_key key = { .pid = (unsigned int)pid, .nr = nr };
	uint64_t n = 0;

	return bpf_map_lookup_elem(map, &key, &n) == 0 ? n : 0;
}

/* Whether the process may make the call: by its filter, or else by its policy. */
static bool
allowed(const struct audit_process *p, int nr)
{
	if (p->ntasks > 0 && p->tasks[0].read_back)
		return p->tasks[0].calls[nr] != CALL_DENIED;
	for (size_t i = 0; p->known != NULL && i < p->known->policy.nrules; i++)
		if (p->known->policy.rules[i].nr == nr)
			return !p->known->policy.denylist;
	return false;
}

/* A process that is gone has no filter to be looked at; it was read before. */
static bool
ended(const struct audit_process *p)
{
	return kill(p->pid, 0) != 0 && errno == ESRCH;
}

/*
 * Calls of @nr that were denied. Those of which it is not sure count where the filter
 * lets through no form of the call at all.
 */
static uint64_t
denials(int map, const struct audit_process *p, int nr, struct calls_denied *d)
{
	struct calls_key key = { .pid = (unsigned int)p->pid,
				 .nr = (unsigned int)nr };

	if (bpf_map_lookup_elem(map, &key, d) != 0)
		return 0;
	return allowed(p, nr) ? d->count - d->unsure : d->count;
}

static void
print_denied(const struct audit_process *p, int map)
{
	struct calls_denied d;

	for (int nr = 0; nr < AUDIT_LAST_NR; nr++) {
		uint64_t n = denials(map, p, nr, &d);

		if (n == 0)
			continue;
		(void)printf("  DENIED %s(", notify_call_name(nr));
		for (size_t i = 0; i < 6; i++)
			(void)printf("%s0x%llx", i > 0 ? ", " : "", d.args[i]);
		(void)printf("), %llu times\n", (unsigned long long)n);
	}
}

/* The maps of the program. */
struct maps {
	int counts, denied;
};

static void
print_process(const struct audit_process *p, const struct maps *m,
    unsigned int seconds)
{
	unsigned int unused = 0;
	uint64_t all = 0;

	(void)printf("\n%s %d%s\n", audit_name(p), (int)p->pid,
	    ended(p) ? "  ENDED meanwhile" : "");
	for (int nr = 0; nr < AUDIT_LAST_NR; nr++) {
		uint64_t n = count_of(m->counts, p->pid, (uint32_t)nr);

		all += n;
		if (n > 0)
			(void)printf("  %-18s %10llu  %llu/s\n", notify_call_name(nr),
			    (unsigned long long)n, (unsigned long long)(n / seconds));
	}
	if (all == 0)
		(void)printf("  no call\n");
	print_denied(p, m->denied);
	if (p->known == NULL || p->known->policy.denylist)
		return;
	(void)printf("  allowed, not made:");
	for (int nr = 0; nr < AUDIT_LAST_NR; nr++)
		if (allowed(p, nr) && count_of(m->counts, p->pid, (uint32_t)nr) == 0) {
			(void)printf("%s%s", unused % 6 == 0 ? "\n    " : "  ",
			    notify_call_name(nr));
			unused++;
		}
	(void)printf(unused > 0 ? "\n" : " none\n");
}

static json_t *
json_denied(const struct calls_denied *d, int nr, uint64_t n)
{
	json_t *args = json_array();
	char text[24];

	for (size_t i = 0; i < 6; i++) {
		(void)snprintf(text, sizeof(text), "0x%llx", d->args[i]);
		(void)json_array_append_new(args, json_string(text));
	}
	return json_pack("{s:i,s:s,s:I,s:o}", "nr", nr, "name",
	    notify_call_name(nr), "count", (json_int_t)n, "args", args);
}

static json_t *
json_process(const struct audit_process *p, const struct maps *m)
{
	json_t *calls = json_array(), *denied = json_array(), *unused = json_array();
	bool has_list = p->known != NULL && !p->known->policy.denylist;
	struct calls_denied d;

	for (int nr = 0; nr < AUDIT_LAST_NR; nr++) {
		uint64_t n = count_of(m->counts, p->pid, (uint32_t)nr);

		if (n > 0)
			(void)json_array_append_new(calls, json_pack(
			    "{s:i,s:s,s:I}", "nr", nr, "name",
			    notify_call_name(nr), "count", (json_int_t)n));
		else if (has_list && allowed(p, nr))
			(void)json_array_append_new(unused,
			    json_string(notify_call_name(nr)));
		n = denials(m->denied, p, nr, &d);
		if (n > 0)
			(void)json_array_append_new(denied, json_denied(&d, nr, n));
	}
	return json_pack("{s:s,s:i,s:b,s:o,s:o,s:o}", "process", audit_name(p),
	    "pid", (int)p->pid, "ended", ended(p), "calls", calls, "denied",
	    denied, "not_made", has_list ? unused : (json_decref(unused),
	    json_null()));
}

static int
print_json(const struct audit *a, const struct maps *m, unsigned int seconds)
{
	json_t *all = json_array(), *o;
	char *text;

	for (size_t i = 0; i < a->n; i++)
		(void)json_array_append_new(all, json_process(&a->processes[i], m));
	o = json_pack("{s:i,s:s,s:s,s:i,s:i,s:o}", "schema", AUDIT_SCHEMA, "time",
	    a->when, "kernel", a->kernel, "controller", (int)a->controller,
	    "seconds", (int)seconds, "processes", all);
	text = o != NULL ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	if (text == NULL)
		return complain("its report", ENOMEM);
	(void)puts(text);
	free(text);
	return 0;
}

static struct bpf_link *
attach(struct bpf_object *object, const char *name)
{
	struct bpf_program *program_of =
	    bpf_object__find_program_by_name(object, name);

	return program_of != NULL ? bpf_program__attach(program_of) : NULL;
}

static int
count(const struct audit *a, struct bpf_object *object, unsigned int seconds,
    bool as_json)
{
	struct bpf_link *enter, *leave;
	struct maps m;
	int rc;

	rc = bpf_object__load(object);
	if (rc != 0)
		return complain("loading its program", -rc);
	m.counts = bpf_object__find_map_fd_by_name(object, "counts");
	m.denied = bpf_object__find_map_fd_by_name(object, "denied");
	rc = watch(a, bpf_object__find_map_fd_by_name(object, "watched"));
	if (rc != 0)
		return complain("its map", -rc);
	/* In this order, no call is seen to be left that was not seen entered. */
	enter = attach(object, "on_enter");
	leave = enter != NULL ? attach(object, "on_exit") : NULL;
	if (leave == NULL) {
		rc = errno;
		(void)bpf_link__destroy(enter);
		return complain("attaching to the tracepoint", rc);
	}
	progress_begin("audit --trace");
	progress_wait(-1, seconds);
	progress_clear();
	(void)bpf_link__destroy(leave);
	(void)bpf_link__destroy(enter);
	if (as_json)
		return print_json(a, &m, seconds);
	(void)printf("System calls of the VM of process %d in %u s, and those that "
	    "were denied.\nProcesses that started meanwhile are not counted.\n",
	    (int)a->controller, seconds);
	for (size_t i = 0; i < a->n; i++)
		print_process(&a->processes[i], &m, seconds);
	return 0;
}

int
audit_calls(const struct audit *a, unsigned int seconds, bool as_json)
{
	struct bpf_object *object;
	int status;

	(void)libbpf_set_print(NULL);
	object = bpf_object__open_mem(program, sizeof(program), NULL);
	if (object == NULL)
		return complain("its program", errno);
	status = count(a, object, seconds, as_json);
	bpf_object__close(object);
	return status;
}
