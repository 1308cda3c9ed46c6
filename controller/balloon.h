/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balloon of a VM, for whoever asks how large it is, or wants it otherwise. Owns
 * nothing: the size that was asked for is the spec's, the one that it has the
 * driver's, in the page of what it wrote to the configuration space.
 */
#ifndef BULKHEAD_CONTROLLER_BALLOON_H
#define BULKHEAD_CONTROLLER_BALLOON_H

#include "controller/vm.h"

/*
 * @size bytes shall be in it: in a running VM the guest is told, and does it when it
 * can. 0, or -errno and *why, a sentence's end for the user.
 */
int balloon_resize(struct vm *vm, uint64_t size, const char **why);

/* A device worker is ready: one whose size was changed meanwhile is told. */
void balloon_ready(const struct child *worker);

/* Bytes that are in it, as the guest says, not more than it has; 0: none. */
uint64_t balloon_actual(const struct vm *vm);

/* Somebody reads the counters: have the guest asked for newer ones. */
void balloon_refresh(const struct vm *vm);

#endif
