/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What manage.c, which serves requests, has in common with manage_info.c, which answers
 * those that ask. For nobody else.
 */
#ifndef BULKHEAD_CONTROLLER_MANAGE_INSIDE_H
#define BULKHEAD_CONTROLLER_MANAGE_INSIDE_H

#include "controller/vm.h"

/* An answer to request @seq, or a part of one; and one of a status alone. */
void manage_answer(struct vm *vm, uint32_t seq, Bh__ApiAnswer *answer);
void manage_done(struct vm *vm, uint32_t seq, uint32_t status);

/* The pending request is over; @why from status 300 on. */
void manage_settle(struct vm *vm, uint32_t status, const char *why);

/* The value @name of a request of one option, or NULL. */
const Bh__ApiValue *manage_value(const Bh__ApiRequest *req, const char *name,
    Bh__ApiValue__ValueCase type);

/* In manage_begin.c: an upgrade, a snapshot, a restore. */
void manage_begin(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req,
    struct chan_msg *msg);

void manage_answer_info(struct vm *vm, uint32_t seq);
void manage_answer_counters(struct vm *vm, uint32_t seq);
void manage_answer_timeline(struct vm *vm, uint32_t seq);
void manage_answer_crashes(struct vm *vm, uint32_t seq);

#endif
