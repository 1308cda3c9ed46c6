/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel interfaces that the headers of Debian 12 (Linux 6.1) lack, each with
 * the version that brought it. Nothing but constants and layouts; who uses one
 * must work where the running kernel does not have it.
 */
#ifndef BULKHEAD_SANDBOX_KERNEL_COMPAT_H
#define BULKHEAD_SANDBOX_KERNEL_COMPAT_H

#include <stdint.h>

/* Memory deny write execute: 6.3 */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN (1UL << 0)
#endif
#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif

/* mseal(2): 6.10 */
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

/* tcx: 6.6. An attach type of BPF_LINK_CREATE, and one of its flags. */
#define COMPAT_BPF_TCX_INGRESS 46
#define COMPAT_BPF_TCX_EGRESS 47
#define COMPAT_BPF_F_BEFORE (1u << 3)

/*
 * Landlock: ABI 1 is 5.13, 2 (REFER) 5.19, 3 (TRUNCATE) 6.2, 4 (TCP) 6.7,
 * 5 (IOCTL_DEV) 6.10, 6 (scopes) 6.12, 7 (audit flags, no new right) 6.15.
 */
struct compat_landlock_ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;	/* ABI 4 */
	uint64_t scoped;		/* ABI 6 */
};
#define COMPAT_LANDLOCK_FS_ABI2 ((UINT64_C(1) << 14) - 1)
#define COMPAT_LANDLOCK_FS_ABI3 ((UINT64_C(1) << 15) - 1)
#define COMPAT_LANDLOCK_FS_ABI5 ((UINT64_C(1) << 16) - 1)
#define COMPAT_LANDLOCK_TRUNCATE (UINT64_C(1) << 14)
#define COMPAT_LANDLOCK_FS_IOCTL_DEV (UINT64_C(1) << 15)
#define COMPAT_LANDLOCK_NET_ABI4 UINT64_C(3)	/* bind and connect TCP */
#define COMPAT_LANDLOCK_SCOPE_ABI6 UINT64_C(3)	/* abstract sockets, signals */
#define COMPAT_LANDLOCK_BIND_TCP UINT64_C(1)
#define COMPAT_LANDLOCK_RULE_NET_PORT 2
struct compat_landlock_net_port_attr {
	uint64_t allowed_access;
	uint64_t port;
};

#endif
