/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker of the state version before this one (device-workers/lib/version.c):
 * it writes no version into its record, and knows no newer one. Installed with its
 * VMM, so of the same build.
 */
#include "build_id.h"
#include "device-workers/lib/worker.h"

_Static_assert(DEVICE_STATE_VERSION == 2, "keep a worker of the version before");

const struct worker_version worker_version = {
	.protocol = PROTO_VERSION, .build = BULKHEAD_BUILD_ID,
	.state = 1, .oldest = 1,
};
