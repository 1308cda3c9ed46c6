/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-mem: the worker of a virtio-mem device. */
#include "device-workers/mem/mem.h"

int
main(void)
{
	return worker_main(&mem_ops);
}
