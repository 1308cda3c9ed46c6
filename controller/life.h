/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a VM: NONE, CREATED, STARTING, RUNNING, RESETTING, STOPPING, and
 * again, or OVER. Takes what supervise.c hears and decides; every transition is
 * in life.c's table.
 */
#ifndef BULKHEAD_CONTROLLER_LIFE_H
#define BULKHEAD_CONTROLLER_LIFE_H

#include "controller/vm.h"

/* Why the VM is to stop. */
enum stop_cause {
	STOP_ASKED,		/* SIGINT, SIGTERM, Ctrl-] x, vmm.shutdown */
	STOP_GUEST,		/* the guest powered off */
	STOP_FAILED,		/* a part of the VM is broken */
	STOP_SHUTDOWN,		/* vm.shutdown: it may be booted again */
	STOP_DELETE,		/* vm.delete */
};

/* Go to @next; a transition that the table does not have is refused. */
bool life_enter(struct vm *vm, enum vm_state next);

void life_stop(struct vm *vm, enum stop_cause cause);

/* Boot the VM that was created; what comes of it, manage_progress() hears. */
void life_boot(struct vm *vm);

/* Reset a running VM, as its guest may. */
void life_reset(struct vm *vm);

/* Press the power button of a running VM. */
void life_power_button(struct vm *vm);

/* A non-maskable interrupt on each of its vCPUs. */
void life_nmi(struct vm *vm);

/* Say why (once a VM), stop, exit status 1. Without "bulkhead: " and newline. */
void life_fail(struct vm *vm, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * As life_fail() where @child is a part of the VM; where it is not (the
 * api-worker, an opener while the VM runs), that is said, and the VM goes on.
 */
void life_child_failed(struct child *child, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* From supervise.c: a checked message that is not the supervisor's own. @req is
 * the request that it answers, or NULL. */
void life_message(struct child *child, const Bh__Packet *packet,
    struct chan_msg *msg, const struct request *req);
/* ... and: this child is up, or gone; its exit is reported already. */
void life_spawned(struct child *child);
void life_exited(struct child *child);

/* A tick, and each signal. */
void life_tick(struct vm *vm);

/* Have life_tick() called, until nothing waits for time. */
void life_arm_timer(struct vm *vm);
void life_signal(struct vm *vm, int signal);

#endif
