/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile twin of a process kind, for bulkheadctl audit --attack and for tests: same
 * exec path, same policy and filter, but what it does once the jail is closed is one
 * call that a compromised worker would try. Before that it announces, in a Log line,
 * how the call will look to whoever holds the listener: "expect NAME INDEX VALUE".
 *
 * Linked with the policy of each kind (tests/jail/rules.mk). Never part of a VM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "build_id.h"
#include "ipc/chan.h"
#include "ipc/log.h"
#include "ipc/slots.h"
#include "sandbox/filter_model.h"
#include "sandbox/jail.h"
#include "sandbox/known.h"
#include "controller/ctl/attack_order.h"

/* One call with all its arguments, and the one by which it is recognised. */
struct attempt {
	const char *name;
	long nr;
	uint64_t args[6];
	unsigned int index;
};

#define PTR(p) ((uint64_t)(uintptr_t)(p))

extern const char __executable_start[];	/* the linker's */

static const char passwd[] = "/etc/passwd";
static const char root[] = "/";
static char scratch[4096] __attribute__((aligned(4096)));
static struct clone_args clone3_args = { .exit_signal = SIGCHLD };
static struct open_how by_path = { .flags = O_PATH };
static const char up[] = "../../../../../../../../etc/passwd";
static const char memory[] = "/proc/1/mem";
static const char inside[] = ".";
static const char device[] = "device";

/* Another VM's, by the order. */
static struct sockaddr_un other = { .sun_family = AF_UNIX };
static char other_channel[64];

static const struct attempt attempts[] = {
	{ "open", SYS_open, { PTR(passwd), O_RDONLY }, 1 },
	{ "openat", SYS_openat, { (uint64_t)AT_FDCWD, PTR(passwd) }, 1 },
	{ "openat2", SYS_openat2, { (uint64_t)AT_FDCWD, PTR(passwd), PTR(scratch), 24 },
	    3 },
	{ "opendir", SYS_openat, { (uint64_t)AT_FDCWD, PTR(root), O_DIRECTORY }, 1 },
	{ "socket", SYS_socket, { AF_INET, SOCK_STREAM }, 0 },
	{ "clone", SYS_clone, { SIGCHLD }, 0 },
	{ "clone3", SYS_clone3, { PTR(&clone3_args), sizeof(clone3_args) }, 1 },
	{ "fork", SYS_fork, { 0 }, 0 },
	{ "execve", SYS_execve, { PTR(passwd) }, 0 },
	{ "execveat", SYS_execveat, { 0, PTR(passwd) }, 1 },
	{ "ptrace", SYS_ptrace, { 16, 1 }, 1 },
	{ "process_vm_readv", SYS_process_vm_readv, { 1 }, 0 },
	{ "kill", SYS_kill, { 2, SIGTERM }, 0 },
	{ "tgkill", SYS_tgkill, { 2, 2, SIGTERM }, 0 },
	{ "io_uring_setup", SYS_io_uring_setup, { 8, PTR(scratch) }, 0 },
	{ "memfd_create", SYS_memfd_create, { PTR("x") }, 1 },
	{ "prctl", SYS_prctl, { 38, 0 }, 0 },
	{ "mmap", SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1 }, 2 },
	/* of a page whose loss does no harm: the ELF header */
	{ "munmap-code", SYS_munmap, { PTR(__executable_start), 4096 }, 1 },
	{ "mprotect", SYS_mprotect, { PTR(scratch), 4096, PROT_READ | PROT_EXEC }, 2 },
	{ "mmap-more", SYS_mmap, { 0, 1 << 20, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1 }, 3 },
	{ "brk", SYS_brk, { UINT64_C(1) << 40 }, 0 },
	{ "bind", SYS_bind, { FD_BUS, PTR(scratch), 16 }, 1 },
	{ "connect", SYS_connect, { FD_BUS, PTR(scratch), 16 }, 1 },
	{ "pidfd_open", SYS_pidfd_open, { 1 }, 0 },
	{ "pidfd_getfd", SYS_pidfd_getfd, { 3, 3 }, 1 },
	{ "kcmp", SYS_kcmp, { 1, 2 }, 1 },
	{ "setuid", SYS_setuid, { 0 }, 0 },
	{ "capset", SYS_capset, { PTR(scratch), PTR(scratch) }, 0 },
	{ "prlimit64", SYS_prlimit64, { 0, 7, PTR(scratch) }, 1 },
	{ "unshare", SYS_unshare, { CLONE_NEWUSER }, 0 },
	{ "setns", SYS_setns, { FD_CTL }, 0 },
	{ "mount", SYS_mount, { PTR(root), PTR(root), PTR(root) }, 0 },
	{ "umount2", SYS_umount2, { PTR(root), 2 }, 0 },
	{ "pivot_root", SYS_pivot_root, { PTR(root), PTR(root) }, 0 },
	{ "chroot", SYS_chroot, { PTR(root) }, 0 },
	{ "keyctl", SYS_keyctl, { 6, (uint64_t)-3 }, 0 },
	{ "add_key", SYS_add_key, { PTR(root), PTR(root), PTR(scratch), 1, 0 }, 0 },
	{ "bpf", SYS_bpf, { 1, PTR(scratch), 32 }, 0 },
	{ "perf_event_open", SYS_perf_event_open, { PTR(scratch) }, 0 },
	{ "userfaultfd", SYS_userfaultfd, { 0 }, 0 },
	{ "init_module", SYS_init_module, { PTR(scratch), 1, PTR(root) }, 0 },
	{ "iopl", SYS_iopl, { 3 }, 0 },
	{ "dup", SYS_dup, { 0 }, 0 },
	{ "add-seals", SYS_fcntl, { FD_RINGS, F_ADD_SEALS, F_SEAL_WRITE }, 1 },
	{ "truncate", SYS_ftruncate, { FD_BACKEND, 0 }, 0 },
	{ "ioctl", SYS_ioctl, { FD_BACKEND, 0x5421, PTR(scratch) }, 1 },
	{ "flags", SYS_fcntl, { FD_BACKEND, F_SETFL, 0 }, 1 },
	{ "connect-other", SYS_connect, { FD_CTL, PTR(&other), sizeof(other) }, 1 },
	{ "sendto-other", SYS_sendto, { FD_CTL, PTR(scratch), 1, 0, PTR(&other),
	    sizeof(other) }, 4 },
	{ "open-other", SYS_openat, { (uint64_t)AT_FDCWD, PTR(other_channel), O_RDWR },
	    1 },
	{ "syslog", SYS_syslog, { 3, PTR(scratch), 16 }, 0 },
	{ "share-inside", SYS_openat2, { FD_BACKEND, PTR(inside), PTR(&by_path),
	    sizeof(by_path) }, 0 },
	{ "share-up", SYS_openat2, { FD_BACKEND, PTR(up), PTR(&by_path),
	    sizeof(by_path) }, 0 },
	{ "share-root", SYS_openat2, { FD_BACKEND, PTR(passwd), PTR(&by_path),
	    sizeof(by_path) }, 0 },
	{ "share-proc", SYS_openat2, { FD_BACKEND, PTR(memory), PTR(&by_path),
	    sizeof(by_path) }, 0 },
	{ "share-other", SYS_openat2, { FD_BACKEND, PTR(other.sun_path), PTR(&by_path),
	    sizeof(by_path) }, 0 },
	{ "mknodat", SYS_mknodat, { FD_BACKEND, PTR(device), S_IFCHR | 0666,
	    1 << 8 | 3 }, 2 },
	{ "open_by_handle_at", SYS_open_by_handle_at, { FD_BACKEND, PTR(scratch),
	    O_RDONLY }, 0 },
};

