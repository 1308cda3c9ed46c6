/* SPDX-License-Identifier: Apache-2.0 */
/* What the hostile twins try, and the report of it; see attack.h. */
#include "controller/ctl/attack.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/ctl/attack_scratch.h"
#include "controller/ctl/audit.h"
#include "controller/ctl/progress.h"
#include "ipc/slots.h"
#include "sandbox/jail.h"

#define SCRATCH_UIDS 0x70100000u	/* of nobody's, as those of VMs */

const struct attack attacks[] = {
#ifdef BULKHEAD_SANITIZED	/* sandbox/sanitizer_policy.c */
	{ "open", "open a path", false, "*", false },
	{ "openat", "open a path", false, "*", false },
#else
	{ "open", "open a path", false, "", false },
	{ "openat", "open a path", false, "opener", false },
#endif
	{ "openat2", "open a path", false, "opener", false },
	{ "open_by_handle_at", "open a file by its handle", true, "", false },
	{ "mknodat", "make a device", false, "", false },
	{ "socket", "make an internet socket", false, "", false },
	{ "bind", "give a socket an address", false, "opener", false },
	{ "connect", "connect to another VM's socket", false, "opener,vhost-user-vsock-ports", false },
	{ "clone", "make a process", false, "", false },
	{ "clone3", "make a process", false, "", false },
	{ "fork", "make a process", false, "", false },
	{ "execve", "execute a program", true, "", false },
	{ "execveat", "execute a program", true, "", false },
	{ "ptrace", "trace a process", true, "", false },
	{ "process_vm_readv", "read another's memory", true, "", false },
	{ "pidfd_open", "take hold of a process", false, "", false },
	{ "pidfd_getfd", "take another's fd", true, "", false },
	{ "kcmp", "compare with another process", true, "", false },
	{ "kill", "signal a process", false, "", false },
	{ "tgkill", "signal another's thread", false, "", false },
	{ "setuid", "become root", false, "", false },
	{ "capset", "take a capability", false, "", false },
	{ "prctl", "undo no_new_privs", false, "", false },
	{ "prlimit64", "raise a limit", false, "", false },
	{ "unshare", "make namespaces", true, "", false },
	{ "setns", "enter a namespace", true, "", false },
	{ "mount", "mount a file system", true, "", false },
	{ "umount2", "unmount the root", true, "", false },
	{ "pivot_root", "change the root", true, "", false },
	{ "chroot", "change the root", true, "", false },
	{ "keyctl", "read a key", true, "", false },
	{ "add_key", "add a key", true, "", false },
	{ "bpf", "read another's BPF map", true, "", false },
	{ "perf_event_open", "measure the kernel", true, "", false },
	{ "userfaultfd", "stop the kernel at a page", true, "", false },
	{ "io_uring_setup", "make an unrestricted io_uring", false, "", false },
	{ "init_module", "load a module", true, "", false },
	{ "iopl", "reach the ports", true, "", false },
	{ "memfd_create", "make memory to execute", false, "controller", false },
	{ "mmap", "map executable memory", false, "", false },
	{ "mprotect", "make memory executable", false, "", false },
	{ "mmap-more", "map memory without end", false, "guard", false },
	{ "brk", "grow without end", false, "guard,controller", false },
	{ "dup", "use up fds", false, "", false },
	{ "add-seals", "seal shared memory against writes", false, "controller", false },
	{ "truncate", "cut the back end", false, "controller", false },
	{ "ioctl", "send the back end any request", false, "", false },
	{ "flags", "make the back end block for others", false, "", false },
	{ "syslog", "read the kernel's log", true, "", false },
	{ "wrong-fd", "use a fd that is not its own", false, "controller", false },
	{ "connect-other", "connect to another VM's API", false, "opener,vhost-user-vsock-ports", false },
	{ "sendto-other", "send to another VM's socket", false, "", false },
	{ "open-other", "open another VM's channel", false, "opener", false },
	{ "share-up", "open what is above the share", false, "", true },
	{ "share-root", "open a path of the host's", false, "", true },
	{ "share-proc", "open another process's memory", false, "", true },
	{ "share-other", "open another VM's socket", false, "", true },
};
const size_t nattacks = sizeof(attacks) / sizeof(attacks[0]);

