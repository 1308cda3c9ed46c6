/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a start goes: when each process of the VM reached each stage,
 * for bulkhead.boot-timeline and the log. Stages are marked where they are seen, the
 * first time only; a boot and a reset begin anew. Changes nothing of the VM.
 */
#ifndef BULKHEAD_CONTROLLER_TIMELINE_H
#define BULKHEAD_CONTROLLER_TIMELINE_H

#include "controller/count.h"
#include "controller/vm.h"

/* The VMM was executed, as far as its processor time so far tells: called first. */
void timeline_exec(struct vm *vm);

/* A VM starts, or starts again: whatever was marked of the one before is gone. */
void timeline_begin(struct vm *vm);

/* The controller itself, and one of its children, is so far. */
void timeline_own(struct vm *vm, enum boot_stage stage);
void timeline_mark(struct child *child, enum boot_stage stage);

/* The guest has run its first instruction: it is said in the log. */
void timeline_guest(struct vm *vm);

/*
 * For an answer: a process an option, microseconds since the start began as values,
 * in parts as count_devices() has them.
 */
void timeline_list(const struct vm *vm, count_part_fn *part_done, void *arg);

#endif
