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

struct device;

struct blk_image_disk {
	struct blk_image *img;	/* NULL: a raw disk that was named so */
	bool raw;		/* found to be raw: img only guards it */
	enum blk_format format;
	struct blk_image_how how;
	unsigned int nfiles;
	struct blk_image_file file[FD_BACKEND_COUNT];	/* at FD_BACKEND on */
	char text[160];		/* an error */
};

/* Before the jail: allocate, look at the fds but not at what is in the files. */
int blk_image_prepare(struct blk_image_disk *disk, const Bh__BlkConfig *c,
    const char **why);
/*
 * In the jail: open the image, asking for the files that it names, and fill in
 * @be. What turns out to be raw leaves @be as it is, a raw backend.
 */
int blk_image_enter(struct device *dev, struct blk_image_disk *disk,
    struct blk_backend *be, const char **why);

/* The image that has all of the disk's bytes, or NULL: the raw backend has. */
static inline struct blk_image *
blk_image_of(const struct blk_image_disk *disk)
{
	return disk->raw ? NULL : disk->img;
}

/*
 * Write to a disk that was guessed to be raw, through @disk->img and what it
 * refuses. @iov is changed.
 */
int blk_image_guarded_write(struct blk_image_disk *disk, struct iovec *iov,
    unsigned int n, uint64_t offset);

#endif
