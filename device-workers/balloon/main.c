/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-balloon: the worker of the memory balloon. */
#include "device-workers/balloon/balloon.h"

int
main(void)
{
	return worker_main(&balloon_ops);
}
