/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start sequence of docs/protocol.md, and that of a reset, which is its
 * second half. Driven by events: each step is sent as soon as what it needs is
 * there, and nothing waits.
 */
#ifndef BULKHEAD_CONTROLLER_START_H
#define BULKHEAD_CONTROLLER_START_H

#include "controller/vm.h"

/* Begin: spawn the opener and ask for every path that is not open yet. */
void start_begin(struct vm *vm);

/* After the paths: make memory and fds, spawn everybody. */
void start_build(struct vm *vm);

/* After a reset: new vcpu-worker and loader over the same memory and workers. */
void start_again(struct vm *vm);

/* Spawn @child with the fds of its kind, and send its configuration. */
void start_spawn(struct child *child);

/* Tell the vcpu-worker of a device whose worker is ready. */
void start_tell_vcpu(struct vm *vm, struct child *child);

/* A child has gone for good: its fds, and its place for the next. */
void start_release_child(struct child *child);
/* What was opened for device @dev. */
void start_release_backend(struct vm *vm, const struct plan_device *dev);

/* The VM is over: let go of all that it was made of. */
void start_release(struct vm *vm);

/* Something happened: send what can be sent now. */
void start_progress(struct vm *vm);

/* DeviceReady: keep a copy; -EPROTO if it does not fit the plan. */
int start_device_ready(struct child *child, const Bh__DeviceReady *ready);

/* What a device worker said of itself; its arrays are the child's. */
void start_fill_ready(struct child *child, Bh__DeviceReady *ready);

#endif
