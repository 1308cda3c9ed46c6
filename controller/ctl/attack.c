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

#define EVERYONE "opener,guard,loader,vcpu,blk,net,rng,console,api"
#define SCRATCH_UIDS 0x70100000u	/* of nobody's, as those of VMs */

const struct attack attacks[] = {
#ifdef BULKHEAD_SANITIZED	/* sandbox/sanitizer_policy.c */
	{ "open", "open a path", false, EVERYONE },
	{ "openat", "open a path", false, EVERYONE },
#else
	{ "open", "open a path", false, "" },
	{ "openat", "open a path", false, "opener" },
#endif
	{ "openat2", "open a path", false, "opener" },
	{ "socket", "make an internet socket", false, "" },
	{ "bind", "give a socket an address", false, "opener" },
	{ "connect", "connect to another VM's socket", false, "opener" },
	{ "clone", "make a process", false, "" },
	{ "clone3", "make a process", false, "" },
	{ "fork", "make a process", false, "" },
	{ "execve", "execute a program", true, "" },
	{ "execveat", "execute a program", true, "" },
	{ "ptrace", "trace a process", true, "" },
	{ "process_vm_readv", "read another's memory", true, "" },
	{ "pidfd_open", "take hold of a process", false, "" },
	{ "pidfd_getfd", "take another's fd", true, "" },
	{ "kcmp", "compare with another process", true, "" },
	{ "kill", "signal a process", false, "" },
	{ "tgkill", "signal another's thread", false, "" },
	{ "setuid", "become root", false, "" },
	{ "capset", "take a capability", false, "" },
	{ "prctl", "undo no_new_privs", false, "" },
	{ "prlimit64", "raise a limit", false, "" },
	{ "unshare", "make namespaces", true, "" },
	{ "setns", "enter a namespace", true, "" },
	{ "mount", "mount a file system", true, "" },
	{ "umount2", "unmount the root", true, "" },
	{ "pivot_root", "change the root", true, "" },
	{ "chroot", "change the root", true, "" },
	{ "keyctl", "read a key", true, "" },
	{ "add_key", "add a key", true, "" },
	{ "bpf", "read another's BPF map", true, "" },
	{ "perf_event_open", "measure the kernel", true, "" },
	{ "userfaultfd", "stop the kernel at a page", true, "" },
	{ "io_uring_setup", "make an unrestricted io_uring", false, "" },
	{ "init_module", "load a module", true, "" },
	{ "iopl", "reach the ports", true, "" },
	{ "memfd_create", "make memory to execute", false, "" },
	{ "mmap", "map executable memory", false, "" },
	{ "mprotect", "make memory executable", false, "" },
	{ "mmap-more", "map memory without end", false, "guard" },
	{ "brk", "grow without end", false, "guard" },
	{ "dup", "use up fds", false, "" },
	{ "add-seals", "seal shared memory against writes", false, "" },
	{ "truncate", "cut the back end", false, "" },
	{ "ioctl", "send the back end any request", false, "" },
	{ "flags", "make the back end block for others", false, "" },
	{ "syslog", "read the kernel's log", true, "" },
	{ "wrong-fd", "use a fd that is not its own", false, "" },
	{ "connect-other", "connect to another VM's API", false, "opener" },
	{ "sendto-other", "send to another VM's socket", false, "" },
	{ "open-other", "open another VM's channel", false, "opener" },
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
	return is_one_of(attack->allowed, kind);
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
	if (t->signal == SIGSYS && !t->denied)
		return attack->at_once ? ATTACK_KILLED : ATTACK_THROUGH;
	named = t->denied && as_announced(t);
	vm_kill(vm, t);
	if (!vm_wait(vm, t, twin_exited))
		return ATTACK_UNKNOWN;
	return named && !attack->at_once && t->signal == SIGKILL && t->exits == 1 ?
	    ATTACK_DENIED : ATTACK_THROUGH;
}

/* @p: whose fds the twin is to have the like of; NULL: those of its kind. */
static enum attack_end
try_as(struct vm *vm, enum process_kind kind, const struct attack *attack,
    const struct audit_process *p, struct twin_order *order, struct twin *t)
{
	static struct scratch s;

	if (p != NULL)
		scratch_of_process(&s, p);
	else
		scratch_of_kind(&s, process_kinds[kind].name);
	(void)snprintf(order->attempt, sizeof(order->attempt), "%s", attack->name);
	vm_spawn(vm, t, kind, order, s.fds, s.slots, s.n);
	scratch_free(&s);
	return end_of(vm, attack, t, vm_wait(vm, t, twin_denied_or_exited));
}

enum attack_end
attack_try(struct vm *vm, enum process_kind kind, const struct attack *attack,
    struct twin *t)
{
	struct twin_order order = { .mode = JAIL_ENFORCE };

	return try_as(vm, kind, attack, NULL, &order, t);
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
	(void)printf("%-8s %-17s %-34s %-22s %.60s\n", who, attack->name,
	    attack->tries, ends[end], text);
}

struct tally {
	unsigned int tried, refused, business, through, unknown;
};

/* Whom the twins take the place of, and what is beside them. */
struct victim {
	enum process_kind kind;
	const struct audit_process *process;	/* NULL: any of this kind */
	const struct scratch_other *other;
	char name[24];
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
	end = try_as(vm, v->kind, attack, v->process, &order, &t);
	tally->through += end == ATTACK_THROUGH;
	tally->unknown += end == ATTACK_UNKNOWN;
	progress_at(++tally->tried, 0, "attempts");
	tally->refused += end == ATTACK_DENIED || end == ATTACK_KILLED;
	print_attempt(v->name, attack, end, &t);
	twin_free(&t);
}

static void
attack_victim(struct vm *vm, const struct victim *v, struct tally *tally)
{
	for (size_t i = 0; i < nattacks; i++) {
		const struct attack *attack = &attacks[i];

		if (attack_is_business(attack, process_kinds[v->kind].name)) {
			(void)printf("%-8s %-17s %-34s its business\n", v->name,
			    attack->name, attack->tries);
			tally->business++;
			continue;
		}
		attack_once(vm, v, attack, 0, tally);
		/* Of a running VM's process, each of its fds. */
		for (size_t k = 0; v->process != NULL &&
		    strcmp(attack->name, "ioctl") == 0 && k < v->process->nfds; k++)
			if (v->process->fds[k].nr >= FD_BACKEND &&
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
				    .other = other };

		(void)snprintf(v.name, sizeof(v.name), "%s",
		    process_kinds[kind].name);
		if (sb_known_find(v.name) != NULL &&
		    (only == NULL || is_one_of(only, v.name)))
			attack_victim(vm, &v, tally);
	}
}

/* Each process of the VM that is looked at in @a, but controller and spawner. */
static void
attack_processes(struct vm *vm, const struct audit *a,
    const struct scratch_other *other, struct tally *tally)
{
	for (size_t i = 0; i < a->n; i++) {
		struct victim v = { .process = &a->processes[i], .other = other };
		int kind = 0;

		if (v.process->known == NULL)
			continue;
		while (kind < PROC_KIND_COUNT &&
		    strcmp(process_kinds[kind].name, v.process->known->name) != 0)
			kind++;
		if (kind == PROC_KIND_COUNT)
			continue;
		v.kind = (enum process_kind)kind;
		(void)snprintf(v.name, sizeof(v.name), "%s %d",
		    process_kinds[kind].name, (int)v.process->pid);
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