/* The call's own name, where the attempt has another. */
static const char *
call_name(const struct attempt *at)
{
	switch (at->nr) {
	case SYS_mmap:
		return "mmap";
	case SYS_munmap:
		return "munmap";
	case SYS_fcntl:
		return "fcntl";
	case SYS_ftruncate:
		return "ftruncate";
	case SYS_openat:
		return "openat";
	case SYS_connect:
		return "connect";
	case SYS_sendto:
		return "sendto";
	case SYS_openat2:
		return "openat2";
	default:
		return at->name;
	}
}

static struct chan_buffers buffers;
static struct chan ctl;

static void
say(Bh__LogLevel level, const char *text)
{
	Bh__Log log = BH__LOG__INIT;
	CHAN_PACKET(packet, LOG, log, &log);
	char line[LOG_LINE_MAX + 1];

	log.level = level;
	(void)snprintf(line, sizeof(line), "%s", text);
	log.text = line;
	if (chan_send(&ctl, &packet, NULL, 0) != 0)
		_exit(TWIN_CONFUSED);
}

/* Calls whose argument 0 is an fd that a wrong one can take the place of. */
static bool
takes_fd(int nr)
{
	static const int calls[] = { SYS_write, SYS_writev, SYS_read, SYS_readv,
	    SYS_pread64, SYS_pwrite64, SYS_recvmsg, SYS_sendmsg, SYS_fallocate,
	    SYS_fdatasync, SYS_ioctl };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == nr)
			return true;
	return false;
}

static bool
binds_fd(const struct sb_rule *r)
{
	for (size_t i = 0; i < SB_MAX_ARGS; i++)
		if (r->arg[i].cmp != SB_CMP_NONE && r->arg[i].index == 0)
			return true;
	return false;
}

