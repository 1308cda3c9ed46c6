/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroups of children, see group.h. */
#include "controller/spawner/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 48

/* "blk-4" */
static void
name_of(char *name, enum process_kind kind, uint32_t instance)
{
	(void)snprintf(name, NAME_SIZE, "%s-%u", process_kinds[kind].name, instance);
}

/* A limit whose controller is not there is none. */
static int
limit(int group, const char *file, uint64_t value)
{
	char text[24];
	int fd, n, rc = 0;

	if (value == 0)
		return 0;
	fd = openat(group, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if (write(fd, text, (size_t)n) != n)
		rc = -errno;
	close(fd);
	return rc;
}

static int
make(int vm, enum process_kind kind, uint32_t instance)
{
	const struct process_limits *l = &process_kinds[kind].limits;
	char name[NAME_SIZE];
	int fd, rc;

	name_of(name, kind, instance);
	if (mkdirat(vm, name, 0755) != 0)
		return -errno;
	fd = openat(vm, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = limit(fd, "pids.max", l->pids);
	if (rc == 0)
		rc = limit(fd, "memory.max", l->memory);
	if (rc == 0)
		rc = limit(fd, "cpu.weight", l->cpu_weight);
	if (rc == 0)
		rc = limit(fd, "io.weight", l->io_weight);
	if (rc == 0)
		return fd;
	(void)unlinkat(vm, name, AT_REMOVEDIR);
	close(fd);
	return rc;
}

static bool
was_oom(int group)
{
	char text[256];
	const char *at;
	ssize_t n;
	int fd = openat(group, "memory.events", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "oom_kill ");
	return at != NULL && strtoul(at + 9, NULL, 10) > 0;
}

int
group_enter(int vm, int *group, enum process_kind kind, uint32_t instance)
{
	int fd = vm >= 0 ? make(vm, kind, instance) : -1;

	*group = fd < 0 ? -1 : fd;
	return vm >= 0 && fd < 0 ? fd : 0;
}

bool
group_leave(int vm, int *group, enum process_kind kind, uint32_t instance)
{
	char name[NAME_SIZE];
	bool oom;

	if (*group < 0)
		return false;
	oom = was_oom(*group);
	name_of(name, kind, instance);
	(void)unlinkat(vm, name, AT_REMOVEDIR);
	close(*group);
	*group = -1;
	return oom;
}
