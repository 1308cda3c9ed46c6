/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guards of the VM's taps: the processes that load them, what these are asked,
 * the fds that keep the guards, and their counts. Called by paths.c, start.c and main.c.
 */
#ifndef BULKHEAD_CONTROLLER_GUARD_H
#define BULKHEAD_CONTROLLER_GUARD_H

#include "controller/opener/guard.h"
#include "controller/vm.h"

/* Room for what guard_fill() puts into a message. */
struct guard_addresses {
	uint8_t ip4[GUARD_MAX_IPS][4];
	uint8_t ip6[GUARD_MAX_IPS][16];
};

/* Is the @net-th --net to be guarded, or at least to be tried? */
bool guard_wanted(const struct vm *vm, uint32_t net);

/* Start the process for the next tap. False: not now. */
bool guard_start(struct vm *vm);

/* What it is asked for the @net-th --net, beside what the tap is. */
void guard_fill(const struct vm *vm, uint32_t net, Bh__TapConfig *tap,
    struct guard_addresses *ips);

/* Its answers: -EPROTO; whether the VM can do without that guard. */
int guard_opened(struct vm *vm, uint32_t net, const Bh__Opened *opened,
    struct chan_msg *msg);
bool guard_failed(struct vm *vm, uint32_t net, const Bh__Failed *failed);

/* What the guard of the @net-th --net has dropped. False: it has none. */
bool guard_read(const struct vm *vm, uint32_t net, struct guard_counts *counts);

/* At the VM's end: let go of all, with a line for each that dropped something. */
void guard_release(struct vm *vm);

#endif
