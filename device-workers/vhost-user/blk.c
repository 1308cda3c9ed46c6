/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-vhost-user-blk: the block device for other VMMs. Opens and locks the
 * file; all the rest is the library's and the device's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-workers/blk/blk.h"
#include "device-workers/blk/blk_ring.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/place.h"

#define LOCK_TRIES 100
#define LOCK_PAUSE 20000	/* us */

static struct {
	const char *path;
	char serial[21];
	uint32_t num_queues, queue_size, block_size;
	Bh__ImageType format;
	bool readonly, direct, no_discard, no_lock;
	/* Files that the image names, in that order: FD_BACKEND + 1 and on. */
	struct {
		const char *path;
		bool extent;
	} more[FD_BACKEND_COUNT - 1];
	unsigned int nmore;
	bool backing;
} opt = { .num_queues = 1, .queue_size = 128, .block_size = 512 };

static const char *const formats[] = {
	[BH__IMAGE_TYPE__IMAGE_TYPE_RAW] = "raw",
	[BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2] = "qcow2",
	[BH__IMAGE_TYPE__IMAGE_TYPE_VHD] = "vhd",
	[BH__IMAGE_TYPE__IMAGE_TYPE_VHDX] = "vhdx",
	[BH__IMAGE_TYPE__IMAGE_TYPE_VMDK] = "vmdk",
	[BH__IMAGE_TYPE__IMAGE_TYPE_DETECT] = "detect",
};

static int
set_format(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (formats[i] != NULL && strcmp(formats[i], name) == 0) {
			opt.format = (Bh__ImageType)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int
add_file(const char *path, bool extent)
{
	if (path == NULL || opt.nmore == FD_BACKEND_COUNT - 1)
		return -EINVAL;
	opt.more[opt.nmore].path = path;
	opt.more[opt.nmore++].extent = extent;
	opt.backing |= !extent;
	return 0;
}

static int
set_serial(const char *value)
{
	if (value == NULL || strlen(value) >= sizeof(opt.serial))
		return -EINVAL;
	memcpy(opt.serial, value, strlen(value) + 1);
	return 0;
}

static int
set_block_size(const char *value)
{
	int rc = vhu_number(value, 512, 4096, &opt.block_size);

	return rc < 0 || (opt.block_size & (opt.block_size - 1)) != 0 ? -EINVAL :
	    0;
}

static int
option(const char *name, const char *value)
{
	if (strcmp(name, "blk-file") == 0) {
		opt.path = value;
		return value != NULL ? 0 : -EINVAL;
	}
	if (strcmp(name, "image-type") == 0 || strcmp(name, "format") == 0)
		return value != NULL ? set_format(value) : -EINVAL;
	if (strcmp(name, "backing-file") == 0)
		return add_file(value, false);
	if (strcmp(name, "extent-file") == 0)
		return add_file(value, true);
	if (strcmp(name, "num-queues") == 0)
		return vhu_number(value, 1, DEVICE_MAX_QUEUES, &opt.num_queues);
	if (strcmp(name, "queue-size") == 0)
		return vhu_number(value, 2, VIRTQ_MAX_SIZE, &opt.queue_size);
	if (strcmp(name, "logical-block-size") == 0)
		return set_block_size(value);
	if (strcmp(name, "serial") == 0)
		return set_serial(value);
	if (value == NULL && strcmp(name, "read-only") == 0)
		opt.readonly = true;
	else if (value == NULL && strcmp(name, "direct") == 0)
		opt.direct = true;
	else if (value == NULL && strcmp(name, "no-discard") == 0)
		opt.no_discard = true;
	else if (value == NULL && strcmp(name, "no-lock") == 0)
		opt.no_lock = true;
	else
		return vhu_limit_option(name, value);
	return 0;
}

/*
 * Whoever writes is alone, and nobody reads what someone writes. The kernel takes
 * a moment to let go of the disk of one that has just ended, for its io_uring.
 */
static int
lock(int fd, bool readonly)
{
	struct flock l = {
		.l_type = readonly ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	for (int i = 0; fcntl(fd, F_OFD_SETLK, &l) != 0; i++) {
		if (errno != EAGAIN || i == LOCK_TRIES)
			return -errno;
		(void)usleep(LOCK_PAUSE);
	}
	return 0;
}

/* See lock(): the next one waits for the kernel, we need not tell it. */
void
blk_ring_let_go(struct blk_ring *r)
{
	(void)r;
}

bool
blk_ring_awaited(bool direct)
{
	(void)direct;
	return false;
}

static int
size_of(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, size) != 0)
		return -errno;
	return S_ISBLK(st.st_mode) || S_ISREG(st.st_mode) ? 0 : -ENOTBLK;
}

static int
open_one(const char *path, bool readonly, int slot, uint64_t *size,
    const char **why)
{
	int fd, rc;

	*why = path;
	/* O_NONBLOCK: a FIFO is refused, and not waited for. */
	fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK |
	    (opt.direct ? O_DIRECT : 0));
	if (fd < 0)
		return -errno;
	rc = size_of(fd, size);
	if (rc == 0 && !opt.no_lock)
		rc = lock(fd, readonly);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return place_fd(fd, slot);
}

