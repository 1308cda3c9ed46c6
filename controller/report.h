/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user is told of a child: its log lines, what it could not do, how it
 * ended. Exactly one report for each end.
 */
#ifndef BULKHEAD_CONTROLLER_REPORT_H
#define BULKHEAD_CONTROLLER_REPORT_H

#include "controller/vm.h"
#include "ipc/log.h"

void report_child_log(struct child *child, enum log_level level,
    const char *text);

/* Failed: the VM fails with the option that the child is about. */
void report_failed(struct child *child, const Bh__Failed *failed);

/* Has the kernel killed it for want of memory, as far as its cgroup tells? */
bool report_is_oom(const struct child *child);

/* How it ended: "exit status 1", "killed by signal 9 (SIGKILL)". */
void report_end(const struct child *child, char *buf, size_t size);

/* The child is gone. One that was not to go yet is the VM's failure. */
void report_exit(struct child *child);

#endif
