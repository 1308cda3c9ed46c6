/* SPDX-License-Identifier: Apache-2.0 */
/* A worker of a build to come, which speaks another protocol. */
#include "device-workers/lib/worker.h"

const struct worker_version worker_version = {
	.protocol = PROTO_VERSION + 1, .build = "a build to come",
	.state = DEVICE_STATE_VERSION, .oldest = DEVICE_STATE_OLDEST,
};
