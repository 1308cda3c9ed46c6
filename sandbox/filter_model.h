/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy means, evaluated directly, and what a BPF program does,
 * interpreted: two independent readings of one policy. Used by genfilter, which
 * refuses to print a filter on which they differ, and by its unit test. In no
 * shipped program.
 */
#ifndef BULKHEAD_SANDBOX_FILTER_MODEL_H
#define BULKHEAD_SANDBOX_FILTER_MODEL_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/policy.h"

/* Whether the rule holds for these arguments (its call is not looked at). */
bool filter_rule_matches(const struct sb_rule *rule, const uint64_t args[6]);

/* Whether @nr is killed at once when no rule allows it: execve and its like. */
bool filter_kills_at_once(int nr);

/*
 * The SECCOMP_RET_* that the policy asks for. @extra are further rules (the
 * sanitizers'), may be NULL with @nextra 0.
 */
uint32_t filter_expected(const struct sb_policy *policy,
    const struct sb_rule *extra, size_t nextra, const struct seccomp_data *data);

/*
 * Run a classic BPF program as the kernel would, @len instructions. Returns its
 * verdict, or 0 (which no filter of ours returns) where it uses an instruction
 * that seccomp filters have no business with or leaves its bounds.
 */
uint32_t filter_run(const struct sock_filter *prog, size_t len,
    const struct seccomp_data *data);

/*
 * Compare the two on at least @rounds arguments for each call number, drawn from
 * the rules' own values, their neighbours and noise. False on a difference,
 * which is then in *bad.
 */
bool filter_agrees(const struct sb_policy *policy, const struct sb_rule *extra,
    size_t nextra, const struct sock_filter *prog, size_t len,
    unsigned int rounds, struct seccomp_data *bad);

#endif
