/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flat VMDK (VMware's Virtual Disk Format 5.0): a descriptor of text and extents
 * that are raw files. Its state.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_VMDK_H
#define BULKHEAD_DEVICE_WORKERS_BLK_VMDK_H

#include <stdbool.h>
#include <stdint.h>

#define VMDK_EXTENTS 63u		/* with the descriptor: BLK_IMAGE_FILES */
#define VMDK_DESCRIPTOR_MAX 65536u

struct vmdk_extent {
	uint64_t start, len;		/* of the disk, bytes */
	uint64_t at;			/* in the file */
	unsigned int file;		/* of blk_image; 0: zeros */
	uint16_t name_at, name_len;	/* in the descriptor */
};

struct vmdk {
	unsigned int nextents, given;
	bool readonly;			/* an extent that may not be written */
	uint32_t cid_at;		/* of its digits in the file; 0: none */
	uint32_t cid_len;		/* how many they are, at most 8 */
	struct vmdk_extent extent[VMDK_EXTENTS];
};

#endif
