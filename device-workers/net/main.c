// SPDX-License-Identifier: Apache-2.0
/* bulkhead-net: one virtio network device in a process of its own. */
#include "device-workers/net/net.h"

int
main(void)
{
	return worker_main(&net_ops);
}
