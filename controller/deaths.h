/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the VM's processes have died of: a bounded list of the last deaths, with
 * what was done about each, for bulkhead.crashes, the log and the events. Whoever
 * has a child killed says why beforehand; of the others their end tells.
 */
#ifndef BULKHEAD_CONTROLLER_DEATHS_H
#define BULKHEAD_CONTROLLER_DEATHS_H

#include "controller/vm.h"

enum death_action {
	ACTION_STOPPED,		/* the VM has stopped with it */
	ACTION_NONE,		/* nobody was needed in its place */
	ACTION_RESTARTED,	/* another is made */
	ACTION_ISOLATED,	/* a stand-in, which fails every request */
	ACTION_LOST,		/* its device is served by nobody */
};

/* Look from now on at what the host kills when memory is short. Before the jail. */
void deaths_open(struct vm *vm);

/* @child is about to be killed, and why; what was said first counts. */
void deaths_blame(struct child *child, enum death_why why, const char *detail);

/* It is gone: find the cause, and keep it. The word for it: "signal". */
const char *deaths_note(struct child *child);

/* In words, of the death noted last: "killed by signal 11 (SIGSEGV)". */
const char *deaths_detail(const struct child *child);

/* What has been done about it, and: the next one is at work. */
void deaths_acted(const struct child *child, enum death_action action);
void deaths_replaced(const struct child *child);

/*
 * All of them, the latest first, for an answer; good until the next call. Returns
 * their number.
 */
size_t deaths_list(Bh__ApiDeath ***list);

#endif
