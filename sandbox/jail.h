/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the jail that a child closes around itself after exec, in order:
 * fds, rlimits, ids, capabilities, dumpable, parent-death signal, no_new_privs,
 * MDWE, mseal, Landlock, seccomp. (Namespaces, the empty root and the fds' places were
 * the spawner's, before exec.) Called by each child's main, after memory is
 * mapped and before anything of a guest is looked at. After it returns 0 the
 * process can do what its policy lists, and nothing else.
 *
 * Capabilities and Landlock belong to a thread: who has threads calls
 * jail_confine() before it makes them and jail_load() when they run (a thread's
 * first calls are the C library's, which no policy has to allow: each must have
 * said that it is up). Everyone else calls jail_close(), which is both.
 */
#ifndef BULKHEAD_SANDBOX_JAIL_H
#define BULKHEAD_SANDBOX_JAIL_H

#include <linux/filter.h>
#include <stddef.h>

#include "sandbox/policy.h"

enum jail_mode {		/* as Bh__SeccompMode */
	JAIL_ENFORCE,		/* denied calls go to the controller's listener */
	JAIL_LOG,		/* ... are logged by the kernel, and made */
	JAIL_ERRNO,		/* ... fail with EPERM */
	JAIL_OFF,
};

/*
 * The filter of this program, made by sandbox/genfilter from its policy and
 * linked in. What is denied returns SECCOMP_RET_USER_NOTIF; execve, ptrace and
 * their like SECCOMP_RET_KILL_PROCESS (in every mode but OFF).
 */
extern const struct sock_filter jail_filter[];
extern const unsigned short jail_filter_len;

/*
 * Close the jail. On success *listener is FD_LISTENER, for the caller to send to
 * the controller and close, or -1 where the mode has none (or the kernel gives
 * none: then what is denied kills). Threads that exist are confined too (TSYNC).
 * On failure -errno, and *stage names the stage; the caller must report it and
 * exit: a process half jailed does not go on.
 */
int jail_close(enum jail_mode mode, int *listener, const char **stage);

/*
 * All stages but seccomp; of the calling thread and those it makes from now on.
 * The process' size may then grow by JAIL_GROWTH bytes (RLIMIT_AS), within its
 * PROT_NONE reserves freely. Free fd numbers below FD_LISTENER become /dev/null.
 */
int jail_confine(const char **stage);
#define JAIL_GROWTH (64ull << 20)

/*
 * jail_confine() for the opener, which opens paths as the user who started the
 * VM: without the stages that take paths and the user's rights away (ids,
 * capabilities, Landlock).
 */
int jail_confine_opener(const char **stage);

/*
 * jail_confine() for a program without a controller and a spawner, which outlives
 * whoever started it and writes its log itself: without the parent's death and
 * the limit on the size of files.
 */
int jail_confine_alone(const char **stage);

/*
 * Single stages, for the controller, whose jail is another (controller/confine.c).
 * Landlock: handle every right that this kernel knows, up to ABI 7, and grant
 * none. Filter: load it with @verdict, a SECCOMP_RET_*, for what it denies. -errno.
 */
int jail_landlock(void);
/*
 * The same, but everything that makes no device is granted below directory @share,
 * an fd.
 */
int jail_landlock_share(int share);
/*
 * Memory that is or was writable does not become executable, on kernels that can
 * refuse it (6.3). Not the only such barrier: policies refuse PROT_EXEC too.
 */
int jail_mdwe(void);
/*
 * No change of the program's own code, constants and relocated pointers (RELRO), of
 * their mapping and protection, on kernels that can refuse it (6.10).
 */
int jail_mseal(void);
int jail_load_verdict(uint32_t verdict);

/* The last stage, seccomp, alone; otherwise as jail_close(). */
int jail_load(enum jail_mode mode, int *listener, const char **stage);

#endif
