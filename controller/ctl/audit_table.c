/* SPDX-License-Identifier: Apache-2.0 */
/* The audit for people: one line a process, then what was found. */
#include <stdio.h>
#include <string.h>

#include "build_id.h"
#include "controller/ctl/audit.h"
#include "sandbox/notify.h"

const char *
audit_name(const struct audit_process *p)
{
	return p->known != NULL ? p->known->name : p->comm[0] != '\0' ? p->comm : "?";
}

static void
size_text(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "BKMGT";
	unsigned int u = 0;

	while (bytes >= 1024 && bytes % 1024 == 0 && u < 4) {
		bytes /= 1024;
		u++;
	}
	if (u == 0)
		(void)snprintf(buf, size, "%llu", (unsigned long long)bytes);
	else
		(void)snprintf(buf, size, "%llu%c", (unsigned long long)bytes, units[u]);
}

static void
memory_text(const struct audit_maps *m, char *buf, size_t size)
{
	char text[24];

	if (!m->read) {
		(void)snprintf(buf, size, "?");
	} else if (m->ram_read + m->ram_write == 0) {
		(void)snprintf(buf, size, "none");
	} else {
		size_text(m->ram_write > 0 ? m->ram_write : m->ram_read, text,
		    sizeof(text));
		(void)snprintf(buf, size, "%s %s", text,
		    m->ram_write > 0 ? "rw" : "ro");
	}
}

/* "u m p n i t c": namespaces that are its own, by their first letters. */
static void
namespaces_text(const struct audit_process *p, char *buf)
{
	static const char letters[NS_COUNT] = { 'u', 'm', 'p', 'n', 'i', 't', 'c', '\0' };
	size_t used = 0;

	for (size_t i = 0; i < NS_TIME; i++) {
		buf[used] = '-';
		if (p->ns[i] == 0)
			buf[used] = '?';
		else if (p->own[i])
			buf[used] = letters[i];
		used++;
	}
	buf[used] = '\0';
}

static const char *
filter_text(const struct audit_process *p)
{
	bool all = p->ntasks > 0, read = p->ntasks > 0, same = true;

	for (size_t i = 0; i < p->ntasks; i++) {
		if (p->tasks[i].seccomp != 2)
			return "NONE";
		all = all && p->tasks[i].declared;
		read = read && p->tasks[i].read_back;
		same = same && p->tasks[i].same_bytes;
	}
	return !read ? "on, unread" : !all ? "DIFFERS" : same ? "as built" : "as meant";
}

static const char *
caps_text(const struct audit_process *p)
{
	if (p->caps[CAP_SET_PRM] != 0)
		return "some";
	return p->caps[CAP_SET_BND] != 0 ? "none held" : "none";
}

static void
print_process(const struct audit_process *p)
{
	char memory[32], ns[16], calls[16] = "?", bound[16] = "-", root[16] = "?";

	if (p->ntasks > 0 && p->tasks[0].read_back) {
		bool most = p->tasks[0].ncalls > AUDIT_LAST_NR / 2;

		(void)snprintf(calls, sizeof(calls), most ? "-%u" : "%u", most ?
		    AUDIT_LAST_NR - p->tasks[0].ncalls : p->tasks[0].ncalls);
		if (!most)
			(void)snprintf(bound, sizeof(bound), "%u",
			    p->tasks[0].nbound);
	}
	if (p->root_entries == 0)
		(void)snprintf(root, sizeof(root), "empty");
	else if (p->root_entries > 0)
		(void)snprintf(root, sizeof(root), "%s",
		    p->own[NS_MNT] ? "its own" : "host's");
	memory_text(&p->maps, memory, sizeof(memory));
	namespaces_text(p, ns);
	(void)printf("%-12.12s %7d %10u %3zu %5s %5s %-10s %-9s %-7s %-7s %-8s %4zu\n",
	    audit_name(p), (int)p->pid, p->uid[1], p->ntasks, calls, bound,
	    filter_text(p), caps_text(p), ns, root, memory, p->nfds);
}

static void
print_calls(const struct audit_task *t)
{
	unsigned int column = 0;
	bool most = t->ncalls > AUDIT_LAST_NR / 2;

	(void)printf(most ? "  calls that are denied (+: with some arguments), all "
	    "others are allowed" : "  calls (+: bound to fds or arguments)");
	for (int nr = 0; nr < AUDIT_LAST_NR; nr++) {
		const char *name = notify_call_name(nr);
		char text[40];

		if (t->calls[nr] == (most ? CALL_FREE : CALL_DENIED))
			continue;
		if (name[0] == '?')
			(void)snprintf(text, sizeof(text), "#%d", nr);
		else
			(void)snprintf(text, sizeof(text), "%s%s", name,
			    t->calls[nr] == CALL_BOUND ? "+" : "");
		(void)printf("%s%s", column % 6 == 0 ? "\n    " : "  ", text);
		column++;
	}
	(void)printf("\n");
}

