/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes belong to a VM: the controller and all that descend from it, by
 * the kernel's own account of parents. What runs in each is told by the file that
 * was executed, not by a name that a process can give itself.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/ctl/audit.h"

#define MAX_PROCESSES 2048u

struct pair {
	pid_t pid, ppid;
};

/* "1234 (name (x)) S 1 ..." */
static pid_t
parent_of(pid_t pid)
{
	char text[512];

	if (audit_slurp(pid, "stat", text, sizeof(text)) < 0)
		return 0;
	return (pid_t)audit_stat_field(text, 4);
}

static bool
exists(pid_t pid)
{
	char text[512];

	return audit_slurp(pid, "stat", text, sizeof(text)) > 0;
}

static size_t
all_processes(struct pair *out, size_t max)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	if (dir == NULL)
		return 0;
	while (n < max && (e = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		out[n].pid = (pid_t)strtol(e->d_name, NULL, 10);
		out[n].ppid = parent_of(out[n].pid);
		if (out[n].ppid > 0)
			n++;
	}
	closedir(dir);
	return n;
}

/* A process that we may not look into: by its own word, which the kernel cuts. */
static const struct sb_known *
by_own_word(struct audit_process *p)
{
	char comm[32] = "";

	p->by_name = true;
	(void)audit_slurp(p->pid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	if (strncmp(comm, "bulkhead-", 9) != 0 || comm[9] == '\0')
		return NULL;
	for (size_t i = 0; sb_known[i] != NULL; i++)
		if (strncmp(sb_known[i]->name, comm + 9, strlen(comm + 9)) == 0)
			return sb_known[i];
	return NULL;
}

/* The program by the name of its file. */
static const struct sb_known *
program_of(struct audit_process *p, bool first, bool second)
{
	const char *name;
	ssize_t n = audit_readlink(p->pid, "exe", p->exe, sizeof(p->exe));

	if (n < 0 && first) {
		p->by_name = true;
		return sb_known_find("controller");
	}
	if (n < 0)
		return second ? sb_known_find("spawner") : by_own_word(p);
	name = strrchr(p->exe, '/');
	name = name != NULL ? name + 1 : p->exe;
	if (strcmp(name, "bulkhead") == 0)
		return sb_known_find(first ? "controller" : "spawner");
	if (strncmp(name, "bulkhead-", 9) != 0)
		return NULL;
	return sb_known_find(name + 9);
}

static int
add(struct audit *a, pid_t pid, pid_t ppid)
{
	struct audit_process *p = realloc(a->processes, (a->n + 1) * sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	a->processes = p;
	p += a->n++;
	memset(p, 0, sizeof(*p));
	p->pid = pid;
	p->ppid = ppid;
	p->known = program_of(p, a->n == 1, ppid == a->controller);
	return 0;
}

/* A controller runs the program "bulkhead", as far as we are shown. */
static int
check_controller(const struct audit_process *p)
{
	char comm[32] = "";

	(void)audit_slurp(p->pid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	if (p->exe[0] == '\0')
		return strcmp(comm, "bulkhead") == 0 ? 0 : -EINVAL;
	return p->known != NULL && strcmp(p->known->name, "controller") == 0 ? 0 :
	    -EINVAL;
}

int
audit_find(struct audit *a)
{
	struct pair *all = calloc(65536, sizeof(*all));
	size_t n, from = 0;
	int rc;

	if (all == NULL)
		return -ENOMEM;
	n = all_processes(all, 65536);
	rc = exists(a->controller) ? 0 : -ESRCH;
	if (rc == 0)
		rc = add(a, a->controller, parent_of(a->controller));
	if (rc == 0)
		rc = check_controller(&a->processes[0]);
	/* Breadth first: the list is its own queue. */
	for (; rc == 0 && from < a->n; from++) {
		pid_t parent = a->processes[from].pid;

		for (size_t i = 0; rc == 0 && i < n && a->n < MAX_PROCESSES; i++)
			if (all[i].ppid == parent)
				rc = add(a, all[i].pid, parent);
	}
	free(all);
	return rc;
}
