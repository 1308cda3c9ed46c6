/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc tells of a process: ids, capabilities, namespaces, root, limits. Each
 * reader leaves alone what it may not read.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/ctl/audit.h"

const char *const audit_ns_names[NS_COUNT] = { "user", "mnt", "pid", "net", "ipc",
	"uts", "cgroup", "time" };
const char *const audit_cap_names[CAP_SETS] = { "inheritable", "permitted",
	"effective", "bounding", "ambient" };
const char *const audit_limit_names[LIMIT_COUNT] = { "fsize", "nproc", "nofile",
	"core", "as" };

int
audit_open(pid_t pid, const char *file, int flags)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

ssize_t
audit_slurp(pid_t pid, const char *file, char *buf, size_t size)
{
	int fd = audit_open(pid, file, O_RDONLY);
	size_t used = 0;
	ssize_t n = 0;

	buf[0] = '\0';
	if (fd < 0)
		return fd;
	while (used < size - 1 && (n = read(fd, buf + used, size - 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		n = -errno;
	close(fd);
	buf[used] = '\0';
	return n < 0 && used == 0 ? n : (ssize_t)used;
}

ssize_t
audit_readlink(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[128];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	n = readlink(path, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	return n < 0 ? -errno : n;
}

uint64_t
audit_inode(pid_t pid, const char *file)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* The text behind "Key:" at the start of a line, or NULL. */
static const char *
line_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	while (text != NULL) {
		if (strncmp(text, key, n) == 0 && text[n] == ':') {
			text += n + 1;
			while (*text == ' ' || *text == '\t')
				text++;
			return text;
		}
		text = strchr(text, '\n');
		text = text != NULL ? text + 1 : NULL;
	}
	return NULL;
}

static void
four_ids(const char *text, uint32_t ids[4])
{
	for (size_t i = 0; i < 4; i++) {
		char *end = NULL;

		ids[i] = text != NULL ? (uint32_t)strtoul(text, &end, 10) : UINT32_MAX;
		text = end;
	}
}

long
audit_stat_field(const char *text, unsigned int field)
{
	const char *at = strrchr(text, ')');

	/* The second field, in parentheses, may contain anything. */
	for (unsigned int i = 2; at != NULL && i < field; i++)
		at = strchr(at + 1, ' ');
	return at != NULL ? strtol(at, NULL, 10) : 0;
}

static void
read_status(struct audit_process *p)
{
	static const char *const caps[CAP_SETS] = { "CapInh", "CapPrm", "CapEff",
	    "CapBnd", "CapAmb" };
	static char text[16384];
	const char *at;

	p->no_new_privs = -1;
	if (audit_slurp(p->pid, "status", text, sizeof(text)) < 0)
		return;
	at = line_of(text, "Name");
	if (at != NULL)
		(void)snprintf(p->comm, sizeof(p->comm), "%.*s",
		    (int)strcspn(at, "\n"), at);
	four_ids(line_of(text, "Uid"), p->uid);
	four_ids(line_of(text, "Gid"), p->gid);
	for (size_t i = 0; i < CAP_SETS; i++) {
		at = line_of(text, caps[i]);
		p->caps[i] = at != NULL ? strtoull(at, NULL, 16) : UINT64_MAX;
	}
	at = line_of(text, "NoNewPrivs");
	if (at != NULL)
		p->no_new_privs = *at == '1';
	at = line_of(text, "Groups");
	for (; at != NULL && *at != '\n' && *at != '\0'; at++)
		p->ngroups += isdigit((unsigned char)at[0]) &&
		    !isdigit((unsigned char)at[1]);
}

/* "Max open files            512                  512                  files" */
static void
read_limits(struct audit_process *p)
{
	static const char *const names[LIMIT_COUNT] = { "Max file size",
	    "Max processes", "Max open files", "Max core file size",
	    "Max address space" };
	char text[4096], soft[32], hard[32];

	if (audit_slurp(p->pid, "limits", text, sizeof(text)) <= 0)
		return;
	p->limits_read = true;
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		const char *at = strstr(text, names[i]);

		p->limit[i] = UINT64_MAX;
		if (at == NULL)
			p->limits_read = false;
		else if (sscanf(at + strlen(names[i]), " %31s %31s", soft, hard) == 2 &&
		    isdigit((unsigned char)hard[0]))
			p->limit[i] = strtoull(hard, NULL, 10);
	}
}

static void
read_namespaces(struct audit_process *p, const struct audit *a)
{
	char file[32];

	for (size_t i = 0; i < NS_COUNT; i++) {
		(void)snprintf(file, sizeof(file), "ns/%s", audit_ns_names[i]);
		p->ns[i] = audit_inode(p->pid, file);
		p->own[i] = p->ns[i] != 0 && p->ns[i] != a->host_ns[i];
	}
}

/* Entries of a directory of /proc/PID, -1 if it cannot be read. */
static int
entries_of(pid_t pid, const char *file)
{
	int fd = audit_open(pid, file, O_RDONLY | O_DIRECTORY), n = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((e = readdir(dir)) != NULL)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return n;
}

static void
read_root(struct audit_process *p)
{
	static char text[65536];
	const char *at;

	(void)audit_readlink(p->pid, "root", p->root, sizeof(p->root));
	(void)audit_readlink(p->pid, "cwd", p->cwd, sizeof(p->cwd));
	p->root_entries = entries_of(p->pid, "root/");
	p->mounts = -1;
	if (audit_slurp(p->pid, "mountinfo", text, sizeof(text)) <= 0)
		return;
	/* "36 35 98:0 / / ro,nosuid,nodev,noexec ... - tmpfs none ro,..." */
	p->mounts = 0;
	for (at = text; at != NULL && *at != '\0'; ) {
		p->mounts++;
		at = strchr(at, '\n');
		at = at != NULL ? at + 1 : NULL;
	}
	p->root_read_only = strstr(text, " / / ro,nosuid,nodev,noexec") != NULL;
	p->root_useless = strstr(text, " / rw,nosuid,nodev,noexec") != NULL ||
	    strstr(text, " / ro,nosuid,nodev,noexec") != NULL;
}

/* Interfaces beside the loopback: lines of net/dev behind its two of title. */
static int
interfaces_of(pid_t pid)
{
	static char text[65536];
	int lines = 0;

	if (audit_slurp(pid, "net/dev", text, sizeof(text)) <= 0)
		return -1;
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	return lines - 2 - (strstr(text, " lo:") != NULL);
}

static void
read_cgroup(struct audit_process *p)
{
	char text[2048];
	const char *at;

	if (audit_slurp(p->pid, "cgroup", text, sizeof(text)) > 0) {
		at = strstr(text, "0::");	/* version 2 */
		if (at != NULL)
			(void)snprintf(p->cgroup, sizeof(p->cgroup), "%.*s",
			    (int)strcspn(at + 3, "\n"), at + 3);
	}
	if (audit_slurp(p->pid, "attr/current", text, sizeof(text)) > 0)
		(void)snprintf(p->label, sizeof(p->label), "%.*s",
		    (int)strcspn(text, "\n"), text);
	if (audit_slurp(p->pid, "oom_score_adj", text, sizeof(text)) > 0)
		p->oom_score_adj = (int)strtol(text, NULL, 10);
	/* 0: this thread's, PIDTYPE_PID. */
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, p->pid, 0, &p->core_cookie) != 0)
		p->core_error = errno;
}

void
audit_read_status(struct audit_process *p, const struct audit *a)
{
	read_status(p);
	read_limits(p);
	read_namespaces(p, a);
	read_root(p);
	p->interfaces = interfaces_of(p->pid);
	read_cgroup(p);
	audit_read_group(p);
}
