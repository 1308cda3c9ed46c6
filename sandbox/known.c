/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said of a policy without running anything, see known.h. */
#include "sandbox/known.h"

#include <stdio.h>
#include <string.h>

const struct sb_known *
sb_known_find(const char *name)
{
	for (size_t i = 0; sb_known[i] != NULL; i++)
		if (strcmp(sb_known[i]->name, name) == 0)
			return sb_known[i];
	return NULL;
}

bool
sb_rule_is_free(const struct sb_rule *rule)
{
	for (size_t i = 0; i < SB_MAX_ARGS; i++)
		if (rule->arg[i].cmp != SB_CMP_NONE)
			return false;
	return true;
}

void
sb_count(const struct sb_policy *policy, struct sb_counts *counts)
{
	*counts = (struct sb_counts){ .rules = (unsigned int)policy->nrules };
	for (size_t i = 0; i < policy->nrules; i++) {
		bool first = true, bound = true;

		for (size_t k = 0; k < policy->nrules; k++) {
			if (policy->rules[k].nr != policy->rules[i].nr)
				continue;
			first = first && k >= i;
			bound = bound && !sb_rule_is_free(&policy->rules[k]);
		}
		counts->calls += first;
		counts->bound += first && bound;
	}
}

/* Calls whose argument 0 is an fd; of mmap it is argument 4, of dup3 the new one. */
static bool
is_fd(const struct sb_rule *r, unsigned int index)
{
	static const int calls[] = { SYS_read, SYS_write, SYS_readv, SYS_writev,
	    SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_preadv2,
	    SYS_pwritev2, SYS_recvmsg, SYS_sendmsg, SYS_epoll_wait, SYS_epoll_ctl,
	    SYS_epoll_pwait, SYS_epoll_pwait2, SYS_fdatasync, SYS_fsync,
	    SYS_fallocate, SYS_timerfd_settime, SYS_ioctl, SYS_fcntl, SYS_accept4,
	    SYS_fstat, SYS_ftruncate, SYS_close, SYS_io_uring_enter,
	    SYS_io_uring_register };

	if (r->nr == SYS_mmap)
		return index == 4;
	if (r->nr == SYS_dup3)
		return index == 1;
	for (size_t i = 0; index == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == r->nr)
			return true;
	return false;
}

static int
one_argument(const struct sb_rule *r, const struct sb_arg *a, char *buf, size_t size)
{
	unsigned long long v = a->value;

	if (is_fd(r, a->index) && a->cmp == SB_CMP_MASK32)
		return snprintf(buf, size, "fd %llu..%llu", v, v + ~a->mask);
	if (is_fd(r, a->index))
		return snprintf(buf, size, "fd %llu", v);
	if (a->cmp == SB_CMP_MASK32)
		return snprintf(buf, size, "a%u & 0x%x == 0x%llx", a->index, a->mask, v);
	return snprintf(buf, size, "a%u == 0x%llx", a->index, v);
}

void
sb_rule_text(const struct sb_rule *rule, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < SB_MAX_ARGS; i++) {
		int n;

		if (rule->arg[i].cmp == SB_CMP_NONE)
			continue;
		if (used > 0 && size - used > 3) {
			memcpy(buf + used, ", ", 3);
			used += 2;
		}
		n = one_argument(rule, &rule->arg[i], buf + used, size - used);
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}

void
sb_fd_is_text(uint32_t is, char *buf, size_t size)
{
	static const char *const names[SB_IS_BITS] = { "/dev/null", "channel",
	    "eventfd", "epoll", "timerfd", "signalfd", "pidfd", "seccomp listener",
	    "sealed memfd", "file", "block device", "character device", "pipe",
	    "stream socket", "tap", "/dev/kvm", "KVM VM", "KVM vCPU", "io_uring",
	    "namespace", "directory", "something else" };
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < SB_IS_BITS; i++) {
		int n;

		if ((is & UINT32_C(1) << i) == 0)
			continue;
		n = snprintf(buf + used, size - used, "%s%s", used > 0 ? " or " : "",
		    names[i]);
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}
