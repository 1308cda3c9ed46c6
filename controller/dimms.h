/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIMMs: memory that comes and goes by ACPI, each a memfd of its own. One that comes is
 * mapped by everybody before the guest is told; of one that the guest lets go the
 * device workers let go first, then the vcpu-worker, and then the fd is closed. Called
 * by memory.c with what is wanted, by life.c with what processes say. Owns vm->dimms.
 */
#ifndef BULKHEAD_CONTROLLER_DIMMS_H
#define BULKHEAD_CONTROLLER_DIMMS_H

#include "controller/vm.h"

/* Bytes that are there or come, those excluded that go. */
uint64_t dimms_size(const struct vm *vm);

/* Before a guest begins: the one of hotplugged_size. -errno: the user has his line. */
int dimms_boot(struct vm *vm);

/*
 * @size bytes of them in all, in a running VM. As resize_vm(): 0, and manage_resized()
 * is called later, or a status and *why.
 */
uint32_t dimms_resize(struct vm *vm, uint64_t size, const char **why);
/* Whether it could; as memory_refuse(). */
uint32_t dimms_refuse(const struct vm *vm, uint64_t size, const char **why);

/* How many regions @child gets with its configuration; send them, or, to a
 * vcpu-worker, with what it has to know besides. */
uint32_t dimms_regions(const struct vm *vm);
void dimms_send(struct child *child, unsigned int seconds);

/* A process has answered AddMemory, RemoveMemory, PlugDimm or UnplugDimm; or is gone,
 * or ready. Anything else is not looked at. */
void dimms_progress(struct vm *vm);
void dimms_answered(struct child *child, Bh__Packet__BodyCase type,
    uint32_t subject, const Bh__Failed *failed);

/* The guest has let one go, or will not. -EPROTO: it cannot be. */
int dimms_changed(struct vm *vm, const Bh__DimmChanged *changed);

/* The machine is reset: what was under way with the last guest is over. */
void dimms_reset(struct vm *vm);
/* ... and clears them. -errno. */
int dimms_punch(const struct vm *vm);
void dimms_release(struct vm *vm);

#endif