/* Whether any form of call @nr lets fd @fd through, whatever else it says. */
static bool
lets_fd(int nr, uint32_t fd)
{
	for (size_t i = 0; i < sb_policy.nrules; i++) {
		const struct sb_rule *r = &sb_policy.rules[i];
		bool ok = true;

		if (r->nr != nr)
			continue;
		for (size_t k = 0; k < SB_MAX_ARGS; k++) {
			const struct sb_arg *a = &r->arg[k];

			if (a->cmp == SB_CMP_NONE || a->index != 0)
				continue;
			if (a->cmp == SB_CMP_MASK32)
				ok = ok && (fd & a->mask) == (uint32_t)a->value;
			else
				ok = ok && fd == (uint32_t)a->value;
		}
		if (ok)
			return true;
	}
	return false;
}

#define ANY_FD 8192u

/*
 * A call that the policy allows on some fds, with the lowest fd that it does not
 * name, but otherwise as the policy has it.
 */
static bool
wrong_fd(struct attempt *at)
{
	for (size_t i = 0; i < sb_policy.nrules; i++) {
		const struct sb_rule *r = &sb_policy.rules[i];
		uint32_t fd = 0;

		if (!takes_fd(r->nr) || !binds_fd(r))
			continue;
		while (fd < ANY_FD && lets_fd(r->nr, fd))
			fd++;
		if (fd == ANY_FD)
			continue;	/* another form of it takes them all */
		*at = (struct attempt){ .name = r->name, .nr = r->nr };
		for (size_t k = 0; k < SB_MAX_ARGS; k++)
			if (r->arg[k].cmp != SB_CMP_NONE)
				at->args[r->arg[k].index] = r->arg[k].value;
		at->args[0] = fd;
		return true;
	}
	return false;
}

/* Whether the policy lists the call with these arguments. */
static bool
listed(const struct sb_policy *y, int nr, const uint64_t args[6])
{
	for (size_t i = 0; i < y->nrules; i++)
		if (y->rules[i].nr == nr && filter_rule_matches(&y->rules[i], args))
			return true;
	return false;
}

/* Break one condition of a rule so that no other rule of its call holds instead. */
static bool
change(const struct sb_policy *y, const struct sb_rule *r, const struct sb_arg *a,
    uint64_t args[6])
{
	const uint64_t right = args[a->index];

	for (uint64_t bit = 20; bit-- > 0; ) {
		args[a->index] = right ^ UINT64_C(1) << bit;
		if (!listed(y, r->nr, args))
			return true;
	}
	args[a->index] = right + 1000000;
	return !listed(y, r->nr, args);
}

/*
 * A rule's call with the arguments that it asks for, one of them changed if that is
 * asked; the others are 0, which the kernel refuses or takes without harm.
 */
static bool
from_rule(const struct twin_order *order, struct attempt *at)
{
	const struct sb_known *k = sb_known_find(order->policy);
	const struct sb_rule *r;

	if (k == NULL || order->rule >= k->policy.nrules)
		return false;
	r = &k->policy.rules[order->rule];
	*at = (struct attempt){ .name = r->name, .nr = r->nr };
	if (r->nr == SYS_close)
		at->args[0] = 9999;
	for (size_t i = 0; i < SB_MAX_ARGS; i++)
		if (r->arg[i].cmp != SB_CMP_NONE)
			at->args[r->arg[i].index] = r->arg[i].value;
	if (order->change == NO_CHANGE)
		return true;
	at->index = r->arg[order->change].index;
	return order->change < SB_MAX_ARGS &&
	    change(&k->policy, r, &r->arg[order->change], at->args);
}

static bool
find_attempt(const struct twin_order *order, struct attempt *at)
{
	const char *name = order->attempt;

	if (strcmp(name, "rule") == 0)
		return from_rule(order, at);
	if (strcmp(name, "wrong-fd") == 0)
		return wrong_fd(at);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		if (strcmp(attempts[i].name, name) == 0) {
			*at = attempts[i];
			if (order->fd != 0)
				at->args[0] = order->fd;
			return true;
		}
	return false;
}

/* Report which fds are open, and what the pipes among them hold. */
static _Noreturn void
report_fds(void)
{
	char line[LOG_LINE_MAX + 1];
	size_t used = 0;

	for (int fd = 0; fd < 2048 && used < sizeof(line) - 32; fd++) {
		unsigned char c = 0;

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		if (fd > FD_CTL && fd != TWIN_ORDER && read(fd, &c, 1) != 1)
			c = 0;
		used += (size_t)snprintf(line + used, sizeof(line) - used,
		    "%d=%u ", fd, c);
	}
	say(BH__LOG_LEVEL__LOG_LEVEL_INFO, line);
	_exit(TWIN_QUIET);
}

