/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.resize: how many vCPUs and how much memory (memory.h) the guest has, and how
 * large its balloon is. Called by manage.c with the request, by life.c with what the
 * vcpu-worker says.
 */
#ifndef BULKHEAD_CONTROLLER_RESIZE_VM_H
#define BULKHEAD_CONTROLLER_RESIZE_VM_H

#include "controller/vm.h"

enum resize_what { RESIZE_VCPUS, RESIZE_RAM, RESIZE_BALLOON, RESIZE_COUNT };

/*
 * Make it so; NULL: that stays as it is. All of it or nothing. Answers the status of the request and *why, a sentence's end where it
 * is not 204; 0: under way, manage_resized() is called later.
 */
uint32_t resize_vm(struct vm *vm, const uint64_t *const sizes[RESIZE_COUNT], const char **why);

/* The guest begins, with as many vCPUs as the configuration says. */
void resize_vm_booted(struct vm *vm);

/* The vcpu-worker's answer; @failed: NULL where it said yes. */
void resize_vm_answered(struct vm *vm, const Bh__Failed *failed);

/* vCPUs have gone, or stay. -EPROTO: it cannot be. */
int resize_vm_changed(struct vm *vm, const Bh__VcpusChanged *changed);

#endif
