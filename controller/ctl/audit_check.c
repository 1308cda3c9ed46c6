/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement: what was seen against what is declared, a function a subject. What
 * could not be seen is a finding as well: nothing passes unlooked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/ctl/audit.h"
#include "sandbox/jail.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020	/* Linux 6.3 */
#endif

void
audit_find_add(struct audit *a, enum audit_level level,
    const struct audit_process *p, const char *item, const char *fmt, ...)
{
	struct audit_finding *f = realloc(a->findings,
	    (a->nfindings + 1) * sizeof(*f));
	va_list ap;

	if (f == NULL)
		abort();	/* an audit that forgets is none */
	a->findings = f;
	f += a->nfindings++;
	f->level = level;
	f->pid = p != NULL ? p->pid : 0;
	(void)snprintf(f->process, sizeof(f->process), "%s",
	    p != NULL ? audit_name(p) : "vm");
	(void)snprintf(f->item, sizeof(f->item), "%s", item);
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

#define wrong(a, p, item, ...) audit_find_add(a, AUDIT_WRONG, p, item, __VA_ARGS__)
#define unknown(a, p, item, ...) audit_find_add(a, AUDIT_UNKNOWN, p, item, __VA_ARGS__)
#define note(a, p, item, ...) audit_find_add(a, AUDIT_NOTE, p, item, __VA_ARGS__)

static enum sb_jail
jail_of(const struct audit_process *p)
{
	return p->known->policy.jail;
}

/* Who may see the host: they are what the user may do, or make the others. */
static bool
is_worker(const struct audit_process *p)
{
	return jail_of(p) == SB_JAIL_WORKER;
}

static void
check_ids(struct audit *a, const struct audit_process *p)
{
	bool one = true;

	/* The last are those of files: the guest's user's, where they may be. */
	for (int i = 1; i < (p->known->policy.capabilities != 0 ? 3 : 4); i++)
		one = one && p->uid[i] == p->uid[0] && p->gid[i] == p->gid[0];
	if (!one)
		wrong(a, p, "ids", "real, effective, saved or file ids differ: "
		    "uid %u %u %u %u", p->uid[0], p->uid[1], p->uid[2], p->uid[3]);
	if (!is_worker(p))
		return;
	if (p->uid[0] == 0 || p->gid[0] == 0)
		wrong(a, p, "ids", "uid %u, gid %u: root of the host", p->uid[0],
		    p->gid[0]);
	if (a->processes[0].uid[0] == p->uid[0])
		return;		/* rootless: said once, for the VM */
	if (p->ngroups > 0)
		wrong(a, p, "groups", "%u supplementary groups", p->ngroups);
	for (size_t i = 0; i < a->n; i++) {
		const struct audit_process *q = &a->processes[i];

		if (q != p && q->uid[0] == p->uid[0])
			wrong(a, p, "ids", "shares uid %u with %s %d", p->uid[0],
			    audit_name(q), (int)q->pid);
	}
}

static void
check_capabilities(struct audit *a, const struct audit_process *p)
{
	if (jail_of(p) == SB_JAIL_SPAWNER || jail_of(p) == SB_JAIL_OPENER)
		return;
	for (size_t i = 0; i < CAP_SETS; i++) {
		/* The user's controller: no_new_privs makes the set worthless. */
		if (i == CAP_SET_BND && !is_worker(p) && p->uid[0] != 0 &&
		    p->caps[CAP_SET_PRM] == 0 && p->no_new_privs == 1)
			continue;
		if (p->caps[i] != (i == CAP_SET_EFF || i == CAP_SET_PRM ?
		    p->known->policy.capabilities : 0))
			wrong(a, p, "capabilities", "%s 0x%llx", audit_cap_names[i],
			    (unsigned long long)p->caps[i]);
	}
}

static void
check_flags(struct audit *a, const struct audit_process *p)
{
	if (p->no_new_privs == -1)
		unknown(a, p, "no_new_privs", "not readable");
	else if (p->no_new_privs != 1)
		wrong(a, p, "no_new_privs", "not set");
}

static void
check_namespaces(struct audit *a, const struct audit_process *p)
{
	for (size_t i = 0; i < NS_COUNT; i++) {
		bool due = is_worker(p) && i != NS_TIME;

		if (jail_of(p) == SB_JAIL_SPAWNER || jail_of(p) == SB_JAIL_OPENER)
			due = i == NS_PID;
		if (!due)
			continue;
		if (p->ns[i] == 0)
			unknown(a, p, "namespaces", "%s: not readable",
			    audit_ns_names[i]);
		else if (!p->own[i])
			wrong(a, p, "namespaces", "%s: the host's",
			    audit_ns_names[i]);
		for (size_t k = 0; k < a->n; k++) {
			const struct audit_process *q = &a->processes[k];

			if (q != p && p->ns[i] != 0 && q->ns[i] == p->ns[i] &&
			    i != NS_NET && is_worker(p))
				wrong(a, p, "namespaces", "%s: shared with %s %d",
				    audit_ns_names[i], audit_name(q), (int)q->pid);
		}
	}
	if (is_worker(p) && p->interfaces > 0)
		wrong(a, p, "network", "%d interfaces in its namespace",
		    p->interfaces);
	else if (is_worker(p) && p->interfaces < 0)
		unknown(a, p, "network", "not readable");
}

/* Whether a directory lies where its kind has its share: an empty one is one, too. */
static bool
has_share(const struct audit_process *p)
{
	const uint32_t slot = p->known->policy.share;

	for (size_t i = 0; slot != 0 && i < p->nfds; i++)
		if (p->fds[i].nr == slot && p->fds[i].is == SB_IS_DIRECTORY)
			return true;
	return false;
}

static void
check_root(struct audit *a, const struct audit_process *p)
{
	if (!is_worker(p))
		return;
	if (p->root_entries < 0 || p->mounts < 0) {
		unknown(a, p, "root", "not readable");
		return;
	}
	/* A share has what it has; devices and setuid count for nothing there. */
	if (has_share(p)) {
		if (!p->root_useless)
			wrong(a, p, "root", "a share not mounted nosuid,nodev,noexec");
		return;
	}
	if (p->root_entries > 0)
		wrong(a, p, "root", "has %d entries", p->root_entries);
	if (p->mounts != 1)
		wrong(a, p, "root", "%d mounts, not 1", p->mounts);
	if (!p->root_read_only)
		wrong(a, p, "root", "not mounted ro,nosuid,nodev,noexec");
}

/* The limit may be less than declared, never more. */
static void
at_most(struct audit *a, const struct audit_process *p, enum audit_limit which,
    uint64_t most)
{
	if (most != UINT64_MAX && p->limit[which] > most)
		wrong(a, p, "rlimits", "%s %llu, not %llu", audit_limit_names[which],
		    (unsigned long long)p->limit[which], (unsigned long long)most);
}

static void
check_limits(struct audit *a, const struct audit_process *p)
{
	const struct sb_policy *y = &p->known->policy;

	if (!p->limits_read) {
		unknown(a, p, "rlimits", "not readable");
		return;
	}
	if (jail_of(p) != SB_JAIL_WORKER && jail_of(p) != SB_JAIL_OPENER)
		return;
	at_most(a, p, LIMIT_CORE, 0);
	at_most(a, p, LIMIT_NOFILE, y->rlimit_nofile);
	at_most(a, p, LIMIT_FSIZE, y->rlimit_fsize);
	at_most(a, p, LIMIT_NPROC, y->rlimit_nproc > 0 ? y->rlimit_nproc : 1);
	if (p->limit[LIMIT_AS] == UINT64_MAX)
		wrong(a, p, "rlimits", "as: unlimited");
}

static const struct sb_fd *
slot_of(const struct sb_policy *y, uint32_t nr)
{
	for (size_t i = 0; i < y->nfds; i++)
		if (nr >= y->fds[i].first && nr - y->fds[i].first < y->fds[i].count)
			return &y->fds[i];
	return NULL;
}

static void
check_memfd(struct audit *a, const struct audit_process *p, const struct audit_fd *f)
{
	const unsigned int due = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;

	if ((f->seals & due) != due)
		wrong(a, p, "memfd", "fd %u, %s: seals 0x%x", f->nr, f->text, f->seals);
	else if ((f->seals & F_SEAL_EXEC) == 0)
		note(a, p, "memfd", "fd %u, %s: no MFD_NOEXEC_SEAL (Linux 6.3)", f->nr,
		    f->text);
}

/* The same back end, or the same eventfd, in two device workers. */
static void
check_shared(struct audit *a, const struct audit_process *p, const struct audit_fd *f)
{
	const uint32_t own = SB_IS_FILE | SB_IS_BLOCK | SB_IS_EVENT;

	/* Two shares may have one file. */
	if (p->known->policy.ram != SB_RAM_WRITE || (f->is & own) == 0 ||
	    (p->known->policy.share != 0 && f->is != SB_IS_EVENT) ||
	    strcmp(p->known->name, "vcpu") == 0)
		return;
	for (size_t i = 0; i < a->n; i++) {
		const struct audit_process *q = &a->processes[i];

		if (q <= p || q->known == NULL || !is_worker(q) ||
		    strcmp(q->known->name, "vcpu") == 0)
			continue;
		for (size_t k = 0; k < q->nfds; k++) {
			const struct audit_fd *g = &q->fds[k];
			bool one = f->is == SB_IS_EVENT ?
			    g->is == SB_IS_EVENT && f->id != 0 && f->id == g->id :
			    g->is == f->is && g->inode == f->inode &&
			    g->device == f->device && (f->mode != 'r' ||
			    g->mode != 'r');

			if (one)
				wrong(a, p, "fds", "fd %u, %s, is also %s %d fd %u",
				    f->nr, f->text, audit_name(q), (int)q->pid, g->nr);
		}
	}
}

static void
check_fds(struct audit *a, const struct audit_process *p)
{
	const struct sb_policy *y = &p->known->policy;
	char is[120], due[200];

	if (!p->fds_read) {
		unknown(a, p, "fds", "not readable");
		return;
	}
	for (size_t i = 0; i < p->nfds; i++) {
		const struct audit_fd *f = &p->fds[i];
		const struct sb_fd *s = slot_of(y, f->nr);

		if (f->is == SB_IS_MEMFD)
			check_memfd(a, p, f);
		if (y->nfds == 0)
			continue;	/* they come and go: no fixed places */
		sb_fd_is_text(f->is, is, sizeof(is));
		if (f->is == 0) {
			unknown(a, p, "fds", "fd %u, %s: its kind is not told", f->nr,
			    f->text);
		} else if (s == NULL) {
			wrong(a, p, "fds", "fd %u is not declared: %s, %s", f->nr, is,
			    f->text);
		} else if ((s->is & f->is) == 0) {
			sb_fd_is_text(s->is, due, sizeof(due));
			wrong(a, p, "fds", "fd %u is %s (%s), not %s", f->nr, is,
			    f->text, due);
		}
		check_shared(a, p, f);
	}
}

static void
check_maps(struct audit *a, const struct audit_process *p)
{
	const struct audit_maps *m = &p->maps;

	if (!m->read) {
		unknown(a, p, "memory", "not readable");
		return;
	}
	if (m->wx > 0)
		wrong(a, p, "memory", "%u mappings are writable and executable", m->wx);
	if (m->foreign_exec > 0)
		wrong(a, p, "memory", "%u executable mappings are not its program",
		    m->foreign_exec);
	if (m->ram_write > 0 && p->known->policy.ram != SB_RAM_WRITE)
		wrong(a, p, "guest memory", "%llu bytes writable",
		    (unsigned long long)m->ram_write);
	if (m->ram_read > 0 && p->known->policy.ram == SB_RAM_NONE)
		wrong(a, p, "guest memory", "%llu bytes readable",
		    (unsigned long long)m->ram_read);
	if (m->sealed_code != ANSWER_YES)
		note(a, p, "mseal", "its code and constants are not sealed (Linux 6.10)");
}

static void
check_program(struct audit *a, const struct audit_process *p)
{
	const struct audit_elf *e = &p->elf;

	if (!e->read) {
		unknown(a, p, "program", "not readable");
		return;
	}
	if (!e->pie || !e->static_linked || !e->relro || !e->bind_now ||
	    e->stack_exec || !e->stack_protector)
		wrong(a, p, "program", "%s%s%s%s%s%s", e->pie ? "" : "no PIE ",
		    e->static_linked ? "" : "not static ", e->relro ? "" : "no RELRO ",
		    e->bind_now ? "" : "lazy binding ",
		    e->stack_exec ? "executable stack " : "",
		    e->stack_protector ? "" : "no stack protector");
	if (!e->cet && is_worker(p))
		note(a, p, "program", "no CET marks (Debian 12's static libc has none)");
}

static void
check_task(struct audit *a, const struct audit_process *p, const struct audit_task *t)
{
	if (t->seccomp >= 0 && t->seccomp != 2) {
		wrong(a, p, "seccomp", "thread %d: mode %d, no filter", (int)t->tid,
		    t->seccomp);
		return;
	}
	if (!t->read_back)
		unknown(a, p, "seccomp", "thread %d: %d filters; %s", (int)t->tid,
		    t->nfilters, t->differs);
	else if (!t->declared)
		wrong(a, p, "seccomp", "thread %d: %s", (int)t->tid, t->differs);
	else if (t->nfilters >= 0 && (unsigned int)t->nfilters > AUDIT_FILTERS)
		unknown(a, p, "seccomp", "thread %d: more than %u filters",
		    (int)t->tid, AUDIT_FILTERS);
}

static void
check_probe(struct audit *a, const struct audit_process *p, const struct audit_task *t)
{
	bool leader = t->tid == p->pid;
	bool domain = is_worker(p) || jail_of(p) == SB_JAIL_CONTROLLER;

	if (t->of_kernel)
		return;
	if (t->probe_error != 0) {
		unknown(a, p, "probe", "thread %d: Landlock, dumpable, parent death, "
		    "MDWE not asked: %s", (int)t->tid, !a->by_root ? "needs root" :
		    !a->probe ? "--no-probe" : strerror(t->probe_error));
		return;
	}
	/* To open a share is what its worker is for. */
	if (domain && t->landlock != ANSWER_YES && p->known->policy.share == 0)
		wrong(a, p, "Landlock", "thread %d can open its root directory",
		    (int)t->tid);
	if (t->mdwe == ANSWER_UNKNOWN)
		note(a, p, "MDWE", "not there (Linux 6.3)");
	else if (t->mdwe == ANSWER_NO)
		wrong(a, p, "MDWE", "thread %d: not set", (int)t->tid);
	if (t->dumpable != ANSWER_NO)
		wrong(a, p, "dumpable", "thread %d: can be traced and dumped",
		    (int)t->tid);
	if (jail_of(p) == SB_JAIL_CONTROLLER || jail_of(p) == SB_JAIL_SPAWNER)
		return;
	/* The process dies as a whole: its leader's setting is for all. */
	if (leader && t->parent_death != ANSWER_YES)
		wrong(a, p, "parent death", "outlives the spawner");
}

static void
check_host(struct audit *a)
{
	const struct audit_process *p = &a->processes[0];

	if (p->uid[0] != 0 && a->n > 2 && a->processes[2].uid[0] == p->uid[0])
		note(a, NULL, "ids", "rootless: all processes are uid %u of the host",
		    p->uid[0]);
	if (p->core_error != 0)
		note(a, NULL, "core scheduling", "not there: %s",
		    p->core_error == EINVAL ? "not in this kernel (CONFIG_SCHED_CORE)" :
		    strerror(p->core_error));
	else if (p->core_cookie == 0)
		note(a, NULL, "core scheduling", "no cookie: threads of others may "
		    "share a core");
	audit_check_groups(a);
	if (p->label[0] == '\0')
		note(a, NULL, "label", "no LSM labels processes here");
}

/* --net user=on: a program of the distribution's, which is not built here. */
static bool
is_passt(const struct audit_process *p)
{
	const char *name = strrchr(p->exe, '/');

	return p->known == NULL && name != NULL &&
	    strncmp(name, "/passt", 6) == 0 && strncmp(p->exe, "/usr/", 5) == 0;
}

void
audit_check(struct audit *a)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct audit_process *p = &a->processes[i];

		if (is_passt(p)) {
			note(a, p, "passt", "%s, of the host: it confines itself; its "
			    "policy is not ours to compare", p->exe);
			continue;
		}
		if (p->known == NULL) {
			wrong(a, p, "program", "%s is no program of this build",
			    p->exe[0] != '\0' ? p->exe : p->comm);
			continue;
		}
		if (p->by_name)
			unknown(a, p, "program", "known by its own word alone");
		check_ids(a, p);
		check_capabilities(a, p);
		check_flags(a, p);
		check_namespaces(a, p);
		check_root(a, p);
		check_limits(a, p);
		check_fds(a, p);
		check_maps(a, p);
		check_program(a, p);
		if (p->ntasks == 0)
			unknown(a, p, "seccomp", "no thread is readable");
		for (size_t k = 0; k < p->ntasks; k++) {
			check_task(a, p, &p->tasks[k]);
			check_probe(a, p, &p->tasks[k]);
		}
	}
	if (a->n < 3)
		unknown(a, NULL, "processes", "%zu: it has not started yet, or is "
		    "ending", a->n);
	check_host(a);
}

enum audit_exit
audit_result(const struct audit *a)
{
	enum audit_exit result = AUDIT_DECLARED;

	for (size_t i = 0; i < a->nfindings; i++) {
		if (a->findings[i].level == AUDIT_WRONG)
			return AUDIT_DRIFT;
		if (a->findings[i].level == AUDIT_UNKNOWN)
			result = AUDIT_INCOMPLETE;
	}
	return result;
}

const char *
audit_result_text(enum audit_exit result)
{
	return result == AUDIT_DECLARED ? "as declared" :
	    result == AUDIT_DRIFT ? "drift" : "incomplete";
}
