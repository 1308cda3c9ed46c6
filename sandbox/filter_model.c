/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meaning of policies and of BPF programs; see filter_model.h.
 */
#include "sandbox/filter_model.h"

#include <linux/audit.h>
#include <string.h>

#define LAST_NR 600	/* above the last system call of any kernel so far */
#define X32_BIT 0x40000000

/*
 * Killed with SIGSYS without asking: what turns a code execution into more of
 * it, or reaches into the kernel or another process. A worker has no use for
 * any of it, so a report of the arguments is not worth a second of life.
 */
static const int kill_at_once[] = {
	SYS_execve, SYS_execveat, SYS_ptrace,
	SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd,
	SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
	SYS_kexec_load, SYS_kexec_file_load,
	SYS_init_module, SYS_finit_module, SYS_delete_module,
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
	SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount,
	SYS_fspick, SYS_mount_setattr,
	SYS_unshare, SYS_setns,
	SYS_iopl, SYS_ioperm, SYS_modify_ldt,
	SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl,
	SYS_keyctl, SYS_add_key, SYS_request_key,
	SYS_open_by_handle_at,
	SYS_settimeofday, SYS_clock_settime,
};

bool
filter_rule_matches(const struct sb_rule *rule, const uint64_t args[6])
{
	for (size_t i = 0; i < SB_MAX_ARGS; i++) {
		const struct sb_arg *a = &rule->arg[i];

		switch ((enum sb_cmp)a->cmp) {
		case SB_CMP_NONE:
			continue;
		case SB_CMP_EQ:
			if (args[a->index] != a->value)
				return false;
			break;
		case SB_CMP_EQ32:
			if ((uint32_t)args[a->index] != (uint32_t)a->value)
				return false;
			break;
		case SB_CMP_MASK32:
			if (((uint32_t)args[a->index] & a->mask) !=
			    (uint32_t)a->value)
				return false;
			break;
		}
	}
	return true;
}

bool
filter_kills_at_once(int nr)
{
	for (size_t i = 0; i < sizeof(kill_at_once) / sizeof(int); i++)
		if (kill_at_once[i] == nr)
			return true;
	return false;
}

static bool
any_matches(const struct sb_rule *rules, size_t n,
    const struct seccomp_data *data)
{
	uint64_t args[6];

	for (size_t i = 0; i < 6; i++)
		args[i] = data->args[i];
	for (size_t i = 0; i < n; i++)
		if (rules[i].nr == data->nr &&
		    filter_rule_matches(&rules[i], args))
			return true;
	return false;
}

static bool
any_names(const struct sb_rule *rules, size_t n, int nr)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].nr == nr)
			return true;
	return false;
}

uint32_t
filter_expected(const struct sb_policy *policy, const struct sb_rule *extra,
    size_t nextra, const struct seccomp_data *data)
{
	bool hit;

	if (data->arch != AUDIT_ARCH_X86_64 ||
	    ((uint32_t)data->nr >= X32_BIT && data->nr != -1))
		return SECCOMP_RET_KILL_PROCESS;
	hit = any_matches(policy->rules, policy->nrules, data);
	if (policy->denylist)
		return hit ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW;
	if (hit || any_matches(extra, nextra, data))
		return SECCOMP_RET_ALLOW;
	/* A call that is allowed in some form is reported, not killed. */
	if (filter_kills_at_once(data->nr) &&
	    !any_names(policy->rules, policy->nrules, data->nr))
		return SECCOMP_RET_KILL_PROCESS;
	return SECCOMP_RET_USER_NOTIF;
}

static bool
jump_taken(const struct sock_filter *in, uint32_t acc)
{
	switch (BPF_OP(in->code)) {
	case BPF_JA:
		return true;
	case BPF_JEQ:
		return acc == in->k;
	case BPF_JGT:
		return acc > in->k;
	case BPF_JGE:
		return acc >= in->k;
	case BPF_JSET:
		return (acc & in->k) != 0;
	default:
		return false;
	}
}

