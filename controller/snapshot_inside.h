/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What snapshot.c, which saves, has in common with restore.c. For nobody else.
 */
#ifndef BULKHEAD_CONTROLLER_SNAPSHOT_INSIDE_H
#define BULKHEAD_CONTROLLER_SNAPSHOT_INSIDE_H

#include "controller/vm.h"

/* The path of "file:///dir", or NULL. */
const char *snapshot_path(const char *url);

/* Ask the opener, which is started where there is none. */
void snapshot_open(struct vm *vm, Bh__OpenKind kind);

/* Start the migration-worker; what it is told follows. False: it cannot be. */
bool snapshot_spawn(struct vm *vm);
void snapshot_send_files(struct child *child);
/* Guest memory that the guest boots with, all records, the VM's state. */
void snapshot_send_parts(struct child *child, bool load);
void snapshot_send_job(struct child *child, Bh__SnapshotVerb verb);

/* What a VM of @plan has that is in no snapshot yet, or NULL. */
const char *snapshot_lacks(const struct vm_plan *plan);

/* It is over; @why NULL: well. */
void snapshot_finish(struct vm *vm, const char *why);

/* Close all fds. */
void snapshot_close(struct vm *vm);

/* restore.c: the opener's and the worker's answers; they are gone. */
void restore_opened(struct vm *vm, const Bh__Opened *opened, struct chan_msg *msg);
void restore_failed(struct vm *vm, const char *text);
void restore_worker_done(struct vm *vm);

#endif
