/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-rng: the worker of one entropy device. */
#include "device-workers/rng/rng.h"

int
main(void)
{
	return worker_main(&rng_ops);
}
