/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The children: asks the spawner for them, owns their channels, checks Hello,
 * keeps the deadlines of requests, watches seccomp listeners and reports each
 * death once. What a message means for the VM is life.c's and start.c's.
 */
#ifndef BULKHEAD_CONTROLLER_SUPERVISE_H
#define BULKHEAD_CONTROLLER_SUPERVISE_H

#include "controller/vm.h"

#define SECOND 1000000000ull	/* ns */

uint64_t now_ns(void);

/* Start the spawner and listen to it. -errno, with the line said. */
int supervise_start(struct vm *vm);

/*
 * A new child of @kind, not yet spawned; @dev for device workers. Never NULL:
 * the plan bounds their number. A child that is gone is used again.
 */
struct child *child_new(struct vm *vm, enum process_kind kind,
    const struct plan_device *dev);

/* As child_new(), for the successor of a device worker that is gone. */
void child_again(struct child *child);

/*
 * Spawn it, its channel at FD_CTL and @fds at @slots. The fds stay the caller's.
 * -errno (EMFILE).
 */
int child_spawn(struct child *child, const int *fds, const uint32_t *slots,
    uint32_t n);

/* The same child once more, after it has gone, not yet spawned. */
void child_renew(struct child *child);

/* Spawn one that is not ours and has no channel: @slots[0] is FD_CTL all the same. */
void child_spawn_foreign(struct child *child, const int *fds,
    const uint32_t *slots, uint32_t n, Bh__UserNet *user_net);

/*
 * Send a request (or with @seconds 0 post), @subject to be found again in the
 * answer. A full queue or a broken channel is the child's death, and handled
 * here: no error comes back.
 */
void child_send(struct child *child, Bh__Packet *packet, const int *fds,
    unsigned int nfds, uint32_t subject, unsigned int seconds);

/* Ask to quit; kill at once. Nothing happens to a child that is not there. */
void child_quit(struct child *child);
void child_kill(struct child *child);
bool child_alive(const struct child *child);

/* Unanswered requests to @child of @type (any: BH__PACKET__BODY__NOT_SET). */
uint32_t child_waiting(const struct child *child, Bh__Packet__BodyCase type);

/* Requests whose time is over: their children are killed, and it is said. */
void supervise_deadlines(struct vm *vm);

/* Let go of everything (after the loop). */
void supervise_end(struct vm *vm);

#endif
