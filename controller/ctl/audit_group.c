/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups of the VM's processes: in which each is, what limits it has there, and
 * whether these are those of controller/procs.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/cgroup.h"
#include "controller/ctl/audit.h"
#include "controller/procs.h"

const char *const audit_group_names[GROUP_COUNT] = { "pids.max", "memory.max",
	"cpu.weight", "io.weight" };

/* 0: there is no such file; UINT64_MAX: no limit. */
static uint64_t
read_limit(const char *group, const char *file)
{
	char path[8400], text[64];
	const char *at = text;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (strncmp(at, "default ", 8) == 0)	/* io.weight */
		at += 8;
	return strncmp(at, "max", 3) == 0 ? UINT64_MAX : strtoull(at, NULL, 10);
}

void
audit_read_group(struct audit_process *p)
{
	char mount[4096], path[4400];
	char *slash, *parent;

	slash = strrchr(p->cgroup, '/');
	if (slash == NULL || slash == p->cgroup ||
	    cgroup_mount(mount, sizeof(mount)) != 0)
		return;
	(void)snprintf(path, sizeof(path), "%s%s", mount, p->cgroup);
	slash = strrchr(path, '/');
	*slash = '\0';
	parent = strrchr(path, '/');
	p->group.own = parent != NULL &&
	    strncmp(parent + 1, CGROUP_PREFIX, strlen(CGROUP_PREFIX)) == 0;
	if (!p->group.own)
		return;
	p->group.vm_memory = read_limit(path, audit_group_names[GROUP_MEMORY]);
	*slash = '/';
	for (size_t i = 0; i < GROUP_COUNT; i++)
		p->group.limit[i] = read_limit(path, audit_group_names[i]);
}

static const struct process_limits *
declared(const struct audit_process *p)
{
	for (size_t i = 0; i < PROC_KIND_COUNT; i++)
		if (p->known != NULL && strncmp(process_kinds[i].binary,
		    "bulkhead-", 9) == 0 && strcmp(process_kinds[i].binary + 9,
		    p->known->name) == 0)
			return &process_kinds[i].limits;
	return NULL;
}

static void
check_limits(struct audit *a, const struct audit_process *p,
    const struct process_limits *l)
{
	const uint64_t want[GROUP_COUNT] = { l->pids, l->memory, l->cpu_weight,
	    l->io_weight };

	for (size_t i = 0; i < GROUP_COUNT; i++) {
		uint64_t have = p->group.limit[i];

		if (want[i] == 0 || have == want[i])
			continue;
		if (have == 0)
			audit_find_add(a, AUDIT_NOTE, NULL, "cgroup",
			    "no %s: its controller is not there",
			    audit_group_names[i]);
		else
			audit_find_add(a, AUDIT_WRONG, p, "cgroup", "%s is %lld, "
			    "not %llu", audit_group_names[i], (long long)have,
			    (unsigned long long)want[i]);
	}
	if (p->group.vm_memory == UINT64_MAX)
		audit_find_add(a, AUDIT_WRONG, p, "cgroup", "memory.max of the VM "
		    "is not set");
}

void
audit_check_groups(struct audit *a)
{
	bool any = false;

	for (size_t i = 0; i < a->n; i++)
		any = any || a->processes[i].group.own;
	if (!any)
		audit_find_add(a, AUDIT_NOTE, NULL, "cgroup", "in no cgroup v2 of "
		    "its own: no limits from it (bulkheadctl doctor says why)");
	for (size_t i = 0; any && i < a->n; i++) {
		const struct audit_process *p = &a->processes[i];
		const struct process_limits *l = declared(p);

		if (l != NULL && !p->group.own)
			audit_find_add(a, AUDIT_WRONG, p, "cgroup", "in %s, and not "
			    "in one of its own", p->cgroup);
		else if (l != NULL)
			check_limits(a, p, l);
	}
}