static bool
is_one_of(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
		if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

bool
attack_is_business(const struct attack *attack, const char *kind)
{
	return strcmp(attack->allowed, "*") == 0 || is_one_of(attack->allowed, kind);
}

const struct sb_known *
attack_policy(enum process_kind kind)
{
	const struct process_kind_info *info = &process_kinds[kind];

	return info->foreign ? NULL : sb_known_find(info->binary + strlen("bulkhead-"));
}

bool
attack_applies(const struct attack *attack, const struct sb_known *kind)
{
	return !attack->in_share || kind->policy.share != 0;
}

/* "expect NAME INDEX VALUE", which the twin said before it tried. */
bool
as_announced(const struct twin *t)
{
	char text[128];

	for (unsigned int i = 0; i < 6; i++) {
		(void)snprintf(text, sizeof(text), "expect %s %u %llu", t->call.name, i,
		    (unsigned long long)t->call.args[i]);
		if (strcmp(text, t->log) == 0)
			return t->call.pid == t->host_pid;
	}
	return false;
}

/* ---- one attempt ---------------------------------------------------------------- */

static enum attack_end
end_of(struct vm *vm, const struct attack *attack, struct twin *t, bool came)
{
	bool named;

	if (strcmp(t->log, "cannot") == 0)
		return ATTACK_NOTHING;
	if (!came || t->failed_error != 0)
		return ATTACK_UNKNOWN;
	if (attack->in_share)
		return !t->denied && t->signal == 0 && t->status == TWIN_ENOENT ?
		    ATTACK_FAILED : ATTACK_THROUGH;
	/* Where no listener can be had, all denied calls kill. */
	if (t->signal == SIGSYS && !t->denied)
		return attack->at_once || !t->listened ? ATTACK_KILLED : ATTACK_THROUGH;
	named = t->denied && as_announced(t);
	vm_kill(vm, t);
	if (!vm_wait(vm, t, twin_exited))
		return ATTACK_UNKNOWN;
	return named && !attack->at_once && t->signal == SIGKILL && t->exits == 1 ?
	    ATTACK_DENIED : ATTACK_THROUGH;
}

/* @p: whose fds the twin is to have the like of; NULL: those of its kind. */
static enum attack_end
try_as(struct vm *vm, enum process_kind kind, const struct sb_known *k,
    const struct attack *attack, const struct audit_process *p,
    struct twin_order *order, struct twin *t)
{
	static struct scratch s;
	enum attack_end end;

	if (p != NULL)
		scratch_of_process(&s, p);
	else
		scratch_of_kind(&s, k);
	(void)snprintf(order->attempt, sizeof(order->attempt), "%s", attack->name);
	vm_spawn(vm, t, kind, order, s.fds, s.slots, s.n);
	end = end_of(vm, attack, t, vm_wait(vm, t, twin_denied_or_exited));
	scratch_free(&s);
	return end;
}

enum attack_end
attack_try(struct vm *vm, enum process_kind kind, const struct sb_known *k,
    const struct attack *attack, struct twin *t)
{
	struct twin_order order = { .mode = JAIL_ENFORCE, .path = "/other",
	    .control = "/other" };

	return try_as(vm, kind, k, attack, NULL, &order, t);
}

/* ---- the command ---------------------------------------------------------------- */

/* The twins lie beside this program, or where the children are installed. */
static int
find_twins(char *dir, size_t size)
{
	static const char *const places[] = { "attack", "../libexec/bulkhead/attack" };
	char self[4000], child[4200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(child, sizeof(child), "%s/%s/bulkhead-blk", self, places[i]);
		if (access(child, X_OK) == 0) {
			(void)snprintf(dir, size, "%s/%s", self, places[i]);
			return 0;
		}
	}
	return -ENOENT;
}

static void
print_attempt(const char *who, const struct attack *attack, enum attack_end end,
    const struct twin *t)
{
	static const char *const ends[] = {
		[ATTACK_DENIED] = "denied, named, killed",
		[ATTACK_KILLED] = "killed at once",
		[ATTACK_FAILED] = "is not there",
		[ATTACK_NOTHING] = "nothing to try",
		[ATTACK_THROUGH] = "GOT THROUGH",
		[ATTACK_UNKNOWN] = "NOT TRIED",
	};
	char text[200] = "";

	if (end == ATTACK_DENIED)
		notify_describe(&t->call, text, sizeof(text));
	else if (end == ATTACK_THROUGH || end == ATTACK_UNKNOWN)
		(void)snprintf(text, sizeof(text), "status %d, signal %d, %.60s%.60s",
		    t->status, t->signal, t->log, t->failed);
	(void)printf("%-16s %-17s %-34s %-22s %.60s\n", who, attack->name,
	    attack->tries, ends[end], text);
}

struct tally {
	unsigned int tried, refused, business, through, unknown;
	bool over;		/* this host starts no worker, so none of the twins */
};

/* Whom the twins take the place of, and what is beside them. */
struct victim {
	enum process_kind kind;
	const struct sb_known *known;
	const struct audit_process *process;	/* NULL: any of this kind */
	const struct scratch_other *other;
	char name[40];
};

static void
attack_once(struct vm *vm, const struct victim *v, const struct attack *attack,
    uint32_t fd, struct tally *tally)
{
	struct twin_order order = { .mode = JAIL_ENFORCE, .fd = fd };
	enum attack_end end;
	struct twin t;

	memcpy(order.path, v->other->path, sizeof(order.path));
	memcpy(order.control, v->other->control, sizeof(order.control));
	end = try_as(vm, v->kind, v->known, attack, v->process, &order, &t);
	tally->through += end == ATTACK_THROUGH;
	tally->unknown += end == ATTACK_UNKNOWN;
	progress_at(++tally->tried, 0, "attempts");
	tally->refused += end == ATTACK_DENIED || end == ATTACK_KILLED ||
	    end == ATTACK_FAILED;
	print_attempt(v->name, attack, end, &t);
	tally->over = tally->over || t.failed_error != 0;
	twin_free(&t);
}

static void
attack_victim(struct vm *vm, const struct victim *v, struct tally *tally)
{
	for (size_t i = 0; i < nattacks && !tally->over; i++) {
		const struct attack *attack = &attacks[i];

		if (!attack_applies(attack, v->known))
			continue;
		if (attack_is_business(attack, v->known->name)) {
			(void)printf("%-16s %-17s %-34s its business\n", v->name,
			    attack->name, attack->tries);
			tally->business++;
			continue;
		}
		attack_once(vm, v, attack, 0, tally);
		/* Of a running VM's process, each of its fds that is something. */
		for (size_t k = 0; v->process != NULL &&
		    strcmp(attack->name, "ioctl") == 0 && k < v->process->nfds; k++)
			if (v->process->fds[k].nr >= FD_BACKEND &&
			    v->process->fds[k].is != SB_IS_NULL &&
			    v->process->fds[k].nr != TWIN_ORDER)
				attack_once(vm, v, attack, v->process->fds[k].nr,
				    tally);
	}
}

static void
attack_kinds(struct vm *vm, const char *only, const struct scratch_other *other,
    struct tally *tally)
{
	for (int kind = 0; kind < PROC_KIND_COUNT; kind++) {
		struct victim v = { .kind = (enum process_kind)kind,
		    .known = attack_policy((enum process_kind)kind), .other = other };

		if (v.known == NULL)
			continue;	/* a program of the host's */
		(void)snprintf(v.name, sizeof(v.name), "%s", v.known->name);
		if (only == NULL || is_one_of(only, v.name))
			attack_victim(vm, &v, tally);
	}
}

/* Each process of the VM that is looked at in @a, but controller and spawner. */
static void
attack_processes(struct vm *vm, const struct audit *a,
    const struct scratch_other *other, struct tally *tally)
{
	for (size_t i = 0; i < a->n; i++) {
		struct victim v = { .process = &a->processes[i],
		    .known = a->processes[i].known, .other = other };
		int kind = 0;

		if (v.known == NULL)
			continue;
		while (kind < PROC_KIND_COUNT &&
		    attack_policy((enum process_kind)kind) != v.known)
			kind++;
		if (kind == PROC_KIND_COUNT)
			continue;
		v.kind = (enum process_kind)kind;
		(void)snprintf(v.name, sizeof(v.name), "%s %d", v.known->name,
		    (int)v.process->pid);
		attack_victim(vm, &v, tally);
	}
}

int
attack_main(const char *only, const struct audit *a)
{
	struct spawner_config config = { .rootless = geteuid() != 0,
	    .uid_base = SCRATCH_UIDS, .tty = -1 };
	struct tally tally = { 0 };
	char dir[4200], why[300] = "no twins: they are in libexec/bulkhead/attack";
	struct scratch_other other;
	struct vm vm;

	config.libexec = dir;
	(void)signal(SIGPIPE, SIG_IGN);
	if (find_twins(dir, sizeof(dir)) != 0 ||
	    vm_start_with(&vm, &config, why, sizeof(why)) != 0) {
		(void)fprintf(stderr, "bulkheadctl: audit: --attack: %s\n", why);
		return AUDIT_INCOMPLETE;
	}
	(void)printf("A VM of hostile twins, in the jails and with the filters of their "
	    "kinds, on scratch\nfiles and eventfds of their own.\n\n");
	/* On a terminal, the table is its own progress. */
	if (isatty(STDOUT_FILENO) == 0)
		progress_begin("audit --attack");
	if (scratch_other_make(&other) != 0)
		tally.unknown++;
	if (a != NULL)
		attack_processes(&vm, a, &other, &tally);
	else
		attack_kinds(&vm, only, &other, &tally);
	if (!scratch_other_undisturbed(&other)) {
		(void)printf("the other VM's sockets were reached\n");
		tally.through++;
	}
	scratch_other_free(&other);
	progress_clear();
	if (!vm_end(&vm))
		tally.unknown++;
	(void)printf("\n%u refused, %u left out (a kind's own business), %u got through, "
	    "%u could not be tried\n", tally.refused, tally.business, tally.through,
	    tally.unknown);
	if (tally.through > 0)
		return AUDIT_DRIFT;
	return tally.unknown > 0 || tally.refused == 0 ? AUDIT_INCOMPLETE : 0;
}
