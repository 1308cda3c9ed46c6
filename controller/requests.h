/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that have not been answered yet, each with its deadline. Called by
 * supervise.c; child_waiting() and supervise_deadlines(), which are also here,
 * are in its header.
 */
#ifndef BULKHEAD_CONTROLLER_REQUESTS_H
#define BULKHEAD_CONTROLLER_REQUESTS_H

#include "controller/vm.h"

/*
 * Note a request of @type that is about to go out on @chan (@child's, or the
 * spawner's about @child) and is to be answered within @seconds; its number is in
 * ->seq. NULL: the pool is full. Starts the clock.
 */
struct request *request_new(struct child *child, struct chan *chan,
    Bh__Packet__BodyCase type, uint32_t subject, unsigned int seconds);

/* The request with number @seq on @chan, or NULL. Free it by child = NULL. */
struct request *request_find(struct vm *vm, const struct chan *chan,
    uint32_t seq);

/* @child's request of @type, if there is one, has @seconds from now on. */
void request_extend(struct child *child, Bh__Packet__BodyCase type,
    unsigned int seconds);

/* Forget all that @child was to answer. */
void requests_drop(struct child *child);

/* May @answer end a request of @type? */
bool request_takes(Bh__Packet__BodyCase type, Bh__Packet__BodyCase answer);

#endif
