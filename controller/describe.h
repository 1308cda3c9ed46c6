/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a spec and the messages of the API, by the one table of options
 * (option_table.c): what is read from the command line is also read from a
 * message, checked by the same rows, and written into one.
 */
#ifndef BULKHEAD_CONTROLLER_DESCRIBE_H
#define BULKHEAD_CONTROLLER_DESCRIBE_H

#include "bulkhead.pb-c.h"
#include "controller/plan.h"
#include "controller/spec.h"

/*
 * Set what @option says in @spec: a value of an option, its sub-options, or one
 * more element of a list. Options of the VMM are refused. 0, -EINVAL with the
 * line, -ENOMEM.
 */
int describe_apply(struct vm_spec *spec, const Bh__ApiOption *option,
    struct spec_error *err);

/* Options of one part of an answer; good until the next call. */
typedef void describe_fn(void *arg, size_t n, Bh__ApiOption **options);

/*
 * Everything of @spec that is not the default, with the names and addresses that
 * @plan gave, in parts of at most half a packet.
 */
void describe_spec(const struct vm_spec *spec, const struct vm_plan *plan,
    describe_fn *emit, void *arg);

#endif
