/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What check.c, check_device.c, check_snapshot.c and check_vm.c share, and nobody else includes: validators of
 * bodies, which give NULL or static text that says what is not valid.
 */
#ifndef BULKHEAD_PROTO_CHECK_INSIDE_H
#define BULKHEAD_PROTO_CHECK_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"

#define PAGE 4096u

#define REQUIRE(condition, why)						\
	do {								\
		if (!(condition))					\
			return (why);					\
	} while (0)

static inline bool
power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* The walk over the descriptors: no unknown field, enums and strings as they must. */
const char *proto_check_fields(const ProtobufCMessage *m);

const char *check_device_config(const Bh__DeviceConfig *m);
const char *check_device_ready(const Bh__DeviceReady *m);
const char *check_device_state(const Bh__DeviceState *m);
const char *check_activate(const Bh__Activate *m);
const char *check_write_config(const Bh__WriteConfig *m);
const char *check_snapshot_files(const Bh__SnapshotFiles *m);
const char *check_snapshot_part(const Bh__SnapshotPart *m);

#endif