static void
print_fd(const struct audit_process *p, const struct audit_fd *f)
{
	const char *what = "";
	char is[120], seals[32] = "";

	sb_fd_is_text(f->is, is, sizeof(is));
	for (size_t i = 0; p->known != NULL && i < p->known->policy.nfds; i++) {
		const struct sb_fd *s = &p->known->policy.fds[i];

		if (f->nr >= s->first && f->nr - s->first < s->count)
			what = s->what;
	}
	if (f->is == SB_IS_MEMFD)
		(void)snprintf(seals, sizeof(seals), " seals 0x%x", f->seals);
	(void)printf("  fd %4u  %-16s %c %-34.34s %s%s\n", f->nr, is,
	    f->mode != '\0' ? f->mode : '?',
	    f->peer_text[0] != '\0' ? f->peer_text : f->text, what, seals);
}

static void
print_group(const struct audit_group *g)
{
	if (!g->own)
		return;
	(void)printf("  limits  VM memory.max %lld", (long long)g->vm_memory);
	for (size_t i = 0; i < GROUP_COUNT; i++)
		if (g->limit[i] != 0 && g->limit[i] != UINT64_MAX)
			(void)printf(", %s %llu", audit_group_names[i],
			    (unsigned long long)g->limit[i]);
	(void)printf("\n");
}

static void
print_full(const struct audit_process *p)
{
	(void)printf("\n%s %d  %s\n", audit_name(p), (int)p->pid, p->exe);
	(void)printf("  ids     uid %u gid %u, %u groups, no_new_privs %d, "
	    "root %s, cwd %s\n", p->uid[0], p->gid[0], p->ngroups, p->no_new_privs,
	    p->root, p->cwd);
	(void)printf("  caps   ");
	for (size_t i = 0; i < CAP_SETS; i++)
		(void)printf(" %s %llx", audit_cap_names[i],
		    (unsigned long long)p->caps[i]);
	(void)printf("\n  limits ");
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		if (p->limit[i] == UINT64_MAX)
			(void)printf(" %s unlimited", audit_limit_names[i]);
		else
			(void)printf(" %s %llu", audit_limit_names[i],
			    (unsigned long long)p->limit[i]);
	}
	(void)printf("\n  cgroup  %s, label %s, oom_score_adj %d\n",
	    p->cgroup[0] != '\0' ? p->cgroup : "-",
	    p->label[0] != '\0' ? p->label : "-", p->oom_score_adj);
	print_group(&p->group);
	if (p->ntasks > 0 && p->tasks[0].read_back)
		print_calls(&p->tasks[0]);
	for (size_t i = 0; i < p->nfds; i++)
		print_fd(p, &p->fds[i]);
}

static void
print_findings(const struct audit *a, enum audit_level level, const char *title)
{
	bool any = false;

	for (size_t i = 0; i < a->nfindings; i++) {
		const struct audit_finding *f = &a->findings[i];
		bool again = false;

		if (f->level != level)
			continue;
		/* What the host lacks is the same for all: once is enough. */
		for (size_t k = 0; level == AUDIT_NOTE && k < i; k++)
			again = again || (a->findings[k].level == level &&
			    strcmp(a->findings[k].text, f->text) == 0);
		if (again)
			continue;
		if (!any)
			(void)printf("\n%s\n", title);
		any = true;
		if (level == AUDIT_NOTE)
			(void)printf("  %-16s %s\n", f->item, f->text);
		else
			(void)printf("  %-12.12s %7d  %-14s %s\n", f->process, (int)f->pid,
			    f->item, f->text);
	}
}

void
audit_print(const struct audit *a, bool full)
{
	(void)printf("Audit of the VM of process %d, %s, by %s\n"
	    "Linux %s; policies of Bulkhead %s (%s)\n\n", (int)a->controller, a->when,
	    a->by_root ? "root" : "an ordinary user", a->kernel, BULKHEAD_VERSION,
	    BULKHEAD_BUILD_ID);
	(void)printf("%-12s %7s %10s %3s %5s %5s %-10s %-9s %-7s %-7s %-8s %4s\n",
	    "process", "pid", "uid", "thr", "calls", "bound", "filter", "caps",
	    "own ns", "root", "guest", "fds");
	for (size_t i = 0; i < a->n; i++)
		print_process(&a->processes[i]);
	(void)printf("\ncalls: system calls that the filters in the kernel allow; bound: "
	    "of these, only on\ncertain fds or arguments; -N: all but N. own ns: user, mount, pid, "
	    "network, ipc, uts (t),\ncgroup. guest: guest memory that it maps.\n");
	for (size_t i = 0; full && i < a->n; i++)
		print_full(&a->processes[i]);
	print_findings(a, AUDIT_WRONG, "Differs from what is declared:");
	print_findings(a, AUDIT_UNKNOWN, "Could not be looked at:");
	print_findings(a, AUDIT_NOTE, "Not given by this host:");
	(void)printf("\nResult: %s\n", audit_result_text(audit_result(a)));
}
