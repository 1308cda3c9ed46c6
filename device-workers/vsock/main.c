/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-vsock: the worker of one socket device. */
#include "device-workers/vsock/vsock.h"

int
main(void)
{
	return worker_main(&vsock_ops);
}
