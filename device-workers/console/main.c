// SPDX-License-Identifier: Apache-2.0
/*
 * bulkhead-console: the virtio console and the far ends of all consoles of a VM
 * in a process of their own.
 */
#include "device-workers/console/console.h"

int
main(void)
{
	return worker_main(&console_ops);
}
