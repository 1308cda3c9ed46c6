/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The validators: one a message type. What has passed proto_check() has every
 * field in the range that proto/bulkhead.proto states, no unknown field, and
 * only printable UTF-8 in its strings. Called by ipc/chan.c alone (and fuzzed);
 * depends on nothing outside the packet.
 */
#ifndef BULKHEAD_PROTO_CHECK_H
#define BULKHEAD_PROTO_CHECK_H

#include "bulkhead.pb-c.h"

/* NULL if @packet is valid, else static text that says what is not. */
const char *proto_check(const Bh__Packet *packet);

#endif
