/* SPDX-License-Identifier: Apache-2.0 */
/*
 * genfilter: a build-time tool, linked with one policy, that prints the policy's
 * seccomp filter as C. Runs on the build host and is not installed. Before it
 * prints, it checks the program that libseccomp made against a direct reading of
 * the policy (filter_model.c) and fails the build where they differ.
 *
 *	genfilter [--sanitized] [--name PREFIX]
 *	genfilter --list
 *	genfilter --table NAME
 *
 * --sanitized adds sandbox/sanitizer_policy.c; --name gives the two symbols
 * another prefix than "jail" (the spawner's, which shares its binary). --list
 * prints the policy for people instead (make policies); --table prints policy and
 * filter as a `struct sb_known` for the audit (known.h).
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/filter_model.h"
#include "sandbox/gentable.h"
#include "sandbox/policy.h"

#define ROUNDS 400u	/* drawn arguments a call */

static struct sock_filter program[BPF_MAXINSNS];

static void
fail(const char *what, const char *call, int error)
{
	(void)fprintf(stderr, "genfilter: policy %s: %s %s: %s\n", sb_policy.kind, what,
	    call, error < 0 ? strerror(-error) : "bad rule");
	exit(1);
}

static bool
unconditional(const struct sb_rule *rule)
{
	for (size_t i = 0; i < SB_MAX_ARGS; i++)
		if (rule->arg[i].cmp != SB_CMP_NONE)
			return false;
	return true;
}

/* Whether any rule allows @nr whatever its arguments: the others are idle then. */
static bool
always(const struct sb_rule *rules, size_t n, int nr)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].nr == nr && unconditional(&rules[i]))
			return true;
	return false;
}

/* Turn a rule's conditions into libseccomp's. Returns how many there are. */
static unsigned int
conditions(const struct sb_rule *rule, struct scmp_arg_cmp *out)
{
	unsigned int n = 0;

	for (size_t i = 0; i < SB_MAX_ARGS; i++) {
		const struct sb_arg *a = &rule->arg[i];

		if (a->cmp == SB_CMP_NONE)
			continue;
		if (a->index > 5)
			fail("argument index in a rule of", rule->name, 0);
		switch (a->cmp) {
		case SB_CMP_EQ:
			out[n++] = SCMP_CMP64(a->index, SCMP_CMP_EQ, a->value, 0);
			break;
		case SB_CMP_EQ32:
			out[n++] = SCMP_CMP64(a->index, SCMP_CMP_MASKED_EQ,
			    UINT32_MAX, (uint32_t)a->value);
			break;
		case SB_CMP_MASK32:
			if ((a->value & ~(uint64_t)a->mask) != 0)
				fail("value outside its mask in a rule of",
				    rule->name, 0);
			out[n++] = SCMP_CMP64(a->index, SCMP_CMP_MASKED_EQ,
			    a->mask, a->value);
			break;
		default:
			fail("comparison in a rule of", rule->name, 0);
		}
	}
	return n;
}

/*
 * Add the rules of a table. Skips conditional forms of a call that @others
 * (also a table, may be the same) allows always.
 */
static void
add_rules(scmp_filter_ctx ctx, uint32_t action, const struct sb_rule *rules,
    size_t nrules, const struct sb_rule *extra, size_t nextra)
{
	struct scmp_arg_cmp cmp[SB_MAX_ARGS];

	for (size_t i = 0; i < nrules; i++) {
		const struct sb_rule *r = &rules[i];
		unsigned int n;
		int rc;

		if (r->name == NULL || r->reason == NULL || *r->reason == '\0')
			fail("no reason given for", r->name ? r->name : "?", 0);
		n = conditions(r, cmp);
		if (n > 0 && (always(rules, nrules, r->nr) ||
		    always(extra, nextra, r->nr)))
			continue;
		rc = seccomp_rule_add_exact_array(ctx, action, r->nr, n, cmp);
		if (rc != 0 && rc != -EEXIST)
			fail("cannot add", r->name, rc);
	}
}

static void
add_kills(scmp_filter_ctx ctx)
{
	for (int nr = 0; nr < 1024; nr++) {
		bool named = false;

		if (!filter_kills_at_once(nr))
			continue;
		for (size_t i = 0; i < sb_policy.nrules; i++)
			named |= sb_policy.rules[i].nr == nr;
		if (named)
			continue;
		if (seccomp_rule_add_exact_array(ctx, SCMP_ACT_KILL_PROCESS, nr,
		    0, NULL) != 0)
			fail("cannot deny", "a killing call", 0);
	}
}

