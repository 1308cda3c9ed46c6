/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who does not answer any more: each process that works for long is sent a Ping
 * now and then, one at a time, and one whose Pong stays out for
 * --worker-hang-timeout is looked at by the spawner and, if it neither waits for
 * the host's storage nor is being debugged, killed: its death is then as any
 * other. Called by supervise.c and life.c. Must not send to a process that is
 * being started or ended: that has deadlines of its own.
 *
 * Time is counted in ticks that this process has handled: while it stands still
 * itself (a stopped process group, a suspended host), nobody is late.
 */
#ifndef BULKHEAD_CONTROLLER_PULSE_H
#define BULKHEAD_CONTROLLER_PULSE_H

#include "controller/vm.h"

/* Begin, if the user has not switched it off. */
void pulse_start(struct vm *vm);

/* Its timer has run out. */
void pulse_tick(struct vm *vm);

/* Pong, number @number: false, it answers nothing. */
bool pulse_answered(struct child *child, uint32_t number);

/* What the spawner saw: the letter of /proc/PID/stat, or 0. */
void pulse_seen(struct child *child, uint32_t state);

#endif
