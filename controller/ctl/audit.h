/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bulkheadctl audit`: what the processes of a running VM can do, from what the
 * kernel says of them, compared with the policies that this build declares. One
 * struct audit is one look: audit_collect() fills it, audit_check() judges it,
 * then it is printed. Nothing is asked of the processes; each thread of them stands
 * still for the moment in which its filter is read and its jail probed.
 *
 * It trusts the kernel and this program's own tables. Names, arguments and memory
 * of the processes are theirs to write: they are shown, never believed.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_AUDIT_H
#define BULKHEAD_CONTROLLER_CTL_AUDIT_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/known.h"

#define AUDIT_SCHEMA 1		/* of --json; docs/audit.md */
#define AUDIT_FILTERS 8u	/* filters a task that are read back */
#define AUDIT_LAST_NR 600	/* above the last call of any kernel so far */

/* Exit statuses of --check. */
enum audit_exit {
	AUDIT_DECLARED = 0,
	AUDIT_DRIFT = 1,
	AUDIT_USAGE = 2,
	AUDIT_INCOMPLETE = 3,
};

enum audit_level {
	AUDIT_NOTE,		/* what the host does not give */
	AUDIT_UNKNOWN,		/* could not be looked at */
	AUDIT_WRONG,		/* differs from what is declared */
};

enum audit_ns {
	NS_USER, NS_MNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, NS_COUNT,
};
extern const char *const audit_ns_names[NS_COUNT];

enum audit_cap { CAP_SET_INH, CAP_SET_PRM, CAP_SET_EFF, CAP_SET_BND, CAP_SET_AMB,
	CAP_SETS };
extern const char *const audit_cap_names[CAP_SETS];

enum audit_limit { LIMIT_FSIZE, LIMIT_NPROC, LIMIT_NOFILE, LIMIT_CORE, LIMIT_AS,
	LIMIT_COUNT };
extern const char *const audit_limit_names[LIMIT_COUNT];

/* yes, no, or not known: from a probe that may not be possible. */
enum answer { ANSWER_UNKNOWN, ANSWER_NO, ANSWER_YES };

struct audit_fd {
	uint32_t nr;
	uint32_t is;		/* one enum sb_fd_is bit */
	char text[96];		/* file name, memfd's name, ... */
	char mode;		/* 'r', 'w', '+' */
	uint64_t device, inode;	/* of what it refers to */
	uint64_t id;		/* eventfd: its number; 0: not told */
	unsigned int seals;	/* memfd: F_SEAL_* */
	uint64_t size;		/* memfd */
	uint64_t peer;		/* socket: inode of the other end, 0: unknown */
	char peer_text[48];	/* "controller fd 31" */
};

struct audit_task {
	pid_t tid;
	bool of_kernel;		/* never runs code of the process: KVM's worker */
	int seccomp;		/* 0, 1, 2; -1 not read */
	int nfilters;		/* that it says it has; -1 not read */
	bool read_back;		/* of all filters: what follows holds */
	bool declared;		/* they are the declared ones */
	bool same_bytes;	/* ... instruction by instruction */
	char differs[160];	/* what is not, in words */
	unsigned int inherited;	/* further filters, from who started the VM */
	uint8_t calls[AUDIT_LAST_NR];	/* enum audit_call */
	unsigned int ncalls, nbound;
	/* by the probe */
	enum answer landlock, mdwe, dumpable, parent_death;
	int probe_error;	/* positive errno where it could not be made */
};

/* What a filter does with a call. */
enum audit_call {
	CALL_DENIED,
	CALL_BOUND,		/* allowed with some arguments */
	CALL_FREE,		/* whatever its arguments are */
};

/* Limits of a cgroup that are looked at. */
enum audit_group_limit { GROUP_PIDS, GROUP_MEMORY, GROUP_CPU, GROUP_IO, GROUP_COUNT };
extern const char *const audit_group_names[GROUP_COUNT];

struct audit_group {
	bool own;		/* made for this process; what follows holds */
	uint64_t limit[GROUP_COUNT];	/* 0: no such controller; UINT64_MAX: none */
	uint64_t vm_memory;	/* of all of the VM's workers; as limit */
};

struct audit_maps {
	bool read;
	uint64_t ram_read, ram_write;	/* bytes of guest memory */
	unsigned int wx;	/* mappings writable and executable */
	unsigned int foreign_exec;	/* executable, neither program nor vdso */
	enum answer sealed_code;	/* program's code under mseal */
};

struct audit_elf {
	bool read;
	bool pie, static_linked, relro, bind_now, stack_exec, stack_protector;
	bool cet;		/* marked for IBT and shadow stacks */
};

struct audit_process {
	pid_t pid, ppid;
	const struct sb_known *known;	/* NULL: no program of this build */
	bool by_name;		/* ... and that it is one is its own word alone */
	char exe[256];
	char comm[16];
	uint32_t uid[4], gid[4];
	unsigned int ngroups;
	uint64_t caps[CAP_SETS];
	int no_new_privs;
	uint64_t ns[NS_COUNT];	/* inode; 0 not read */
	bool own[NS_COUNT];	/* neither init's nor the auditor's */
	char root[128], cwd[128];
	int root_entries;	/* -1: not read */
	int mounts;		/* -1: not read */
	bool root_read_only;
	bool root_useless;	/* nosuid, nodev, noexec */
	int interfaces;		/* of its network, beside lo; -1 not read */
	uint64_t limit[LIMIT_COUNT];	/* hard; UINT64_MAX unlimited */
	bool limits_read;
	char cgroup[256], label[64];
	struct audit_group group;
	int oom_score_adj;
	uint64_t core_cookie;
	int core_error;		/* positive errno */
	bool fds_read;
	struct audit_fd *fds;
	size_t nfds;
	struct audit_task *tasks;
	size_t ntasks;
	struct audit_maps maps;
	struct audit_elf elf;
};

struct audit_finding {
	enum audit_level level;
	pid_t pid;		/* 0: of the VM */
	char process[24];
	char item[32];
	char text[200];
};

struct audit {
	pid_t controller;
	bool by_root;
	bool probe;
	struct audit_process *processes;
	size_t n;
	struct audit_finding *findings;
	size_t nfindings;
	uint64_t host_ns[NS_COUNT];
	char kernel[64], when[32];
};

/* ---- collecting -------------------------------------------------------------- */

/*
 * Look at the VM whose controller is @controller. @probe: also make each thread
 * answer what only it is told (audit_probe.h). 0; -ESRCH: no such process; -EINVAL:
 * it is no controller; -ENOMEM.
 */
int audit_collect(struct audit *a, pid_t controller, bool probe);
void audit_free(struct audit *a);

/* audit_find.c: processes of the VM, the controller first. 0 or -errno. */
int audit_find(struct audit *a);

/* audit_proc.c and its like: fill in one process; what cannot be read stays unset. */
void audit_read_status(struct audit_process *p, const struct audit *a);
void audit_read_fds(struct audit_process *p);
void audit_read_maps(struct audit_process *p);
void audit_read_elf(struct audit_process *p);
void audit_read_tasks(struct audit_process *p, const struct audit *a);
void audit_read_group(struct audit_process *p);	/* by p->cgroup */
/* Other ends of sockets, for all processes at once. */
void audit_read_peers(struct audit *a);

/* Open /proc/@pid/@file, or -errno. */
int audit_open(pid_t pid, const char *file, int flags);
/* Read a file of /proc/@pid, with a NUL. Length or -errno. */
ssize_t audit_slurp(pid_t pid, const char *file, char *buf, size_t size);
ssize_t audit_readlink(pid_t pid, const char *file, char *buf, size_t size);
/* Field @field (counted from 1, 3 or more) of a process' or thread's stat, 0: none. */
long audit_stat_field(const char *text, unsigned int field);
/* The number of an inode of /proc/@pid/@file; 0 if it cannot be told. */
uint64_t audit_inode(pid_t pid, const char *file);

/* ---- filters (audit_filter.c) ------------------------------------------------- */

/* What a stack of filters lets through, from their instructions. */
struct audit_chain {
	const struct sock_filter *filter[AUDIT_FILTERS];
	unsigned int len[AUDIT_FILTERS];
	unsigned int n;
};
void audit_judge_chain(struct audit_task *t, const struct sb_known *known,
    const struct audit_chain *chain);

/* ---- judging and printing ------------------------------------------------------ */

void audit_check(struct audit *a);
void audit_check_groups(struct audit *a);	/* its part about cgroups */
void audit_find_add(struct audit *a, enum audit_level level,
    const struct audit_process *p, const char *item, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
enum audit_exit audit_result(const struct audit *a);
const char *audit_result_text(enum audit_exit result);

/* For people, on standard output; @full: fds, limits and calls of each process too. */
void audit_print(const struct audit *a, bool full);
/* "blk", or "?" of a program that is none of ours. */
const char *audit_name(const struct audit_process *p);

/* A string that the caller frees, or NULL. */
char *audit_json(const struct audit *a);
/*
 * Differences of two looks, each a VM's pid or a file of --json, on standard output:
 * 0 none, 1 some, 2 a bad argument.
 */
int audit_diff(const char *a, const char *b);

/*
 * Count system calls for @seconds, and print them with those that were denied, and those
 * that were allowed and not made. 0, or 3 with the reason on standard error: no program
 * can be attached here.
 */
int audit_calls(const struct audit *a, unsigned int seconds, bool as_json);

/* Print a policy with its reasons. 0, or 2: there is no such kind. */
int audit_policy(const char *kind);

/* The command: arguments after "audit". Returns an exit status. */
int audit_main(int argc, char **argv);

#endif
