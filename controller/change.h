/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.create and vm.add-*: a spec that is built beside the one that counts, from
 * the parts of one request, and takes its place only when all of it is valid.
 * Called by manage.c alone.
 */
#ifndef BULKHEAD_CONTROLLER_CHANGE_H
#define BULKHEAD_CONTROLLER_CHANGE_H

#include "controller/vm.h"

/*
 * One part of request @seq. 0: more is to come; else the HTTP status, and from 300
 * on the line. Fds are taken from @msg where they become the VM's.
 */
uint32_t change_take(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req,
    struct chan_msg *msg, struct spec_error *err);

/*
 * The same of a VM that runs, whose devices keep their places: *added is the new one,
 * which is still to be made.
 */
uint32_t change_take_running(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req,
    struct chan_msg *msg, struct spec_error *err, struct plan_device **added);

/*
 * Take the device that is called @id out of a VM that is not booted. The status of
 * the answer; 300 and above: nothing has changed, and *err says why.
 */
uint32_t change_remove(struct vm *vm, const char *id, struct spec_error *err);

/*
 * A VM that has stopped keeps what was there last, without the holes, and a plan as at
 * its next boot.
 */
void change_settle(struct vm *vm);

/*
 * A VM of a snapshot's configuration, which comes in parts: begin, each part, end. The
 * last makes it vm->spec, CREATED; from status 300 on nothing was made, and *err says why.
 */
void change_restore_begin(struct vm *vm);
void change_restore_part(size_t n, Bh__ApiOption **options);
uint32_t change_restore_end(struct vm *vm, struct spec_error *err);

/* Close what came with a request and is no file of vm->spec any more. */
void change_sweep(struct vm *vm);

#endif