static size_t
build(bool sanitized)
{
	size_t nextra = sanitized ? sb_sanitizer_nrules : 0;
	uint32_t rest = sb_policy.denylist ? SCMP_ACT_ALLOW : SCMP_ACT_NOTIFY;
	uint32_t hit = sb_policy.denylist ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ALLOW;
	scmp_filter_ctx ctx;
	ssize_t got;
	int fd, rc;

	/* What the build host's kernel can do is of no interest. */
	if (seccomp_api_set(6) != 0)
		fail("libseccomp too old for", "user notification", 0);
	ctx = seccomp_init(rest);
	if (ctx == NULL)
		fail("seccomp_init", "", 0);
	if (seccomp_arch_exist(ctx, SCMP_ARCH_X86_64) != 0)
		fail("built for", "another architecture than x86-64", 0);
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)	/* 2: a binary tree of the call numbers */
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc != 0)
		fail("attributes", "", rc);
	add_rules(ctx, hit, sb_policy.rules, sb_policy.nrules,
	    sb_sanitizer_rules, nextra);
	if (!sb_policy.denylist) {
		add_rules(ctx, hit, sb_sanitizer_rules, nextra,
		    sb_policy.rules, sb_policy.nrules);
		add_kills(ctx);
	}
	fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0)
		fail("memfd", "", 0);
	rc = seccomp_export_bpf(ctx, fd);
	if (rc != 0)
		fail("export", "", rc);
	seccomp_release(ctx);
	got = pread(fd, program, sizeof(program), 0);
	if (got <= 0 || (size_t)got == sizeof(program) || got % 8 != 0)
		fail("size of", "the filter", 0);
	close(fd);
	return (size_t)got / sizeof(program[0]);
}

static void
print(const char *prefix, size_t len)
{
	(void)printf("/* Made by genfilter from policy \"%s\". */\n"
	    "#include \"sandbox/jail.h\"\n\n", sb_policy.kind);
	if (strcmp(prefix, "jail") != 0)
		(void)printf("extern const struct sock_filter %s_filter[];\n"
		    "extern const unsigned short %s_filter_len;\n", prefix, prefix);
	(void)printf("const struct sock_filter %s_filter[] = {\n", prefix);
	for (size_t i = 0; i < len; i++)
		(void)printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", program[i].code,
		    program[i].jt, program[i].jf, program[i].k);
	(void)printf("};\nconst unsigned short %s_filter_len = %zu;\n", prefix, len);
}

static size_t
distinct_calls(void)
{
	size_t n = 0;

	for (size_t i = 0; i < sb_policy.nrules; i++) {
		size_t k = 0;

		while (sb_policy.rules[k].nr != sb_policy.rules[i].nr)
			k++;
		n += k == i;
	}
	return n;
}

/* One rule for people: call(conditions)  reason. */
static void
list_rule(const struct sb_rule *r)
{
	char text[256];
	size_t used = (size_t)snprintf(text, sizeof(text), "%s(", r->name);
	const char *comma = "";

	for (size_t i = 0; i < SB_MAX_ARGS; i++) {
		const struct sb_arg *a = &r->arg[i];

		if (a->cmp == SB_CMP_NONE)
			continue;
		if (a->cmp == SB_CMP_MASK32)
			used += (size_t)snprintf(text + used, sizeof(text) - used,
			    "%sa%u & 0x%x == 0x%llx", comma, a->index, a->mask,
			    (unsigned long long)a->value);
		else
			used += (size_t)snprintf(text + used, sizeof(text) - used,
			    "%sa%u == 0x%llx", comma, a->index,
			    (unsigned long long)a->value);
		comma = ", ";
	}
	(void)snprintf(text + used, sizeof(text) - used, ")");
	(void)printf("  %-60s %s\n", text, r->reason);
}

static int
list(void)
{
	size_t bound = 0;

	for (size_t i = 0; i < sb_policy.nrules; i++)
		bound += !unconditional(&sb_policy.rules[i]);
	(void)printf("%s: %zu calls %s, %zu rules, %zu of them bound to arguments\n",
	    sb_policy.kind, distinct_calls(),
	    sb_policy.denylist ? "denied" : "allowed", sb_policy.nrules, bound);
	for (size_t i = 0; i < sb_policy.nrules; i++)
		list_rule(&sb_policy.rules[i]);
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}

int
main(int argc, char **argv)
{
	const char *prefix = "jail", *table = NULL;
	bool sanitized = false;
	struct seccomp_data bad;
	size_t len;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--sanitized") == 0)
			sanitized = true;
		else if (strcmp(argv[i], "--list") == 0)
			return list();
		else if (strcmp(argv[i], "--table") == 0 && i + 1 < argc)
			table = argv[++i];
		else if (strcmp(argv[i], "--name") == 0 && i + 1 < argc)
			prefix = argv[++i];
		else
			fail("unknown argument", argv[i], 0);
	}
	len = build(sanitized);
	if (!filter_agrees(&sb_policy, sb_sanitizer_rules,
	    sanitized ? sb_sanitizer_nrules : 0, program, len, ROUNDS, &bad)) {
		(void)fprintf(stderr, "genfilter: policy %s: the filter is not the policy: "
		    "call %d arch %x args %llx %llx %llx %llx %llx %llx\n",
		    sb_policy.kind, bad.nr, bad.arch, bad.args[0], bad.args[1],
		    bad.args[2], bad.args[3], bad.args[4], bad.args[5]);
		return 1;
	}
	if (table != NULL)
		return gentable(table, program, len) != 0;
	print(prefix, len);
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
