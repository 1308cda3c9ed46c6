/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What guard.bpf.c, the program on a guest's tap, is told and what it counts.
 * Shared by that program, by the process that loads it (guard.c), and by the
 * controller, which reads the counts. Included by BPF code: types of the kernel,
 * no C library.
 */
#ifndef BULKHEAD_CONTROLLER_OPENER_GUARD_H
#define BULKHEAD_CONTROLLER_OPENER_GUARD_H

#include <linux/types.h>

#define GUARD_MAX_IPS 8u	/* of each family */

/* By what its tc filter is known again. */
#define GUARD_FILTER_HANDLE 0xb01d
#define GUARD_FILTER_PRIORITY 1

/* Why a frame of the guest's was dropped. */
enum guard_reason {
	GUARD_PASS,		/* not counted */
	GUARD_MAC,		/* source MAC is not the guest's */
	GUARD_CLAIM,		/* ARP or neighbour discovery names another MAC */
	GUARD_IP4,		/* source */
	GUARD_IP6,
	GUARD_ARP,		/* sender address */
	GUARD_ND,		/* target that is advertised or probed */
	GUARD_ROUTER,		/* router advertisement or redirect */
	GUARD_PROTOCOL,		/* neither IP nor ARP */
	GUARD_MALFORMED,	/* truncated, or headers that nobody needs */
	GUARD_REASONS
};

/* Constant while the program is loaded. Addresses in network order. */
struct guard_config {
	__u8 mac[6];
	__u8 ips;		/* addresses are guarded, not the MAC alone */
	__u8 nip4, nip6;
	__u8 pad[3];
	__u32 ip4[GUARD_MAX_IPS];
	__u32 ip6[GUARD_MAX_IPS][4];
};

struct guard_counts {
	__u64 dropped[GUARD_REASONS];
};

#endif
