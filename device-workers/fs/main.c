/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-fs: the worker of one shared directory. */
#include "device-workers/fs/fs.h"

int
main(void)
{
	return worker_main(&fs_ops);
}
