/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guards of the VM's taps, after the opener has loaded them: what is asked of
 * it, the fds that keep them, and their counts. Called by paths.c, start.c and main.c.
 */
#ifndef BULKHEAD_CONTROLLER_GUARD_H
#define BULKHEAD_CONTROLLER_GUARD_H

#include "controller/opener/guard.h"
#include "controller/vm.h"

/* Room for what guard_ask() puts into a message. */
struct guard_addresses {
	uint8_t ip4[GUARD_MAX_IPS][4];
	uint8_t ip6[GUARD_MAX_IPS][16];
};

/* Whether, and for which addresses, the @net-th --net is to be guarded. */
void guard_ask(const struct vm *vm, uint32_t net, Bh__TapConfig *tap,
    struct guard_addresses *ips);

/* How many fds of @opened are its guard's. */
uint32_t guard_fds(const Bh__Opened *opened);

/* Take these, from the @first of @msg on. */
int guard_opened(struct vm *vm, uint32_t net, const Bh__Opened *opened,
    struct chan_msg *msg, uint32_t first);

/* What the guard of the @net-th --net has dropped. False: it has none. */
bool guard_read(const struct vm *vm, uint32_t net, struct guard_counts *counts);

/* At the VM's end: let go of all, with a line for each that dropped something. */
void guard_release(struct vm *vm);

#endif
