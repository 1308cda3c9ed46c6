/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that comes and goes while the VM runs: how much shall be there and how much
 * is. Called by resize_vm.c and manage.c with what the user wants, by life.c with what
 * workers say. Owns hot_wanted of the
 * plan's zones, which begins as the configuration says.
 */
#ifndef BULKHEAD_CONTROLLER_MEMORY_H
#define BULKHEAD_CONTROLLER_MEMORY_H

#include "controller/vm.h"

/* Bytes that virtio-mem plugs at once in this zone, a power of two. */
uint64_t memory_block(const struct vm *vm, uint32_t zone);

/* All that the guest may ever have, in bytes; what it has now, as it says. */
uint64_t memory_most(const struct vm *vm);
uint64_t memory_actual(const struct vm *vm);

/* What the guest shall have, if all goes well. */
uint64_t memory_wanted(const struct vm *vm);

/*
 * The guest shall have @size bytes in all. Answers as resize_vm(): 204, a status that
 * is none and *why, a sentence's end.
 */
uint32_t memory_resize(struct vm *vm, uint64_t size, const char **why);

/* The same of zone @id, whose boot memory counts. */
uint32_t memory_resize_zone(struct vm *vm, const char *id, uint64_t size,
    const char **why);

/* Can memory_resize() be asked for it? 0, or its status and *why; changes nothing. */
uint32_t memory_refuse(const struct vm *vm, uint64_t size, const char **why);

/* A device worker is ready: one whose size was changed meanwhile is told. */
void memory_ready(const struct child *worker);

#endif
