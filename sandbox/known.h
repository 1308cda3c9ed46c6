/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies of all programs of this build, and their filters, in one table: for
 * who looks at processes from outside (bulkheadctl audit) and for docs/sandbox.md.
 * Made by `genfilter --table`; no jailed program has it.
 */
#ifndef BULKHEAD_SANDBOX_KNOWN_H
#define BULKHEAD_SANDBOX_KNOWN_H

#include <linux/filter.h>
#include <stddef.h>

#include "sandbox/policy.h"

struct sb_known {
	const char *name;	/* "blk", "vhost-user-blk", "controller", "spawner" */
	struct sb_policy policy;
	const struct sock_filter *filter;
	unsigned int filter_len;
};

/* Ends with NULL. */
extern const struct sb_known *const sb_known[];

/* By name, or NULL. */
const struct sb_known *sb_known_find(const char *name);

/* Whether the rule binds no argument. */
bool sb_rule_is_free(const struct sb_rule *rule);

struct sb_counts {
	unsigned int calls;	/* that are allowed in some form; denied: a denylist's */
	unsigned int bound;	/* of them, in every form bound to an fd or argument */
	unsigned int rules;
};
void sb_count(const struct sb_policy *policy, struct sb_counts *counts);

/* "fd 8..15, a1 == 0x10"; of an unconditional rule "". */
void sb_rule_text(const struct sb_rule *rule, char *buf, size_t size);

/* "eventfd", "sealed memfd or /dev/null" */
void sb_fd_is_text(uint32_t is, char *buf, size_t size);

#endif
