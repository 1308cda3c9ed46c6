/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of a process: each is stopped by ptrace for a moment, its filters are
 * read back, and it is let go. The kernel shows filters to whoever has
 * CAP_SYS_ADMIN in the initial user namespace and is under no filter itself.
 * Should this program die meanwhile, the kernel lets the thread go.
 */
#include "controller/ctl/audit_trace.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_MS 2000		/* a thread in a slow device may not stop at all */
#define RESTART_BLOCK 516	/* ERESTART_RESTARTBLOCK, the kernel's own */

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif
#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif

void *
held_word(uint64_t value)
{
	union { uint64_t value; void *pointer; } word = { value };

	return word.pointer;
}

int
held_wait(const struct held *h)
{
	const struct timespec nap = { .tv_nsec = 200000 };
	int status;

	for (int waited = 0; waited < STOP_MS * 5; waited++) {
		pid_t pid = waitpid(h->tid, &status, __WALL | WNOHANG);

		if (pid < 0)
			return -errno;
		if (pid == h->tid)
			return WIFSTOPPED(status) ? status : -ESRCH;
		(void)nanosleep(&nap, NULL);
	}
	return -ETIMEDOUT;
}

/* Stop the thread. Its filters are set aside where that is possible. */
static int
hold(struct held *h, pid_t tid)
{
	const unsigned long options = PTRACE_O_TRACESYSGOOD;
	int status;

	h->tid = tid;
	h->unfiltered = ptrace(PTRACE_SEIZE, tid, NULL,
	    options | PTRACE_O_SUSPEND_SECCOMP) == 0;
	if (!h->unfiltered && ptrace(PTRACE_SEIZE, tid, NULL, options) != 0)
		return -errno;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0)
		return -errno;
	status = held_wait(h);
	if (status < 0)
		return status;
	return ptrace(PTRACE_GETREGS, tid, NULL, &h->regs) != 0 ? -errno : 0;
}

/*
 * Let it go as it was found. A sleep that the kernel would go on with by
 * restart_syscall, which no policy has to allow, ends with EINTR instead.
 */
static void
release(struct held *h)
{
	if ((long)h->regs.orig_rax >= 0 && (long)h->regs.rax == -RESTART_BLOCK) {
		h->regs.rax = (unsigned long long)-EINTR;
		(void)ptrace(PTRACE_SETREGS, h->tid, NULL, &h->regs);
	}
	(void)ptrace(PTRACE_DETACH, h->tid, NULL, NULL);
}

static void
read_filters(const struct held *h, struct audit_task *t,
    const struct sb_known *known)
{
	static struct sock_filter room[AUDIT_FILTERS][BPF_MAXINSNS];
	struct audit_chain chain = { .n = 0 };

	while (chain.n < AUDIT_FILTERS) {
		long len = ptrace(PTRACE_SECCOMP_GET_FILTER, h->tid,
		    held_word(chain.n), NULL);

		if (len < 0 && errno == ENOENT)
			break;
		if (len < 0 || len > BPF_MAXINSNS ||
		    ptrace(PTRACE_SECCOMP_GET_FILTER, h->tid,
		    held_word(chain.n), room[chain.n]) != len) {
			(void)snprintf(t->differs, sizeof(t->differs),
			    "reading it back: %s", strerror(errno));
			return;
		}
		chain.filter[chain.n] = room[chain.n];
		chain.len[chain.n] = (unsigned int)len;
		chain.n++;
	}
	if (chain.n > 0)
		audit_judge_chain(t, known, &chain);
}

/* The value of "Key:" in a thread's status, or -1. */
static int
status_number(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at != NULL ? (int)strtol(at + strlen(key), NULL, 10) : -1;
}

/*
 * Threads that the kernel made in the process (KVM's recovery of huge pages,
 * workers of an io_uring) never return to its code. Their flags say so: PF_IO_WORKER,
 * PF_USER_WORKER.
 */
static bool
made_by_kernel(pid_t pid, pid_t tid)
{
	char file[64], text[1024];

	(void)snprintf(file, sizeof(file), "task/%d/stat", (int)tid);
	if (audit_slurp(pid, file, text, sizeof(text)) <= 0)
		return false;
	return (audit_stat_field(text, 9) & 0x4010) != 0;
}

static void
read_task(const struct audit_process *p, struct audit_task *t, const struct audit *a)
{
	struct held h = { 0 };
	char file[64], text[8192];
	int rc;

	t->seccomp = t->nfilters = -1;
	(void)snprintf(file, sizeof(file), "task/%d/status", (int)t->tid);
	if (audit_slurp(p->pid, file, text, sizeof(text)) > 0) {
		t->seccomp = status_number(text, "\nSeccomp:");
		t->nfilters = status_number(text, "\nSeccomp_filters:");
	}
	t->of_kernel = made_by_kernel(p->pid, t->tid);
	t->probe_error = EPERM;
	if (!a->by_root) {
		(void)snprintf(t->differs, sizeof(t->differs),
		    "comparison needs root");
		return;
	}
	rc = hold(&h, t->tid);
	if (rc != 0) {
		(void)snprintf(t->differs, sizeof(t->differs), "stopping it: %s",
		    strerror(-rc));
		return;
	}
	read_filters(&h, t, p->known);
	if (a->probe && !t->of_kernel)
		audit_probe(&h, t);
	release(&h);
}

void
audit_read_tasks(struct audit_process *p, const struct audit *a)
{
	int fd = audit_open(p->pid, "task", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct audit_task *more;
	struct dirent *e;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		more = realloc(p->tasks, (p->ntasks + 1) * sizeof(*more));
		if (more == NULL)
			break;
		p->tasks = more;
		more += p->ntasks++;
		memset(more, 0, sizeof(*more));
		more->tid = (pid_t)strtol(e->d_name, NULL, 10);
	}
	closedir(dir);
	for (size_t i = 0; i < p->ntasks; i++)
		read_task(p, &p->tasks[i], a);
}
