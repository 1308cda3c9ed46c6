/* SPDX-License-Identifier: Apache-2.0 */
/* Prints a policy and its filter as C, see gentable.h. */
#include "sandbox/gentable.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "sandbox/policy.h"

/* A string literal; reasons are plain text, but a quote may be in one. */
static void
put_text(const char *text)
{
	(void)putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)putchar('\\');
		(void)putchar(*text);
	}
	(void)putchar('"');
}

static void
put_rules(void)
{
	(void)puts("static const struct sb_rule rules[] = {");
	for (size_t i = 0; i < sb_policy.nrules; i++) {
		const struct sb_rule *r = &sb_policy.rules[i];

		(void)printf("\t{ .nr = %d, .name = \"%s\", .arg = {", r->nr, r->name);
		for (size_t k = 0; k < SB_MAX_ARGS; k++)
			(void)printf(" { %u, %u, 0x%x, 0x%llx },", r->arg[k].index,
			    r->arg[k].cmp, r->arg[k].mask,
			    (unsigned long long)r->arg[k].value);
		(void)printf(" },\n\t    .reason = ");
		put_text(r->reason);
		(void)puts(" },");
	}
	(void)puts("};");
}

static void
put_fds(void)
{
	if (sb_policy.nfds == 0)
		return;
	(void)puts("static const struct sb_fd fds[] = {");
	for (size_t i = 0; i < sb_policy.nfds; i++) {
		const struct sb_fd *f = &sb_policy.fds[i];

		(void)printf("\t{ .first = %u, .count = %u, .is = 0x%x, .what = ",
		    f->first, f->count, f->is);
		put_text(f->what);
		(void)puts(" },");
	}
	(void)puts("};");
}

static void
put_symbol(const char *name)
{
	(void)printf("const struct sb_known sb_known_");
	for (; *name != '\0'; name++)
		(void)putchar(*name == '-' ? '_' : *name);
}

int
gentable(const char *name, const struct sock_filter *filter, size_t len)
{
	(void)printf("/* Made by genfilter from policy \"%s\". */\n"
	    "#include \"sandbox/known.h\"\n\n", sb_policy.kind);
	put_rules();
	put_fds();
	(void)puts("static const struct sock_filter filter[] = {");
	for (size_t i = 0; i < len; i++)
		(void)printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", filter[i].code,
		    filter[i].jt, filter[i].jf, filter[i].k);
	(void)puts("};");
	(void)printf("extern ");
	put_symbol(name);
	(void)puts(";");
	put_symbol(name);
	(void)printf(" = {\n\t.name = \"%s\",\n\t.policy = {\n"
	    "\t\t.kind = \"%s\",\n\t\t.rules = rules,\n\t\t.nrules = %zu,\n",
	    name, sb_policy.kind, sb_policy.nrules);
	if (sb_policy.nfds > 0)
		(void)printf("\t\t.fds = fds,\n\t\t.nfds = %zu,\n", sb_policy.nfds);
	(void)printf("\t\t.jail = %d,\n\t\t.ram = %d,\n"
	    "\t\t.rlimit_nofile = UINT64_C(%ju),\n\t\t.rlimit_fsize = UINT64_C(%ju),\n"
	    "\t\t.rlimit_nproc = UINT64_C(%ju),\n\t\t.share = %u,\n"
	    "\t\t.capabilities = UINT64_C(%ju),\n\t\t.denylist = %d,\n\t},\n"
	    "\t.filter = filter,\n\t.filter_len = %zu,\n};\n",
	    (int)sb_policy.jail, (int)sb_policy.ram,
	    (uintmax_t)sb_policy.rlimit_nofile, (uintmax_t)sb_policy.rlimit_fsize,
	    (uintmax_t)sb_policy.rlimit_nproc, sb_policy.share,
	    (uintmax_t)sb_policy.capabilities, sb_policy.denylist, len);
	return ferror(stdout) || fflush(stdout) != 0 ? -EIO : 0;
}
