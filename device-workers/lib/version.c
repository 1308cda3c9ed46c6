/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device worker says of itself in its Hello. Nothing else: tests link
 * workers of other versions, that have another of this file.
 */
#include "build_id.h"
#include "device-workers/lib/worker.h"

const struct worker_version worker_version = {
	.protocol = PROTO_VERSION, .build = BULKHEAD_BUILD_ID,
	.state = DEVICE_STATE_VERSION, .oldest = DEVICE_STATE_OLDEST,
};
