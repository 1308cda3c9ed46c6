/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fds that file system workers have open and nobody could open again: files that have
 * lost their names, and those whose open file description bears locks. Kept for a
 * successor, by the worker's numbers; nothing is done with them here. Bounded: what
 * finds no room is not kept, and lost with the worker.
 */
#ifndef BULKHEAD_CONTROLLER_KEEPER_H
#define BULKHEAD_CONTROLLER_KEEPER_H

#include "controller/vm.h"

/* KeepFile. 0, or -EPROTO: this child has nothing to be kept. */
int keeper_take(struct child *child, const Bh__KeepFile *keep,
    struct chan_msg *msg);

/* A successor is being configured: it gets all. */
void keeper_give(struct child *child);

/* The device is gone. */
void keeper_drop(const struct child *child);

#endif
