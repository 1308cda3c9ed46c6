/* SPDX-License-Identifier: Apache-2.0 */
/* `audit --policy KIND`: a policy with its reasons, for which no VM has to run. */
#include <stdio.h>
#include <string.h>

#include "controller/ctl/audit.h"
#include "sandbox/jail.h"

static void
print_rules(const struct sb_policy *y)
{
	char args[256], call[320];

	for (size_t i = 0; i < y->nrules; i++) {
		sb_rule_text(&y->rules[i], args, sizeof(args));
		(void)snprintf(call, sizeof(call), "%s(%s)", y->rules[i].name, args);
		(void)printf("  %-62s %s\n", call, y->rules[i].reason);
	}
}

static void
print_fds(const struct sb_policy *y)
{
	char is[200];

	for (size_t i = 0; i < y->nfds; i++) {
		const struct sb_fd *f = &y->fds[i];

		sb_fd_is_text(f->is, is, sizeof(is));
		if (f->count == 1)
			(void)printf("  %-11u %s: %s\n", f->first, f->what, is);
		else
			(void)printf("  %4u..%-5u %s: %s\n", f->first,
			    f->first + f->count - 1, f->what, is);
	}
}

static void
print_policy(const struct sb_known *k)
{
	static const char *const ram[] = { "not mapped", "mapped read-only",
	    "mapped" };
	const struct sb_policy *y = &k->policy;
	struct sb_counts n;

	sb_count(y, &n);
	if (y->denylist)
		(void)printf("%s: %u calls kill, all others are allowed; every child "
		    "inherits this\n", k->name, n.calls);
	else
		(void)printf("%s: %u calls allowed, %u of them bound to fds or "
		    "arguments, in %u rules\n", k->name, n.calls, n.bound, n.rules);
	print_rules(y);
	if (y->nfds > 0)
		(void)printf("fds:\n");
	print_fds(y);
	if (y->denylist)
		return;
	(void)printf("guest memory: %s\nrlimits: nofile %llu, nproc %llu", ram[y->ram],
	    (unsigned long long)y->rlimit_nofile,
	    (unsigned long long)(y->rlimit_nproc > 0 ? y->rlimit_nproc : 1));
	if (y->rlimit_fsize == UINT64_MAX)
		(void)printf(", fsize unlimited\n");
	else
		(void)printf(", fsize %llu\n", (unsigned long long)y->rlimit_fsize);
}

int
audit_policy(const char *kind)
{
	bool all = strcmp(kind, "all") == 0;

	if (!all && sb_known_find(kind) == NULL) {
		(void)fprintf(stderr, "bulkheadctl: audit: --policy %s: no such kind "
		    "of process:", kind);
		for (size_t i = 0; sb_known[i] != NULL; i++)
			(void)fprintf(stderr, " %s", sb_known[i]->name);
		(void)fprintf(stderr, "\n");
		return AUDIT_USAGE;
	}
	for (size_t i = 0; sb_known[i] != NULL; i++)
		if (all || strcmp(sb_known[i]->name, kind) == 0) {
			print_policy(sb_known[i]);
			if (all && sb_known[i + 1] != NULL)
				(void)printf("\n");
		}
	return 0;
}
