/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no process of a VM may do, from the spawner down: a list of refusals,
 * because every child inherits it and adds a list of what it is allowed. The
 * spawner itself needs clone3, mount, setns and execveat for its children, so
 * an allow-list here would have to be the union of all of theirs.
 */
#include "sandbox/policy.h"

#include <asm/termbits.h>
#include <asm/ioctls.h>

#define KERNEL "reaches into the kernel"
#define OTHERS "reaches into other processes"
#define HOST "changes the host"
/* @count commands of bpf(2), a power of two, from a multiple of it on. */
#define NO_BPF(first, count)						\
	SB_DENY1(bpf, SB_FDS(0, first, count), "others' programs and maps")

static const struct sb_rule rules[] = {
	SB_DENY(init_module, KERNEL),
	SB_DENY(finit_module, KERNEL),
	SB_DENY(delete_module, KERNEL),
	SB_DENY(kexec_load, KERNEL),
	SB_DENY(kexec_file_load, KERNEL),
	/*
	 * All commands but those by which the guard process loads its program: 0, 2,
	 * 5, 15, 18, 22, 28 and 35 (its own policy names them). 64 on are not known
	 * to any kernel.
	 */
	NO_BPF(1, 1), NO_BPF(3, 1), NO_BPF(4, 1), NO_BPF(6, 2),
	NO_BPF(8, 4), NO_BPF(12, 2), NO_BPF(14, 1), NO_BPF(16, 2),
	NO_BPF(19, 1), NO_BPF(20, 2), NO_BPF(23, 1), NO_BPF(24, 4),
	NO_BPF(29, 1), NO_BPF(30, 2), NO_BPF(32, 2), NO_BPF(34, 1),
	NO_BPF(36, 4), NO_BPF(40, 8), NO_BPF(48, 16),
	SB_DENY(perf_event_open, KERNEL),
	SB_DENY(iopl, KERNEL),
	SB_DENY(ioperm, KERNEL),
	SB_DENY(modify_ldt, KERNEL),
	SB_DENY(userfaultfd, "faults of the kernel's own; /dev/userfaultfd is passed"),
	SB_DENY(ptrace, OTHERS),
	SB_DENY(process_vm_readv, OTHERS),
	SB_DENY(process_vm_writev, OTHERS),
	SB_DENY(pidfd_getfd, OTHERS),
	SB_DENY(kcmp, OTHERS),
	SB_DENY1(ioctl, SB_EQ32(1, TIOCSTI), "types into the user's terminal"),
	SB_DENY1(ioctl, SB_EQ32(1, TIOCLINUX), "types into the user's terminal"),
	SB_DENY(keyctl, "keyrings are not namespaced"),
	SB_DENY(add_key, "keyrings are not namespaced"),
	SB_DENY(request_key, "keyrings are not namespaced"),
	SB_DENY(open_by_handle_at, "opens without a path"),
	SB_DENY(name_to_handle_at, "opens without a path"),
	SB_DENY(open_tree, "the spawner mounts by mount(2)"),
	SB_DENY(move_mount, "the spawner mounts by mount(2)"),
	SB_DENY(fsopen, "the spawner mounts by mount(2)"),
	SB_DENY(fsmount, "the spawner mounts by mount(2)"),
	SB_DENY(reboot, HOST),
	SB_DENY(swapon, HOST),
	SB_DENY(swapoff, HOST),
	SB_DENY(acct, HOST),
	SB_DENY(quotactl, HOST),
	SB_DENY(settimeofday, HOST),
	SB_DENY(clock_settime, HOST),
	SB_DENY(adjtimex, HOST),
	SB_DENY(clock_adjtime, HOST),
	SB_DENY(syslog, HOST),
	SB_DENY(vhangup, HOST),
};

const struct sb_policy sb_policy = {
	.kind = "spawner",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.jail = SB_JAIL_SPAWNER,
	.denylist = true,
};
