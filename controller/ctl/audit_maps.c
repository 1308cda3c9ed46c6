/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mappings of a process: guest memory, and whether anything is writable and
 * executable. Guest memory is known by the name of its memfd, which the controller
 * gave it; workers can make no memfd.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/ctl/audit.h"

#define RAM "/memfd:bulkhead-ram"

struct mapping {
	uint64_t size;
	char mode[5];
	char name[256];
};

static bool
parse(char *line, struct mapping *m)
{
	unsigned long long from, to;
	char *at;

	from = strtoull(line, &at, 16);
	if (*at != '-')
		return false;
	to = strtoull(at + 1, &at, 16);
	if (*at != ' ' || to <= from || strlen(at + 1) < 5)
		return false;
	m->size = to - from;
	memcpy(m->mode, at + 1, 4);
	m->mode[4] = '\0';
	/* Offset, device and inode; then blanks, and the name. */
	at += 6;
	for (int field = 0; field < 3; field++) {
		at += strcspn(at, " \n");
		at += strspn(at, " ");
	}
	(void)snprintf(m->name, sizeof(m->name), "%.*s", (int)strcspn(at, "\n"), at);
	return true;
}

static void
take(struct audit_process *p, const struct mapping *m)
{
	bool write = m->mode[1] == 'w', exec = m->mode[2] == 'x';

	if (strncmp(m->name, RAM, sizeof(RAM) - 1) == 0) {
		if (write)
			p->maps.ram_write += m->size;
		else if (m->mode[0] == 'r')
			p->maps.ram_read += m->size;
	}
	p->maps.wx += write && exec;
	p->maps.foreign_exec += exec && strcmp(m->name, "[vdso]") != 0 &&
	    strcmp(m->name, "[vsyscall]") != 0 &&
	    (p->exe[0] == '\0' || strcmp(m->name, p->exe) != 0);
}

/* The program: sealed if its code, constants and relocated pointers all are. */
static void
take_flags(struct audit_process *p, const struct mapping *m, const char *flags)
{
	if (m->mode[1] == 'w' || strcmp(m->name, p->exe) != 0)
		return;
	if (strstr(flags, " sl") == NULL)
		p->maps.sealed_code = ANSWER_NO;
	else if (p->maps.sealed_code == ANSWER_UNKNOWN)
		p->maps.sealed_code = ANSWER_YES;
}

void
audit_read_maps(struct audit_process *p)
{
	char path[64], line[512];
	struct mapping m = { 0 };
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)p->pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		p->maps.read = true;
		if (strncmp(line, "VmFlags:", 8) == 0) {
			take_flags(p, &m, line + 8);
		} else if (line[0] >= '0' && (line[0] <= '9' ||
		    (line[0] >= 'a' && line[0] <= 'f'))) {
			if (parse(line, &m))
				take(p, &m);
		}
	}
	(void)fclose(f);
}
