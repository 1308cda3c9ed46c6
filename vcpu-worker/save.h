/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM holds outside its memory, to a memfd and back: VmState in
 * proto/bulkhead.proto, record by record. Main thread, all vCPUs stand still. The
 * file that is loaded is hostile: it is looked through once as a whole before
 * anything of the VM changes, and its seals see to it that it is the same then.
 */
#ifndef BULKHEAD_VCPU_WORKER_SAVE_H
#define BULKHEAD_VCPU_WORKER_SAVE_H

#include "vcpu-worker/vm.h"

/*
 * Write the state to the empty memfd at FD_VM_STATE. -errno and *why, which is static
 * or good until the next call; the VM is as it was.
 */
int vm_save(struct vm *vm, const char **why);

/*
 * Load it from there. *touched: the VM is not what it was, whatever this returns.
 * -errno and *why: EINVAL, what does not fit; EPROTO, what is no VmState.
 */
int vm_load(struct vm *vm, bool *touched, const char **why);

/*
 * For load.c, and its fuzz target: decode and check the record of @len bytes at
 * @bytes, the first of those that follow. NULL and *why: it is none. Good until the
 * next call.
 */
const Bh__VmState *vm_record_decode(const uint8_t *bytes, size_t len, const char **why);
/* Bytes of the record that begins with these @len; 0: that cannot be one. */
size_t vm_record_size(const uint8_t *bytes, size_t len);

#define VM_RECORD_HEAD 6u	/* bytes: enough for vm_record_size() */

#endif
