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
#include "device-workers/vhost-user/vhost_user.h"

#define LOCK_TRIES 100
#define LOCK_PAUSE 20000	/* us */

static struct {
	const char *path;
	char serial[21];
	uint32_t num_queues, queue_size;
	Bh__ImageType format;
	bool readonly, direct;
} opt = { .num_queues = 1, .queue_size = 128 };

static const char *const formats[] = {
	[BH__IMAGE_TYPE__IMAGE_TYPE_RAW] = "raw",
	[BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2] = "qcow2",
	[BH__IMAGE_TYPE__IMAGE_TYPE_VHD] = "vhd",
	[BH__IMAGE_TYPE__IMAGE_TYPE_VHDX] = "vhdx",
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
option(const char *name, const char *value)
{
	if (strcmp(name, "blk-file") == 0 && value != NULL)
		opt.path = value;
	else if (strcmp(name, "format") == 0 && value != NULL)
		return set_format(value);
	else if (strcmp(name, "read-only") == 0 && value == NULL)
		opt.readonly = true;
	else if (strcmp(name, "direct") == 0 && value == NULL)
		opt.direct = true;
	else if (strcmp(name, "num-queues") == 0)
		return vhu_number(value, 1, DEVICE_MAX_QUEUES, &opt.num_queues);
	else if (strcmp(name, "queue-size") == 0)
		return vhu_number(value, 2, VIRTQ_MAX_SIZE, &opt.queue_size);
	else if (strcmp(name, "serial") == 0 && value != NULL) {
		if (strlen(value) >= sizeof(opt.serial))
			return -EINVAL;
		memcpy(opt.serial, value, strlen(value) + 1);
	} else
		return -ENOENT;
	return 0;
}

/*
 * Whoever writes is alone, and nobody reads what someone writes. The kernel takes
 * a moment to let go of the disk of one that has just ended, for its io_uring.
 */
static int
lock(int fd)
{
	struct flock l = {
		.l_type = opt.readonly ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	for (int i = 0; fcntl(fd, F_OFD_SETLK, &l) != 0; i++) {
		if (errno != EAGAIN || i == LOCK_TRIES)
			return -errno;
		(void)usleep(LOCK_PAUSE);
	}
	return 0;
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
open_file(Bh__DeviceConfig *config, const char **why)
{
	static Bh__BlkConfig blk;
	int fd, rc;

	*why = "--blk-file is missing";
	if (opt.path == NULL)
		return -EINVAL;
	*why = opt.path;
	fd = open(opt.path, (opt.readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC |
	    (opt.direct ? O_DIRECT : 0));
	if (fd < 0)
		return -errno;
	bh__blk_config__init(&blk);
	rc = size_of(fd, &blk.size);
	if (rc == 0)
		rc = lock(fd);
	if (rc == 0)
		rc = vhu_place(fd, FD_BACKEND);
	if (rc < 0)
		return rc;
	blk.image_type = opt.format;
	blk.block_size = 512;
	blk.readonly = opt.readonly;
	blk.direct = opt.direct;
	blk.serial = opt.serial;
	blk.num_queues = opt.num_queues;
	blk.queue_size = opt.queue_size;
	blk.sparse = true;
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
		.usage =
		    "  --blk-file=PATH       image or block device\n"
		    "  --format=FORMAT       raw (default), qcow2, vhd, vhdx; one file\n"
		    "  --read-only\n"
		    "  --direct              O_DIRECT\n"
		    "  --num-queues=N        1 to 64, default 1\n"
		    "  --queue-size=N        what seg_max is made for, default 128\n"
		    "  --serial=TEXT         at most 20 bytes\n",
		.has_config = true,
		.queues_a_unit = 1,
		.option = option,
		.open = open_file,
	};

	return main_vhost_user(argc, argv, &program);
}
