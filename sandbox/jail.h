/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the jail that a child closes around itself after exec, in order:
 * rlimits, ids, capabilities, dumpable, parent-death signal, no_new_privs, MDWE,
 * Landlock, seccomp. (Namespaces, the empty root and the fds were the spawner's,
 * before exec.) Called once by each child's main, after memory is mapped and
 * before anything of a guest is looked at. After it returns 0 the process can do
 * what its policy lists, and nothing else.
 */
#ifndef BULKHEAD_SANDBOX_JAIL_H
#define BULKHEAD_SANDBOX_JAIL_H

#include <linux/filter.h>
#include <stddef.h>

#include "sandbox/policy.h"

enum jail_mode {		/* as Bh__SeccompMode */
	JAIL_ENFORCE,		/* denied calls go to the controller's listener */
	JAIL_LOG,
	JAIL_ERRNO,		/* denied calls fail with EPERM */
	JAIL_OFF,
};

/*
 * The filter of this program, made by sandbox/genfilter from its policy and
 * linked in. What is denied returns SECCOMP_RET_USER_NOTIF; execve, ptrace and
 * their like SECCOMP_RET_KILL_PROCESS.
 */
extern const struct sock_filter jail_filter[];
extern const unsigned short jail_filter_len;

/*
 * Close the jail. On success *listener is an fd at FD_LISTENER for the caller to
 * send to the controller and close, or -1 where the mode has none. Threads that
 * exist are confined too (TSYNC). On failure -errno, and *stage names the stage;
 * the caller must report it and exit: a process half jailed does not go on.
 */
int jail_close(enum jail_mode mode, int *listener, const char **stage);

#endif
