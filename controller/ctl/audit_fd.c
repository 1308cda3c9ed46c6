/* SPDX-License-Identifier: Apache-2.0 */
/* The fds of a process, and what each is. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "controller/ctl/audit.h"

/* Anonymous inodes by the name that the kernel gives them. */
static const struct {
	const char *link;
	uint32_t is;
} anonymous[] = {
	{ "anon_inode:[eventfd]", SB_IS_EVENT },
	{ "anon_inode:[eventpoll]", SB_IS_EPOLL },
	{ "anon_inode:[timerfd]", SB_IS_TIMER },
	{ "anon_inode:[signalfd]", SB_IS_SIGNAL },
	{ "anon_inode:[pidfd]", SB_IS_PIDFD },
	{ "anon_inode:seccomp", SB_IS_LISTENER },
	{ "anon_inode:kvm-vm", SB_IS_VM },
	{ "anon_inode:kvm-vcpu:", SB_IS_VCPU },
	{ "anon_inode:[io_uring]", SB_IS_RING },
	{ "pidfd:", SB_IS_PIDFD },
};

static bool
starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static uint32_t
device_class(const struct stat *st, const char *link)
{
	if (st->st_rdev == makedev(1, 3))
		return SB_IS_NULL;
	if (st->st_rdev == makedev(10, 200))
		return SB_IS_TAP;
	if (strcmp(link, "/dev/kvm") == 0)
		return SB_IS_KVM;
	return SB_IS_CHAR;
}

static uint32_t
class_of(const char *link, const struct stat *st)
{
	for (size_t i = 0; i < sizeof(anonymous) / sizeof(anonymous[0]); i++)
		if (starts(link, anonymous[i].link))
			return anonymous[i].is;
	if (starts(link, "/memfd:"))
		return SB_IS_MEMFD;
	if (S_ISSOCK(st->st_mode))
		return 0;	/* audit_peers.c finds out */
	if (S_ISCHR(st->st_mode))
		return device_class(st, link);
	if (S_ISBLK(st->st_mode))
		return SB_IS_BLOCK;
	if (S_ISFIFO(st->st_mode))
		return SB_IS_PIPE;
	if (S_ISDIR(st->st_mode))
		return SB_IS_DIRECTORY;
	if (starts(link, "net:[") || starts(link, "mnt:[") || starts(link, "user:["))
		return SB_IS_NAMESPACE;
	return S_ISREG(st->st_mode) ? SB_IS_FILE : SB_IS_OTHER;
}

static void
read_fdinfo(pid_t pid, struct audit_fd *f)
{
	static const char modes[] = { 'r', 'w', '+', 'p' };
	char file[48], text[2048];
	const char *at;

	(void)snprintf(file, sizeof(file), "fdinfo/%u", f->nr);
	f->mode = '?';
	if (audit_slurp(pid, file, text, sizeof(text)) <= 0)
		return;
	at = strstr(text, "flags:");
	if (at != NULL) {
		unsigned long flags = strtoul(at + 6, NULL, 8);

		f->mode = modes[flags & O_PATH ? 3 : flags & O_ACCMODE];
	}
	at = strstr(text, "eventfd-id:");
	if (at != NULL)		/* 0 is a number, too */
		f->id = strtoull(at + 11, NULL, 10) + 1;
	at = strstr(text, "iff:");
	if (at != NULL && f->is == SB_IS_TAP) {
		at += 4;
		while (isspace((unsigned char)*at))
			at++;
		(void)snprintf(f->text, sizeof(f->text), "%.*s",
		    (int)strcspn(at, "\n"), at);
	}
}

static void
read_memfd(pid_t pid, struct audit_fd *f)
{
	char file[48];
	struct stat st;
	int fd, seals;

	(void)snprintf(file, sizeof(file), "fd/%u", f->nr);
	fd = audit_open(pid, file, O_RDONLY);
	if (fd < 0)
		return;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals >= 0)
		f->seals = (unsigned int)seals;
	if (fstat(fd, &st) == 0)
		f->size = (uint64_t)st.st_size;
	close(fd);
}

static void
read_one(pid_t pid, struct audit_fd *f)
{
	char file[48], path[96], link[256];
	struct stat st;

	(void)snprintf(file, sizeof(file), "fd/%u", f->nr);
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f->is = SB_IS_OTHER;
	if (audit_readlink(pid, file, link, sizeof(link)) < 0)
		return;
	(void)snprintf(f->text, sizeof(f->text), "%.*s", (int)sizeof(f->text) - 1, link);
	if (stat(path, &st) != 0)
		return;
	f->device = st.st_dev;
	f->inode = st.st_ino;
	f->is = class_of(link, &st);
	read_fdinfo(pid, f);
	if (f->is == SB_IS_MEMFD)
		read_memfd(pid, f);
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct audit_fd *)a)->nr;
	uint32_t y = ((const struct audit_fd *)b)->nr;

	return (x > y) - (x < y);
}

void
audit_read_fds(struct audit_process *p)
{
	int fd = audit_open(p->pid, "fd", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct audit_fd *more;
	struct dirent *e;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	p->fds_read = true;
	while ((e = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		more = realloc(p->fds, (p->nfds + 1) * sizeof(*more));
		if (more == NULL) {
			p->fds_read = false;
			break;
		}
		p->fds = more;
		more += p->nfds++;
		memset(more, 0, sizeof(*more));
		more->nr = (uint32_t)strtoul(e->d_name, NULL, 10);
		read_one(p->pid, more);
	}
	closedir(dir);
	if (p->nfds > 0)
		qsort(p->fds, p->nfds, sizeof(*p->fds), by_number);
}
