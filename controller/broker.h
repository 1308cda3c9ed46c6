/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a disk image names: its worker asks for them by name, once it is in
 * its jail, and gets an fd or a refusal. Names are hostile; the controller reads no
 * byte of an image, and opens nothing itself: an opener does, below the folder of
 * the path that the user gave. What was given is kept, for a worker to come.
 */
#ifndef BULKHEAD_CONTROLLER_BROKER_H
#define BULKHEAD_CONTROLLER_BROKER_H

#include "controller/vm.h"

/* May an image of this disk name other files at all? */
bool broker_may_want(const struct disk_spec *disk);

/* WantFile of @child. -EPROTO: it may not ask, or not now. */
int broker_want(struct child *child, const Bh__WantFile *want);

/* Open disk @index once more, for its next worker: recover_reopened() has it. */
void broker_reopen(struct vm *vm, uint32_t index);

/* The opener's answers about disk @index. -EPROTO. */
int broker_opened(struct vm *vm, uint32_t index, const Bh__Opened *opened,
    struct chan_msg *msg);
void broker_failed(struct vm *vm, uint32_t index, const Bh__Failed *failed);

/* A disk is ready, or gone: the opener goes when no other can ask. */
void broker_settle(struct vm *vm);

#endif
