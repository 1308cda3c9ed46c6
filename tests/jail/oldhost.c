/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command on a kernel that lacks something: a filter has the calls that would
 * use it fail as an older kernel does.
 *	oldhost WHAT COMMAND...
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/kernel_compat.h"

#define NOEXEC_SEAL 0x0008u	/* MFD_NOEXEC_SEAL */

/* Calls from @first to @last fail with @error, if argument @arg has a bit of @bits. */
static const struct gap {
	const char *what;
	uint32_t first, last;
	unsigned int arg;
	uint32_t bits;		/* 0: whatever it is */
	uint32_t error;
} gaps[] = {
	{ "landlock", SYS_landlock_create_ruleset, SYS_landlock_restrict_self, 0, 0,
	    ENOSYS },
	{ "landlock-off", SYS_landlock_create_ruleset, SYS_landlock_restrict_self, 0, 0,
	    EOPNOTSUPP },
	{ "user-namespaces", SYS_unshare, SYS_unshare, 0, CLONE_NEWUSER, EPERM },
	{ "seccomp-notify", SYS_seccomp, SYS_seccomp, 1,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, EINVAL },
	{ "mseal", SYS_mseal, SYS_mseal, 0, 0, ENOSYS },
	{ "memfd-noexec", SYS_memfd_create, SYS_memfd_create, 1, NOEXEC_SEAL, EINVAL },
};

static int
load(const struct sock_filter *filter, unsigned short len)
{
	union { const struct sock_filter *in; struct sock_filter *out; } f = {
		.in = filter };
	struct sock_fprog prog = { .len = len, .filter = f.out };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0)
		return -errno;
	return 0;
}

static int
lack(const struct gap *g)
{
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, g->first, 0, 5),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, g->last, 4, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(
		    struct seccomp_data, args) + 8 * g->arg)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, g->bits, 1, 0),
		BPF_STMT(BPF_JMP | BPF_JA, g->bits == 0 ? 0 : 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | g->error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return load(filter, sizeof(filter) / sizeof(filter[0]));
}

/* Of prctl it is the option that an old kernel does not know. */
static int
lack_mdwe(void)
{
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_MDWE, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_GET_MDWE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return load(filter, sizeof(filter) / sizeof(filter[0]));
}

int
main(int argc, char **argv)
{
	int rc = -ENOENT;

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "mdwe") == 0)
		rc = lack_mdwe();
	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++)
		if (strcmp(argv[1], gaps[i].what) == 0)
			rc = lack(&gaps[i]);
	if (rc == 0)
		(void)execv(argv[2], argv + 2);
	(void)fprintf(stderr, "oldhost: %s: %s\n", argv[1],
	    strerror(rc != 0 ? -rc : errno));
	return 2;
}
