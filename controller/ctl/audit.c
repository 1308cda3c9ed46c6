/* SPDX-License-Identifier: Apache-2.0 */
/* The command `bulkheadctl audit`: its arguments, and one look from end to end. */
#include "controller/ctl/audit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "controller/ctl/attack.h"

static const char usage[] =
    "usage: bulkheadctl audit VM [--full | --json] [--check] [--no-probe]\n"
    "       bulkheadctl audit --diff A B\n"
    "       bulkheadctl audit --policy KIND\n"
    "       bulkheadctl audit --trace SECONDS VM [--json]\n"
    "       bulkheadctl audit --attack [VM | KIND,...]\n"
    "\n"
    "  What each process of a running VM can do, by what the kernel says of it, and\n"
    "  whether that is what this build declares. VM is its controller's pid.\n"
    "\n"
    "  --full            fds, limits and allowed calls of each process, too\n"
    "  --json            the same as JSON; docs/audit.md has the schema\n"
    "  --check           exit status 0: as declared; 1: something differs;\n"
    "                    3: nothing differs, but not all could be looked at\n"
    "  --no-probe        do not have threads say what only they are told\n"
    "  --diff A B        compare two looks, each a VM or a file of --json;\n"
    "                    exit status 0: the same, 1: not\n"
    "  --policy KIND     a kind of process: its policy with reasons, or \"all\"\n"
    "  --trace SECONDS   count the system calls that each process makes (by BPF),\n"
    "                    and list those that were denied, with their arguments, and\n"
    "                    those that are allowed and were not made\n"
    "  --attack          start a throw-away VM of hostile twins, one of each kind, in\n"
    "                    that kind's jail (or of each process of VM, with the like of\n"
    "                    its fds), which try to break out; exit status 0: all\n"
    "                    was refused, 1: something got through\n"
    "\n"
    "  Root reads filters back from the kernel. Another user gets what is readable:\n"
    "  \"comparison needs root\", and --check exits with 3.\n";

struct options {
	const char *vm, *other, *policy;
	unsigned int seconds;	/* --trace, 0: not asked */
	bool full, json, check, diff, no_probe, attack;
};

void
audit_free(struct audit *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->processes[i].fds);
		free(a->processes[i].tasks);
	}
	free(a->processes);
	free(a->findings);
	memset(a, 0, sizeof(*a));
}

/*
 * Namespaces to compare with: init's, which are the host's. Where init is not ours
 * to look at, our own.
 */
static void
read_host(struct audit *a)
{
	struct utsname u;
	time_t now = time(NULL);
	struct tm tm;
	char file[32];

	for (size_t i = 0; i < NS_COUNT; i++) {
		(void)snprintf(file, sizeof(file), "ns/%s", audit_ns_names[i]);
		a->host_ns[i] = audit_inode(1, file);
		if (a->host_ns[i] == 0)
			a->host_ns[i] = audit_inode(getpid(), file);
	}
	if (uname(&u) == 0)
		(void)snprintf(a->kernel, sizeof(a->kernel), "%.63s", u.release);
	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(a->when, sizeof(a->when), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int
audit_collect(struct audit *a, pid_t controller, bool probe)
{
	int rc;

	memset(a, 0, sizeof(*a));
	a->controller = controller;
	a->by_root = geteuid() == 0;
	a->probe = probe;
	read_host(a);
	rc = audit_find(a);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < a->n; i++) {
		struct audit_process *p = &a->processes[i];

		audit_read_status(p, a);
		audit_read_fds(p);
		audit_read_maps(p);
		audit_read_elf(p);
		audit_read_tasks(p, a);
	}
	audit_read_peers(a);
	audit_check(a);
	return 0;
}

static int
bad(const char *word, const char *what)
{
	(void)fprintf(stderr, "bulkheadctl: audit: %s: %s; see bulkheadctl audit "
	    "--help\n", word, what);
	return AUDIT_USAGE;
}

static int
audit_vm(const struct options *o)
{
	enum audit_exit result;
	struct audit a;
	char *end, *text;
	long pid = strtol(o->vm, &end, 10);
	int rc;

	if (end == o->vm || *end != '\0' || pid <= 0 || pid > 1 << 30)
		return bad(o->vm, "not a pid");
	rc = audit_collect(&a, (pid_t)pid, !o->no_probe);
	if (rc != 0) {
		audit_free(&a);
		return bad(o->vm, rc == -EINVAL ? "not the controller of a VM "
		    "(a process that runs bulkhead)" : rc == -ESRCH ?
		    "no such process" : strerror(-rc));
	}
	if (o->attack) {
		rc = attack_main(NULL, &a);
		audit_free(&a);
		return rc;
	}
	if (o->seconds > 0) {
		rc = audit_calls(&a, o->seconds, o->json);
		audit_free(&a);
		return rc;
	}
	result = audit_result(&a);
	if (o->json) {
		text = audit_json(&a);
		if (text == NULL)
			return bad(o->vm, "out of memory");
		(void)puts(text);
		free(text);
	} else {
		audit_print(&a, o->full);
	}
	audit_free(&a);
	if (fflush(stdout) != 0 || ferror(stdout))
		return bad("standard output", "cannot be written");
	return o->check ? (int)result : 0;
}

static bool
parse_seconds(const char *text, unsigned int *seconds)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*seconds = (unsigned int)n;
	return end != text && *end == '\0' && n > 0 && n <= 86400;
}

static int
parse(int argc, char **argv, struct options *o)
{
	for (int i = 0; i < argc; i++) {
		const char *w = argv[i];

		if (strcmp(w, "--full") == 0)
			o->full = true;
		else if (strcmp(w, "--json") == 0)
			o->json = true;
		else if (strcmp(w, "--check") == 0)
			o->check = true;
		else if (strcmp(w, "--no-probe") == 0)
			o->no_probe = true;
		else if (strcmp(w, "--attack") == 0)
			o->attack = true;
		else if (strcmp(w, "--diff") == 0)
			o->diff = true;
		else if (strcmp(w, "--policy") == 0 && i + 1 < argc)
			o->policy = argv[++i];
		else if (strcmp(w, "--trace") == 0) {
			if (i + 1 >= argc || !parse_seconds(argv[++i], &o->seconds))
				return bad(w, "for how many seconds? (1 to 86400)");
		} else if (w[0] == '-')
			return bad(w, strcmp(w, "--policy") == 0 ?
			    "names no kind" : "unknown option");
		else if (o->vm == NULL)
			o->vm = w;
		else if (o->diff && o->other == NULL)
			o->other = w;
		else
			return bad(w, "unexpected argument");
	}
	if (o->full && o->json)
		return bad("--full", "--json has it all");
	return 0;
}

int
audit_main(int argc, char **argv)
{
	struct options o = { 0 };
	int rc;

	if (argc > 0 && strcmp(argv[0], "--help") == 0) {
		(void)fputs(usage, stdout);
		return 0;
	}
	rc = parse(argc, argv, &o);
	if (rc != 0)
		return rc;
	if (o.policy != NULL)
		return audit_policy(o.policy);
	if (o.attack)
		return o.vm != NULL && o.vm[0] >= '0' && o.vm[0] <= '9' ?
		    audit_vm(&o) : attack_main(o.vm, NULL);
	if (o.vm == NULL || (o.diff && o.other == NULL))
		return bad(o.diff ? "--diff" : "VM", o.diff ? "takes two looks" :
		    "whose? give its controller's pid");
	return o.diff ? audit_diff(o.vm, o.other) : audit_vm(&o);
}
