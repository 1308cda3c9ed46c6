/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another program for a device worker, under the running guest. The next one is
 * started and has said its Hello before anything happens to the one at work; that
 * one then finishes what it took and exits, and the next one gets the device's
 * configuration and goes on by the record, as after a death (recover.c). What goes
 * wrong before, changes nothing; after, the program of before is started again.
 * One upgrade at a time. Called by manage.c, supervise.c, life.c and recover.c.
 */
#ifndef BULKHEAD_CONTROLLER_UPGRADE_H
#define BULKHEAD_CONTROLLER_UPGRADE_H

#include "controller/vm.h"

/*
 * Begin: the worker of device @id. @binary, which is taken over: what is executed,
 * or -1: the kind's own. 0: upgrade_done_fn is called once. Else the HTTP status,
 * and *why: nothing was begun.
 */
uint32_t upgrade_begin(struct vm *vm, const char *id, int binary,
    upgrade_done_fn *done, const char **why);

/* Is @child the next worker, and not yet the device's? */
bool upgrade_is_next(const struct child *child);
/* ... or the device's, and has not taken over? Its failure is not the VM's. */
bool upgrade_is_trial(const struct child *child);

/* What went wrong with a child, in the user's words: the first of it is the reason. */
void upgrade_note(const struct child *child, const char *line);

/* @child has said Hello, is spawned, or both. */
void upgrade_up(struct child *child);

/* The disk's new open file description, or -1. False: it is not for an upgrade. */
bool upgrade_reopened(struct vm *vm, uint32_t index, int fd, const char *why);

/* The answer to HandOver; @text NULL: Ack. */
void upgrade_answered(struct child *child, const char *text);

/* A process has gone. True: there is nothing for recover.c in it. */
bool upgrade_exited(struct child *child);

/* The vcpu-worker knows the new worker of @child. False: it is no upgrade's. */
bool upgrade_taken_over(struct child *child);

/* Whose time is over? True: an upgrade is under way. */
bool upgrade_tick(struct vm *vm);

/* The guest does not run on: an upgrade that has changed nothing yet is off. */
void upgrade_cancel(struct vm *vm, const char *why);

#endif