/* Backing files and extents, which the image says by name and we by option. */
static int
open_more(Bh__BlkConfig *blk, const char **why)
{
	static Bh__BlkFile files[FD_BACKEND_COUNT - 1];
	static Bh__BlkFile *pointers[FD_BACKEND_COUNT - 1];
	int rc = 0;

	for (unsigned int i = 0; i < opt.nmore && rc == 0; i++) {
		bh__blk_file__init(&files[i]);
		files[i].readonly = opt.readonly || !opt.more[i].extent;
		rc = open_one(opt.more[i].path, files[i].readonly,
		    FD_BACKEND + 1 + (int)i, &files[i].size, why);
		pointers[i] = &files[i];
	}
	blk->files = pointers;
	blk->n_files = opt.nmore;
	blk->backing_files = opt.backing;
	return rc;
}

static int
open_file(Bh__DeviceConfig *config, const char **why)
{
	static Bh__BlkConfig blk;
	int rc;

	*why = "--blk-file is missing";
	if (opt.path == NULL)
		return -EINVAL;
	*why = "--backing-file and --extent-file are for --image-type qcow2, vmdk";
	if (opt.nmore > 0 && opt.format != BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2 &&
	    opt.format != BH__IMAGE_TYPE__IMAGE_TYPE_VMDK)
		return -EINVAL;
	bh__blk_config__init(&blk);
	rc = vhu_limit(&blk.rate_limit, why);
	if (rc == 0)
		rc = open_one(opt.path, opt.readonly, FD_BACKEND, &blk.size, why);
	if (rc == 0)
		rc = open_more(&blk, why);
	if (rc < 0)
		return rc;
	blk.image_type = opt.format;
	blk.block_size = opt.block_size;
	blk.readonly = opt.readonly;
	blk.direct = opt.direct;
	blk.serial = opt.serial;
	blk.num_queues = opt.num_queues;
	blk.queue_size = opt.queue_size;
	blk.sparse = !opt.no_discard;
	config->device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config->blk = &blk;
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct vhu_program program = {
		.ops = &blk_ops,
		.type = "block",
		.features = "\"read-only\", \"blk-file\"",
		.what = "A disk image or block device of the host",
		.usage =
		    "  --blk-file=PATH       image or block device\n"
		    "  --image-type=TYPE     raw (default), qcow2, vhd, vhdx, vmdk, or detect\n"
		    "  --backing-file=PATH   the file that a qcow2 image stands on; again for\n"
		    "                        that file's own. Without it: refused\n"
		    "  --extent-file=PATH    data of a vmdk image, in the order that it names them\n"
		    "  --read-only\n"
		    "  --direct              O_DIRECT\n"
		    "  --no-discard          the guest may not free blocks\n"
		    "  --no-lock             somebody else may have the disk, too: the other\n"
		    "                        side of a live migration\n"
		    "  --logical-block-size=N  512 (default) to 4096\n"
		    "  --num-queues=N        1 to 64, default 1\n"
		    "  --queue-size=N        what seg_max is made for, default 128\n"
		    "  --serial=TEXT         at most 20 bytes\n"
		    VHU_LIMIT_USAGE,
		.example = "--blk-file=disk.img",
		.has_config = true,
		.queues_a_unit = 1,
		.option = option,
		.open = open_file,
	};

	return main_vhost_user(argc, argv, &program);
}
