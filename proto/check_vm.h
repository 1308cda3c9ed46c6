/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The validator of VmState, as check.h is that of packets: what has passed it has
 * every count, length and number in the range that proto/bulkhead.proto states. What
 * fits the VM that loads it is for the VM to say. Called by vcpu-worker/load.c alone
 * (and fuzzed); depends on nothing outside the message.
 */
#ifndef BULKHEAD_PROTO_CHECK_VM_H
#define BULKHEAD_PROTO_CHECK_VM_H

#include "bulkhead.pb-c.h"

/* NULL if @state is valid, else static text that says what is not. */
const char *proto_check_vm_state(const Bh__VmState *state);

#endif