static _Noreturn void
attempt_and_exit(const struct attempt *at)
{
	const uint64_t *a = at->args;
	long rc;

	rc = syscall(at->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (rc == 0 && (at->nr == SYS_clone || at->nr == SYS_clone3 ||
	    at->nr == SYS_fork))
		for (;;)	/* the child: the driver kills its namespace */
			pause();
	if (rc >= 0)
		_exit(TWIN_SUCCEEDED);
	_exit(errno == EPERM ? TWIN_EPERM : errno == EACCES ? TWIN_EACCES :
	    errno == ENOENT ? TWIN_ENOENT : TWIN_OTHER);
}

static void
hello(void)
{
	Bh__Hello h = BH__HELLO__INIT;
	CHAN_PACKET(packet, HELLO, hello, &h);
	char id[] = BULKHEAD_BUILD_ID;

	h.protocol = PROTO_VERSION;
	h.build_id = id;
	if (chan_send(&ctl, &packet, NULL, 0) != 0)
		_exit(TWIN_CONFUSED);
}

static void
announce(const struct twin_order *order, struct attempt *at)
{
	char line[128] = "expect nothing";

	if (order->attempt[0] != '\0') {
		if (!find_attempt(order, at)) {
			say(BH__LOG_LEVEL__LOG_LEVEL_INFO, "cannot");
			_exit(TWIN_QUIET);
		}
		(void)snprintf(line, sizeof(line), "expect %s %u %llu", call_name(at),
		    at->index, (unsigned long long)at->args[at->index]);
	}
	say(BH__LOG_LEVEL__LOG_LEVEL_INFO, line);
}

/* Set by the thread when the C library has set it up, which takes calls. */
static _Atomic int thread_is_up;
/* Set by the main thread when the filter is there. */
static _Atomic int thread_may_go;

/* A thread that was there before the filter: it tries to open a file. */
static void *
open_from_thread(void *arg)
{
	const struct attempt *at = arg;

	thread_is_up = 1;
	while (!thread_may_go)
		;	/* no call that a policy would have to allow */
	attempt_and_exit(at);
}

/* As the opener, those with threads, and all others do it. */
static int
close_jail(enum jail_mode mode, bool threaded, struct attempt *at, int *listener,
    const char **stage)
{
	static const uint64_t to_controller[6] = { FD_CTL };
	pthread_t thread;
	int rc;

	/* Who has no controller to send its listener to: denied calls kill. */
	if (mode == JAIL_ENFORCE && !listed(&sb_policy, SYS_sendmsg, to_controller)) {
		rc = jail_confine(stage);
		return rc != 0 ? rc : jail_load_verdict(SECCOMP_RET_KILL_PROCESS);
	}
	if (strcmp(sb_policy.kind, "opener") == 0)
		rc = jail_confine_opener(stage);
	else if (threaded)
		rc = jail_confine(stage);
	else
		return jail_close(mode, listener, stage);
	if (rc == 0 && threaded) {
		*stage = "thread";
		rc = -pthread_create(&thread, NULL, open_from_thread, at);
		while (rc == 0 && !thread_is_up)
			;
	}
	return rc != 0 ? rc : jail_load(mode, listener, stage);
}

int
main(void)
{
	Bh__SeccompListener l = BH__SECCOMP_LISTENER__INIT;
	CHAN_PACKET(packet, SECCOMP_LISTENER, seccomp_listener, &l);
	struct attempt at = { 0 };
	struct twin_order order;
	const char *stage = "none";
	int listener = -1, rc;

	chan_init(&ctl, FD_CTL, PEER_DEVICE, PEER_CONTROLLER, &buffers);
	if (read(TWIN_ORDER, &order, sizeof(order)) != (ssize_t)sizeof(order))
		_exit(TWIN_CONFUSED);
	if (order.fail_stage[0] != '\0')
		setenv("BULKHEAD_FAIL_STAGE", order.fail_stage, 1);
	memcpy(other.sun_path, order.path, sizeof(other.sun_path));
	memcpy(other_channel, order.control, sizeof(other_channel));
	hello();
	if (strcmp(order.attempt, "fds") == 0)
		report_fds();
	announce(&order, &at);
	rc = close_jail((enum jail_mode)order.mode, order.threaded, &at, &listener,
	    &stage);
	if (rc != 0) {
		(void)chan_send_failed(&ctl, 0, -rc, stage);
		_exit(TWIN_FAILED);
	}
	if (listener >= 0 && chan_send(&ctl, &packet, &listener, 1) != 0)
		_exit(TWIN_CONFUSED);
	if (order.attempt[0] == '\0')
		_exit(TWIN_QUIET);
	thread_may_go = 1;
	while (order.threaded)
		;	/* the thread ends it */
	if (strcmp(order.attempt, "rule") == 0) {
		(void)syscall(at.nr, at.args[0], at.args[1], at.args[2], at.args[3],
		    at.args[4], at.args[5]);
		_exit(TWIN_QUIET);	/* it lives; any policy allows this status */
	}
	attempt_and_exit(&at);
}
