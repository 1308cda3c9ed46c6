/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another size for a disk of a running VM. The file is made as large here, where
 * its fd is, before the worker is told to grow, and cut after it has let go of the
 * end. Called by whoever asks for a resize, and by life.c with the answers.
 */
#ifndef BULKHEAD_CONTROLLER_RESIZE_H
#define BULKHEAD_CONTROLLER_RESIZE_H

#include "controller/vm.h"

/*
 * Begin: disk @disk of the specification shall have @size bytes. 0: @done is called
 * once, with 0 or -errno and a text, when the guest has been told or it has failed
 * (@done may be NULL). -errno and *why, a sentence's end for the user: nothing was
 * begun. EBUSY: another resize of it is under way, or the VM does not run.
 */
int resize_disk(struct vm *vm, uint32_t disk, uint64_t size, resize_done_fn *done,
    const char **why);

/* The worker of disk @disk has answered; @failed: NULL where it said yes. */
void resize_answered(struct vm *vm, uint32_t disk, const Bh__Failed *failed);

/*
 * Disk worker @child has taken over, or there is none any more: what its predecessor
 * did not answer is asked again, or has failed. Nothing for other devices.
 */
void resize_successor(const struct child *child);

#endif
