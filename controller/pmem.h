/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent memory: where each file lies in the guest's memory, which is known when
 * all are open. Written state: vm->pmem and the PCI window of vm, which begins behind
 * the last of them and room for those that come while the VM runs. What comes is mapped
 * before its device is told of; what goes is unmapped before its file is closed.
 */
#ifndef BULKHEAD_CONTROLLER_PMEM_H
#define BULKHEAD_CONTROLLER_PMEM_H

#include "controller/vm.h"

/* A file is open: keep it, lock it. 0, or -errno; the user has his line. */
int pmem_opened(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, int fd);

/* All are: place them. 0, or -errno; the user has his line. */
int pmem_place(struct vm *vm);

/* Bytes of all of them, with those that may come. */
uint64_t pmem_size(const struct vm *vm);

/* Have the vcpu-worker @child map them. */
void pmem_send(struct child *child, unsigned int seconds);

/* ---- while the VM runs ---- */

/* Subjects of AddMemory and RemoveMemory from here on are these. */
#define PMEM_SUBJECT 256u

/* Number @i has come and is open: place it, have it mapped. -errno; the line is said. */
int pmem_come(struct vm *vm, uint32_t i);

/* Is it mapped? */
bool pmem_mapped(const struct vm *vm, uint32_t i);

/* The vcpu-worker's answer of @type. */
void pmem_answered(struct vm *vm, Bh__Packet__BodyCase type, uint32_t subject,
    const Bh__Failed *failed);

/*
 * Its device has left. True: not unmapped yet; asked for, and hotplug_settle_leaving()
 * is called then. @bdf: where something dead is left, which has its addresses; 0: none.
 */
bool pmem_leave(struct vm *vm, uint32_t i, uint32_t bdf);

/* The VM is over: nothing is mapped. */
void pmem_release(struct vm *vm);

/* What was dead at @bdf, or (UINT32_MAX) everywhere, is no more. */
void pmem_let_go(struct vm *vm, uint32_t bdf);

#endif
