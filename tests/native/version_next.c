/* SPDX-License-Identifier: Apache-2.0 */
/* A worker of a build to come, which knows the state of this one. */
#include "device-workers/lib/worker.h"

const struct worker_version worker_version = {
	.protocol = PROTO_VERSION, .build = "a build to come",
	.state = DEVICE_STATE_VERSION + 1, .oldest = DEVICE_STATE_VERSION,
};
