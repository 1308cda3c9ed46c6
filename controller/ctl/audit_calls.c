/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `audit --trace SECONDS VM`: which system calls the processes of a VM make, counted
 * by a BPF program on the kernel's tracepoint, and which they are allowed and did not
 * make. Root, on a kernel that lets programs be attached; elsewhere it says so.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controller/ctl/audit.h"
#include "controller/ctl/calls.h"
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

static void
print_process(const struct audit_process *p, int map, unsigned int seconds)
{
	unsigned int unused = 0;
	uint64_t all = 0;

	(void)printf("\n%s %d%s\n", audit_name(p), (int)p->pid,
	    kill(p->pid, 0) != 0 && errno == ESRCH ?
	    "  ENDED meanwhile: the VM's log says which call was denied, if one was" :
	    "");
	for (int nr = 0; nr < AUDIT_LAST_NR; nr++) {
		uint64_t n = count_of(map, p->pid, (uint32_t)nr);

		all += n;
		if (n > 0)
			(void)printf("  %-18s %10llu  %llu/s\n", notify_call_name(nr),
			    (unsigned long long)n, (unsigned long long)(n / seconds));
	}
	if (all == 0)
		(void)printf("  no call\n");
	if (p->known == NULL || p->known->policy.denylist)
		return;
	(void)printf("  allowed, not made:");
	for (int nr = 0; nr < AUDIT_LAST_NR; nr++)
		if (allowed(p, nr) && count_of(map, p->pid, (uint32_t)nr) == 0) {
			(void)printf("%s%s", unused % 6 == 0 ? "\n    " : "  ",
			    notify_call_name(nr));
			unused++;
		}
	(void)printf(unused > 0 ? "\n" : " none\n");
}

static int
count(const struct audit *a, struct bpf_object *object, unsigned int seconds)
{
	struct timespec left = { .tv_sec = seconds };
	struct bpf_program *on_enter;
	struct bpf_link *link;
	int counts, rc;

	rc = bpf_object__load(object);
	if (rc != 0)
		return complain("loading its program", -rc);
	counts = bpf_object__find_map_fd_by_name(object, "counts");
	rc = watch(a, bpf_object__find_map_fd_by_name(object, "watched"));
	if (rc != 0)
		return complain("its map", -rc);
	on_enter = bpf_object__find_program_by_name(object, "on_enter");
	link = on_enter != NULL ? bpf_program__attach(on_enter) : NULL;
	if (link == NULL)
		return complain("attaching to the tracepoint", errno);
	(void)nanosleep(&left, NULL);
	bpf_link__destroy(link);
	(void)printf("System calls of the VM of process %d in %u s. Denied ones end "
	    "their process\nand are in the VM's log, with arguments: seccomp decides "
	    "before the tracepoint.\nProcesses that started meanwhile are not "
	    "counted.\n", (int)a->controller, seconds);
	for (size_t i = 0; i < a->n; i++)
		print_process(&a->processes[i], counts, seconds);
	return 0;
}

int
audit_calls(const struct audit *a, unsigned int seconds)
{
	struct bpf_object *object;
	int status;

	(void)libbpf_set_print(NULL);
	object = bpf_object__open_mem(program, sizeof(program), NULL);
	if (object == NULL)
		return complain("its program", errno);
	status = count(a, object, seconds);
	bpf_object__close(object);
	return status;
}
