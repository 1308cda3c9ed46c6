/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that come to a running VM and leave it. One that comes is opened, gets a
 * worker in the same jail as at boot, and then the vcpu-worker puts it on PCI; one
 * that leaves is asked for, and gone when the guest has let go of it. One change at a
 * time; what fails leaves nothing behind, and the VM goes on.
 */
#ifndef BULKHEAD_CONTROLLER_HOTPLUG_H
#define BULKHEAD_CONTROLLER_HOTPLUG_H

#include "controller/vm.h"

/*
 * How a change ended: 200 with the device, or the status and *why. Called once for each
 * hotplug_add() that returned 0.
 */
typedef void hotplug_done_fn(struct vm *vm, uint32_t status,
    const struct plan_device *dev, const char *why);

/* @dev, of vm->plan, is new there and in vm->spec: make it. */
void hotplug_add(struct vm *vm, struct plan_device *dev, hotplug_done_fn *ended);

/*
 * The guest shall let the device called @id go; @force: it is taken from it. The
 * status of the answer, and *why.
 */
uint32_t hotplug_remove(struct vm *vm, const char *id, bool force,
    const char **why);

/* All its paths are open. */
void hotplug_opened(struct vm *vm);
/* A failure that is the new device's, not the VM's: true, and it is taken. */
bool hotplug_takes_failure(struct vm *vm, const char *line);
/* ... and what comes of it, when whoever failed has returned. */
void hotplug_progress(struct vm *vm);
/* The same of what @child says of its end. */
bool hotplug_child_failed(struct child *child, const char *line);

/* DeviceReady; the answer to PciDevice; to UnplugDevice; DeviceEjected. */
void hotplug_ready(struct child *child);
void hotplug_answered(struct vm *vm, uint32_t index, const char *failed);
void hotplug_unplugged(struct vm *vm, uint32_t index, const char *failed);
void hotplug_ejected(struct vm *vm, uint32_t bdf);

/* What its worker needs besides, memory or passt, is there; or @failed says why not. */
void hotplug_backed(struct vm *vm, const char *failed);

/* A child has gone. */
void hotplug_exited(struct child *child);

/* What a device that leaves waits for may be over. */
void hotplug_settle_leaving(struct vm *vm);

/* The guest is reset: what was leaving is gone, what comes does not. */
void hotplug_reset(struct vm *vm);

/* The VM has stopped, and keeps its spec: without what has left. */
void hotplug_settle(struct vm *vm);

#endif
