/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens when a device worker dies under a running guest: another is made
 * in its place, with the same fds and the same record of what was in flight, and
 * the vcpu-worker is told. One that dies too often is isolated: a stand-in of the
 * same kind, which opens nothing, answers every request as failed. Called by
 * life.c and supervise.c; must not touch a device that is still being started.
 */
#ifndef BULKHEAD_CONTROLLER_RECOVER_H
#define BULKHEAD_CONTROLLER_RECOVER_H

#include "controller/vm.h"

/* Is a failure of @child an event, and not the end of the VM? */
bool recover_takes(const struct child *child);

/* Its process has gone: make the next one, or give the device up. */
void recover_exited(struct child *child);

/* Make the next one, of one whose process has gone. */
void recover_replace(struct child *child);

/* A successor is in its jail: tell the vcpu-worker. */
void recover_ready(struct child *child);

/* Whose predecessor's I/O has ended since? Runs the timer until all have. */
void recover_tick(struct vm *vm);

/* Disk @index was opened once more, @fd; -1: it was not, and @why. -EPROTO. */
int recover_reopened(struct vm *vm, uint32_t index, int fd, const char *why);

/* The opener that was to do it has gone, asked to or not. */
void recover_no_opener(struct vm *vm);

/* The vcpu-worker runs: successors that were made meanwhile go to work. */
void recover_running(struct vm *vm);

/* Its answer to ReplaceDevice or LoseDevice of device @index. */
void recover_answered(struct vm *vm, uint32_t index, bool failed,
    const char *text);

#endif