uint32_t
filter_run(const struct sock_filter *prog, size_t len,
    const struct seccomp_data *data)
{
	uint32_t acc = 0, scratch[BPF_MEMWORDS] = { 0 };

	for (size_t pc = 0; pc < len; pc++) {
		const struct sock_filter *in = &prog[pc];

		switch (in->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (in->k > sizeof(*data) - 4 || in->k % 4 != 0)
				return 0;
			memcpy(&acc, (const char *)data + in->k, 4);
			break;
		case BPF_LD | BPF_MEM:
			if (in->k >= BPF_MEMWORDS)
				return 0;
			acc = scratch[in->k];
			break;
		case BPF_ST:
			if (in->k >= BPF_MEMWORDS)
				return 0;
			scratch[in->k] = acc;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			acc &= in->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += in->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += jump_taken(in, acc) ? in->jt : in->jf;
			break;
		case BPF_RET | BPF_K:
			return in->k;
		default:
			return 0;
		}
	}
	return 0;
}

/* xorshift64: noise that is the same in every build. */
static uint64_t
noise(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Set the arguments of @rule to what it asks for, then spoil some of them. */
static void
draw_args(const struct sb_rule *rule, struct seccomp_data *data, uint64_t *state)
{
	for (size_t i = 0; i < 6; i++)
		data->args[i] = noise(state) & 1 ? noise(state) : noise(state) & 0xff;
	if (rule == NULL)
		return;
	for (size_t i = 0; i < SB_MAX_ARGS; i++) {
		const struct sb_arg *a = &rule->arg[i];
		uint64_t high = noise(state) & 1 ? noise(state) << 32 : 0;
		uint64_t v = a->value;

		if (a->cmp == SB_CMP_NONE)
			continue;
		if (a->cmp == SB_CMP_EQ32)
			v = (uint32_t)a->value | high;
		else if (a->cmp == SB_CMP_MASK32)
			v = (a->value & a->mask) |
			    (noise(state) & ~a->mask & UINT32_MAX) | high;
		switch (noise(state) % 12) {
		case 0:
			v ^= UINT64_C(1) << (noise(state) % 64);
			break;
		case 1:
			v++;
			break;
		case 2:
			v--;
			break;
		case 3:
			v = noise(state);
			break;
		default:
			break;
		}
		data->args[a->index] = v;
	}
}

/* A random rule of call @nr out of both tables, or NULL. */
static const struct sb_rule *
pick_rule(const struct sb_policy *policy, const struct sb_rule *extra,
    size_t nextra, int nr, uint64_t *state)
{
	size_t all = policy->nrules + nextra, seen = 0;
	const struct sb_rule *pick = NULL;

	for (size_t i = 0; i < all; i++) {
		const struct sb_rule *r = i < policy->nrules ?
		    &policy->rules[i] : &extra[i - policy->nrules];

		if (r->nr == nr && noise(state) % ++seen == 0)
			pick = r;
	}
	return pick;
}

bool
filter_agrees(const struct sb_policy *policy, const struct sb_rule *extra,
    size_t nextra, const struct sock_filter *prog, size_t len,
    unsigned int rounds, struct seccomp_data *bad)
{
	uint64_t state = 0x9e3779b97f4a7c15u;

	for (int nr = -1; nr <= LAST_NR; nr++) {
		for (unsigned int i = 0; i < rounds; i++) {
			struct seccomp_data d = {
				.nr = nr,
				.arch = AUDIT_ARCH_X86_64,
				.instruction_pointer = noise(&state),
			};

			if (i == 0)
				d.arch = AUDIT_ARCH_I386;
			else if (i == 1)
				d.nr |= X32_BIT;
			draw_args(pick_rule(policy, extra, nextra, nr, &state),
			    &d, &state);
			if (filter_run(prog, len, &d) !=
			    filter_expected(policy, extra, nextra, &d)) {
				*bad = d;
				return false;
			}
		}
	}
	return true;
}
