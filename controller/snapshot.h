/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots of a paused VM, and VMs made of one. The directory is an opener's, the files
 * a bulkhead-migration's, which this asks and waits for: nothing here reads or writes
 * either. snapshot.c saves, restore.c restores. One at a time. Called by manage.c, life.c,
 * life_messages.c, pause.c, start.c and config.c.
 */
#ifndef BULKHEAD_CONTROLLER_SNAPSHOT_H
#define BULKHEAD_CONTROLLER_SNAPSHOT_H

#include "controller/vm.h"

/*
 * Save the VM, which is paused, into the directory of @url, "file:///dir". 0:
 * snapshot_done_fn is called once. Else the HTTP status, and *why: nothing was begun.
 */
uint32_t snapshot_save(struct vm *vm, const char *url, snapshot_done_fn *done,
    const char **why);

/*
 * Make a VM of the snapshot at @url, and with @resume have it run. There is none yet.
 * As snapshot_save(); a failure of the VM's start is life_fail()'s, and not @done's.
 */
uint32_t snapshot_restore(struct vm *vm, const char *url, bool resume,
    snapshot_done_fn *done, const char **why);

/* --restore: now that the VMM is up. */
void snapshot_restore_given(struct vm *vm);

/* Is the VM that starts made of a snapshot? */
bool snapshot_restores(const struct vm *vm);

/* Is @child one of a snapshot's? What it answers; -EPROTO: what it may not say. */
bool snapshot_takes(const struct child *child);
int snapshot_answered(struct child *child, const Bh__Packet *packet,
    struct chan_msg *msg, const struct request *req);
/* A part of the configuration. -EPROTO: nobody has asked for it. */
int snapshot_config(struct child *child, const Bh__SnapshotConfig *config);
void snapshot_exited(struct child *child);

/* The vcpu-worker's answer to SaveVm; @failed NULL: Ack. */
void snapshot_vm_saved(struct vm *vm, const char *failed);

/* Of a VM that is restored: what its migration-worker is to fill; the vcpu-worker is
 * ready for its state; and has it, and the VM is RUNNING. */
void snapshot_send_load(struct child *child);
void snapshot_load_vm(struct vm *vm);
void snapshot_loaded(struct vm *vm);
/* It is paused, or runs. */
void snapshot_paused(struct vm *vm);

/* The VM is about to stop: what is not whole is taken away. And: it has stopped. */
void snapshot_cancel(struct vm *vm);
void snapshot_release(struct vm *vm);

#endif
