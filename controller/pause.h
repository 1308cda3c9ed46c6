/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running VM that stands still for a while: first its vCPUs, then its device
 * workers, which finish what they took and take nothing more. Called by manage.c
 * for vm.pause and vm.resume, by life.c and recover.c for what happens meanwhile;
 * asks nobody about the state of the VM, which stays VM_RUNNING.
 */
#ifndef BULKHEAD_CONTROLLER_PAUSE_H
#define BULKHEAD_CONTROLLER_PAUSE_H

#include "controller/vm.h"

/* Of a running VM that is not paused; of one that is. manage_paused() hears of it. */
void pause_begin(struct vm *vm);
void pause_end(struct vm *vm);

/* @child has answered SetPaused, or has gone: what waits for it goes on. */
void pause_answered(struct child *child);
void pause_gone(struct vm *vm);

/*
 * The successor of a worker is ready: if it has to be paused first, it is told,
 * and recover_ready() is called again when it is. True: not yet.
 */
bool pause_successor(struct child *child);

/* The VM is reset: its device workers go on. */
void pause_reset(struct vm *vm);

#endif
