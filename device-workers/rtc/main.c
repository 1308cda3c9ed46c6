/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-rtc: the worker of one virtio clock. */
#include "device-workers/rtc/rtc.h"

int
main(void)
{
	return worker_main(&rtc_ops);
}
