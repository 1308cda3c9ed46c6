/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gensandbox: a build-time tool that prints docs/sandbox.md from the policies of all
 * programs (known.h). `make docs` writes the page; tests/jail/audit fails when it
 * is not what this prints.
 */
#include <stdio.h>
#include <string.h>

#include "sandbox/known.h"

static const char *
ram_text(const struct sb_policy *y)
{
	static const char *const texts[] = { "not mapped", "read-only", "mapped" };

	return texts[y->ram];
}

static void
print_limit(const char *name, uint64_t value, const char *end)
{
	if (value == UINT64_MAX)
		(void)printf("%s unlimited%s", name, end);
	else
		(void)printf("%s %llu%s", name, (unsigned long long)value, end);
}

static void
print_rules(const struct sb_policy *y)
{
	char args[256];

	(void)printf("| call | %s | why |\n|---|---|---|\n",
	    y->denylist ? "with" : "allowed with");
	for (size_t i = 0; i < y->nrules; i++) {
		sb_rule_text(&y->rules[i], args, sizeof(args));
		(void)printf("| %s | %s | %s |\n", y->rules[i].name,
		    args[0] != '\0' ? args : "any", y->rules[i].reason);
	}
	(void)printf("\n");
}

static void
print_fds(const struct sb_policy *y)
{
	char is[256];

	if (y->nfds == 0) {
		(void)printf("Its fds come and go, and have no fixed places.\n\n");
		return;
	}
	(void)printf("| fd | may be | what |\n|---|---|---|\n");
	for (size_t i = 0; i < y->nfds; i++) {
		const struct sb_fd *f = &y->fds[i];

		sb_fd_is_text(f->is, is, sizeof(is));
		if (f->count == 1)
			(void)printf("| %u | %s | %s |\n", f->first, is, f->what);
		else
			(void)printf("| %u..%u | %s | %s |\n", f->first,
			    f->first + f->count - 1, is, f->what);
	}
	(void)printf("\n");
}

static void
print_kind(const struct sb_known *k)
{
	const struct sb_policy *y = &k->policy;
	struct sb_counts n;

	sb_count(y, &n);
	(void)printf("## %s\n\n", k->name);
	if (y->denylist) {
		(void)printf("%u calls kill; every process below the spawner is under "
		    "this filter, and under one of its own.\n\n", n.calls);
		print_rules(y);
		return;
	}
	(void)printf("%u calls, %u of them bound to fds or arguments in every form; "
	    "guest memory %s; ", n.calls, n.bound, ram_text(y));
	print_limit("rlimits: nofile", y->rlimit_nofile, ", ");
	print_limit("nproc", y->rlimit_nproc > 0 ? y->rlimit_nproc : 1, ", ");
	print_limit("fsize", y->rlimit_fsize, ".\n\n");
	print_rules(y);
	print_fds(y);
}

static void
print_summary(void)
{
	(void)printf("| process | calls | bound | guest memory | fd slots |\n"
	    "|---|---|---|---|---|\n");
	for (size_t i = 0; sb_known[i] != NULL; i++) {
		const struct sb_policy *y = &sb_known[i]->policy;
		unsigned int slots = 0;
		struct sb_counts n;

		sb_count(y, &n);
		for (size_t k = 0; k < y->nfds; k++)
			slots += y->fds[k].count;
		if (y->denylist)
			(void)printf("| %s | all but %u | - | %s | - |\n",
			    sb_known[i]->name, n.calls, ram_text(y));
		else if (slots > 0)
			(void)printf("| %s | %u | %u | %s | %u |\n", sb_known[i]->name,
			    n.calls, n.bound, ram_text(y), slots);
		else
			(void)printf("| %s | %u | %u | %s | any |\n",
			    sb_known[i]->name, n.calls, n.bound, ram_text(y));
	}
	(void)printf("\n");
}

int
main(void)
{
	(void)printf("# Sandbox\n\n"
	    "Made by `make docs` from the tables that the filters are made from "
	    "(`*_policy.c`);\ndo not edit. What a process does before its jail closes, "
	    "and the stages in which it\ncloses, are in [audit.md](audit.md), which "
	    "tells how a running VM is compared with\nthis page.\n\n"
	    "A call that is not listed is denied: it is recorded with its arguments and "
	    "its process\nkilled; execve, ptrace, mount and their like kill at once. "
	    "\"fd 64..127\" is a range of\nslots (`ipc/slots.h`); aN is argument N, of "
	    "which fds and flags are compared in their\nlow 32 bits, as the kernel "
	    "takes them.\n\n");
	print_summary();
	for (size_t i = 0; sb_known[i] != NULL; i++)
		print_kind(sb_known[i]);
	return ferror(stdout) || fflush(stdout) != 0 ? 1 : 0;
}
