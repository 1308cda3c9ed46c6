/* SPDX-License-Identifier: Apache-2.0 */
/* The file system device, for its main and tests. */
#ifndef BULKHEAD_DEVICE_WORKERS_FS_FS_H
#define BULKHEAD_DEVICE_WORKERS_FS_FS_H

#include "device-workers/lib/device.h"

#define VIRTIO_ID_FS 26u
#define FS_TAG_SIZE 36u		/* virtio 1.2, 5.11.4 */

extern const struct device_ops fs_ops;

#endif
