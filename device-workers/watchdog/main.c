/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-watchdog: the worker of one virtio watchdog. */
#include "device-workers/watchdog/watchdog.h"

int
main(void)
{
	return worker_main(&watchdog_ops);
}
