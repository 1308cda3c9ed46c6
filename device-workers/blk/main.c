// SPDX-License-Identifier: Apache-2.0
/* bulkhead-blk: one virtio block device in a process of its own. */
#include "device-workers/blk/blk.h"

int
main(void)
{
	return worker_main(&blk_ops);
}
