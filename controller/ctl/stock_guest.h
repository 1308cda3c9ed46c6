/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the KVM of this host execute guests on the processor, so that a stock
 * kernel runs? There are hosts whose /dev/kvm knows only guests made for it, and
 * emulates all others instruction by instruction as far as it can.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_STOCK_GUEST_H
#define BULKHEAD_CONTROLLER_CTL_STOCK_GUEST_H

#include <stddef.h>

enum stock_guest {
	STOCK_GUEST_RUNS,
	STOCK_GUEST_EMULATED,	/* KVM could not emulate an instruction */
	STOCK_GUEST_FAILED,	/* another exit, or a KVM call failed */
};

/*
 * Run a guest of eight instructions in long mode, in a child, within a few
 * seconds, on /dev/kvm.
 */
enum stock_guest stock_guest_try(void);

#endif
