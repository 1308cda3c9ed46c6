// SPDX-License-Identifier: Apache-2.0
/*
 * Opens the block device's disk image from the fds at FD_BACKEND and after it, in
 * the order in which the image names them. Called by blk.c. A name in an image is
 * only ever shown to the user here: which file has it was the controller's choice.
 */
#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "device-workers/blk/blk_image.h"
#include "ipc/log.h"

static int
adopt(struct blk_image_disk *disk, const Bh__BlkConfig *c, unsigned int i,
    uint64_t size, bool readonly, const char **why)
{
	struct blk_image_file *f = &disk->file[i];
	struct stat st;

	if (fstat(FD_BACKEND + (int)i, &st) != 0) {
		*why = "a file of the disk image is not at its slot";
		return -errno;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		*why = "the disk image is neither a file nor a block device";
		return -EINVAL;
	}
	*f = (struct blk_image_file){
		.fd = FD_BACKEND + (int)i,
		.size = size,
		.device = st.st_dev,
		.inode = st.st_ino,
		.align = c->direct ? c->block_size : 1,
		.block = S_ISBLK(st.st_mode),
		.readonly = readonly,
	};
	/* It may have grown since it was opened, by an earlier worker's writes. */
	if (S_ISREG(st.st_mode))
		f->size = (uint64_t)st.st_size;
	return 0;
}

int
blk_image_prepare(struct blk_image_disk *disk, const Bh__BlkConfig *c,
    const char **why)
{
	static const enum blk_format formats[] = {
		[BH__IMAGE_TYPE__IMAGE_TYPE_DETECT] = BLK_FORMAT_AUTO,
		[BH__IMAGE_TYPE__IMAGE_TYPE_RAW] = BLK_FORMAT_RAW,
		[BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2] = BLK_FORMAT_QCOW2,
		[BH__IMAGE_TYPE__IMAGE_TYPE_VHD] = BLK_FORMAT_VHD,
		[BH__IMAGE_TYPE__IMAGE_TYPE_VHDX] = BLK_FORMAT_VHDX,
		[BH__IMAGE_TYPE__IMAGE_TYPE_VMDK] = BLK_FORMAT_VMDK,
	};
	uint8_t random[32];
	int err;

	if ((unsigned int)c->image_type >= sizeof(formats) / sizeof(formats[0]) ||
	    c->n_files >= FD_BACKEND_COUNT) {
		*why = "no such image type, or too many files";
		return -EINVAL;
	}
	disk->format = formats[c->image_type];
	disk->how = (struct blk_image_how){
		.readonly = c->readonly,
		.sparse = c->sparse,
		.backing = c->backing_files,
	};
	disk->nfiles = 1 + (unsigned int)c->n_files;
	err = adopt(disk, c, 0, c->size, c->readonly, why);
	for (unsigned int i = 1; err == 0 && i < disk->nfiles; i++)
		err = adopt(disk, c, i, c->files[i - 1]->size,
		    c->files[i - 1]->readonly, why);
	if (err != 0)
		return err;
	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		*why = "no random bytes";
		return -EIO;
	}
	disk->img = blk_image_new(random);
	if (disk->img == NULL) {
		*why = "no memory";
		return -ENOMEM;
	}
	return 0;
}

int
blk_image_enter(struct blk_image_disk *disk, struct blk_backend *be,
    const char **why)
{
	unsigned int next = 1;
	int err;

	err = blk_image_open(disk->img, &disk->file[0], disk->format, &disk->how,
	    why);
	while (err > 0) {
		bool readonly;

		if (next == disk->nfiles) {
			log_error("blk: the image has another file: %s",
			    blk_image_wants(disk->img, &readonly));
			*why = "the disk image consists of more files than were "
			    "given";
			return -ENOENT;
		}
		err = blk_image_give(disk->img, &disk->file[next++], why);
	}
	if (err == 0)
		blk_image_attach(disk->img, be);
	return err;
}
