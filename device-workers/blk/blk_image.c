// SPDX-License-Identifier: Apache-2.0
/*
 * Opens the block device's disk image from the fds at FD_BACKEND and after it, in
 * the order in which the image names them. Called by blk.c. A name in an image is
 * only passed on here: which file has it is the controller's choice.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "device-workers/blk/blk_image.h"
#include "device-workers/lib/device.h"
#include "ipc/log.h"

/* The unit of O_DIRECT on @fd: what the kernel says (Linux 6.1), or a sector. */
static uint32_t
direct_unit(int fd, uint32_t sector)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) != 0 ||
	    (stx.stx_mask & STATX_DIOALIGN) == 0 ||
	    stx.stx_dio_offset_align < sector ||
	    stx.stx_dio_mem_align > stx.stx_dio_offset_align)
		return sector;
	return stx.stx_dio_offset_align;
}

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
		.align = c->direct ?
		    direct_unit(FD_BACKEND + (int)i, c->block_size) : 1,
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

/* The next file that the image names: one of the configuration's, or a new one. */
static int
next_file(struct device *dev, struct blk_image_disk *disk, unsigned int next,
    const char **why)
{
	struct blk_image_file *f = &disk->file[next];
	struct device_file got;
	bool extent;
	const char *name = blk_image_wants(disk->img, &extent);
	int rc;

	if (next < disk->nfiles)
		return 0;
	if (next == FD_BACKEND_COUNT) {
		*why = "the disk image consists of more than 8 files; join them "
		    "(qemu-img convert)";
		return -E2BIG;
	}
	rc = device_want_file(dev, name, extent, FD_BACKEND + (int)next, &got,
	    why);
	if (rc != 0)
		return rc;
	*f = (struct blk_image_file){
		.fd = FD_BACKEND + (int)next,
		.size = got.size,
		.device = got.device,
		.inode = got.inode,
		.align = disk->file[0].align,
		.block = got.block,
		.readonly = got.readonly,
	};
	disk->nfiles++;
	return 0;
}

static size_t
put_number(char *text, uint64_t n)
{
	size_t digits = 1, at;

	for (uint64_t rest = n; rest >= 10; rest /= 10)
		digits++;
	for (at = digits; at > 0; n /= 10)
		text[--at] = (char)('0' + n % 10);
	return digits;
}

/* There is no stdio here. */
static const char *
odd_size(struct blk_image_disk *disk, const struct blk_backend *be)
{
	static const char *const words[] = {
		"its size of ", " bytes is not a multiple of ",
		"; extend it (truncate -s %", ")",
	};
	const uint64_t numbers[] = { be->size, be->block_size, be->block_size };
	size_t at = 0;

	for (size_t i = 0; i < 4; i++) {
		memcpy(disk->text + at, words[i], strlen(words[i]));
		at += strlen(words[i]);
		if (i < 3)
			at += put_number(disk->text + at, numbers[i]);
	}
	disk->text[at] = '\0';
	return disk->text;
}

int
blk_image_enter(struct device *dev, struct blk_image_disk *disk,
    struct blk_backend *be, const char **why)
{
	unsigned int next = 1;
	int err;

	err = blk_image_open(disk->img, &disk->file[0], disk->format, &disk->how,
	    why);
	while (err > 0) {
		err = next_file(dev, disk, next, why);
		if (err == 0)
			err = blk_image_give(disk->img, &disk->file[next++], why);
	}
	if (err != 0)
		return err;
	disk->raw = disk->format == BLK_FORMAT_AUTO &&
	    blk_image_is_raw(disk->img);
	if (!disk->raw) {
		blk_image_attach(disk->img, be);
	} else if (be->size % be->block_size != 0) {
		*why = odd_size(disk, be);
		return -EINVAL;
	}
	return 0;
}

int
blk_image_guarded_write(struct blk_image_disk *disk, struct iovec *iov,
    unsigned int n, uint64_t offset)
{
	struct blk_backend be = { .image = disk->img };
	int err = blk_image_ops.write(&be, iov, n, offset);

	if (err == -EPERM)
		log_guest("blk: refused a write that would make the raw disk an "
		    "image of another format; --disk image_type=raw allows it");
	return err;
}
