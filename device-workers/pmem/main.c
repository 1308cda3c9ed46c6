/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-pmem: the worker of one persistent memory device. */
#include "device-workers/pmem/pmem.h"

int
main(void)
{
	return worker_main(&pmem_ops);
}
