/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rootless networking: a passt for each --net user=on, a child like any other
 * but not of our making. Owns the socket between it and the net worker, hears
 * what it says on its standard error, starts it again when it has died. It must
 * not believe it anything: its lines are words for the user, and one of digits
 * alone says that it runs.
 */
#ifndef BULKHEAD_CONTROLLER_PASST_H
#define BULKHEAD_CONTROLLER_PASST_H

#include "controller/vm.h"

/* A child and a socket for each --net user=on. -errno, with the line said. */
int passt_make(struct vm *vm);

/* The VM is over: let go of what was made and not spawned. */
void passt_release(struct vm *vm);

/*
 * --net number @net has come while the VM runs: a child and a socket for it, if it is
 * user=on; what becomes of it is said to hotplug.c. -errno, with the line said.
 */
int passt_come(struct vm *vm, uint32_t net);
/* The net is there: from now on passt is started again when it dies. */
void passt_stays(struct vm *vm, uint32_t net);
/* The net leaves, its worker is gone. True: not passt yet; hotplug_exited() is called. */
bool passt_leave(struct vm *vm, uint32_t net);

/* Spawn @child, of kind PROC_PASST. */
void passt_spawn(struct child *child);

/* A worker of --net number @net is to be started, which may be a successor. */
void passt_worker_needs_it(struct vm *vm, uint32_t net);

/* It was, and has its end. */
void passt_worker_has_it(struct vm *vm, uint32_t net);

/* Do all run? */
bool passt_ready(const struct vm *vm);

/* @child could not be started, for @text; or is gone. */
void passt_failed(struct child *child, const char *text);
void passt_exited(struct child *child);

/* Start again what has waited for it. True: some wait still. */
bool passt_tick(struct vm *vm);

#endif
