/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block device's disk image: from its configuration to an open image. Called
 * by blk.c, before and after the jail is closed.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_BLK_IMAGE_H
#define BULKHEAD_DEVICE_WORKERS_BLK_BLK_IMAGE_H

#include "bulkhead.pb-c.h"
#include "device-workers/blk/image.h"
#include "ipc/slots.h"

struct blk_image_disk {
	struct blk_image *img;
	enum blk_format format;
	struct blk_image_how how;
	unsigned int nfiles;
	struct blk_image_file file[FD_BACKEND_COUNT];	/* at FD_BACKEND on */
};

/* Before the jail: allocate, look at the fds but not at what is in the files. */
int blk_image_prepare(struct blk_image_disk *disk, const Bh__BlkConfig *c,
    const char **why);
/* In the jail: open the image, and fill in @be. */
int blk_image_enter(struct blk_image_disk *disk, struct blk_backend *be,
    const char **why);

#endif
