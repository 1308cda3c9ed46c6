/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread of a VM held still by ptrace: for audit_trace.c, which reads its
 * filters back, and audit_probe.c, which has it make calls.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_AUDIT_TRACE_H
#define BULKHEAD_CONTROLLER_CTL_AUDIT_TRACE_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/user.h>

#include "controller/ctl/audit.h"

struct held {
	pid_t tid;
	bool unfiltered;	/* its filters rest while it is held */
	struct user_regs_struct regs;	/* as it was found */
};

/* A number where ptrace and its like want a pointer of the other process'. */
void *held_word(uint64_t value);

/* Let @h run until it stops. The wait status, or -errno: -ETIMEDOUT, -ESRCH. */
int held_wait(const struct held *h);

/*
 * Ask what only the thread itself is told: has a Landlock domain, refuses memory
 * that becomes executable, ... Its registers, signal mask and the stack below its
 * red zone are as before when this returns. Fills in @t.
 */
void audit_probe(struct held *h, struct audit_task *t);

#endif
