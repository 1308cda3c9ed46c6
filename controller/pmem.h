/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent memory: where each file lies in the guest's memory, which is known when
 * all are open. Written state: vm->pmem and the PCI window of vm, which begins behind
 * the last of them.
 */
#ifndef BULKHEAD_CONTROLLER_PMEM_H
#define BULKHEAD_CONTROLLER_PMEM_H

#include "controller/vm.h"

/* A file is open: keep it, lock it. 0, or -errno; the user has his line. */
int pmem_opened(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, int fd);

/* All are: place them. 0, or -errno; the user has his line. */
int pmem_place(struct vm *vm);

/* Bytes of all of them. */
uint64_t pmem_size(const struct vm *vm);

/* Have the vcpu-worker @child map them. */
void pmem_send(struct child *child, unsigned int seconds);

#endif
