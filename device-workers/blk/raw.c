// SPDX-License-Identifier: Apache-2.0
/*
 * Raw disks: the file or block device at FD_BACKEND is the guest's disk, byte
 * for byte. Called by blk.c through backend.h. All I/O is positional, straight
 * between file and guest memory, and synchronous. Opens nothing, sets no flags.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-workers/blk/backend.h"

/* The largest preferred block that the guest is told of. */
#define PHYSICAL_MAX 65536u

/* One disk a process, one request at a time. */
static _Alignas(4096) uint8_t bounce_buffer[BLK_BOUNCE_SIZE];

static bool
is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int
raw_start(struct blk_backend *be, bool sparse, const char **why)
{
	struct stat st;

	if (fstat(be->fd, &st) != 0) {
		*why = "no disk at its slot";
		return -errno;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		*why = "the disk is neither a file nor a block device";
		return -EINVAL;
	}
	if (be->physical < be->block_size)
		be->physical = be->block_size;
	/* A file system's preference, where there is no device to ask. */
	if (S_ISREG(st.st_mode) && st.st_blksize > 0 && st.st_blksize <= PHYSICAL_MAX &&
	    is_power_of_two((uint64_t)st.st_blksize) &&
	    (uint32_t)st.st_blksize > be->block_size)
		be->physical = (uint32_t)st.st_blksize;

	if (be->align == 0)
		be->align = be->block_size;
	be->bounce = bounce_buffer;
	be->can_discard = sparse && !be->readonly;
	/*
	 * Can this file punch holes? One past its end is harmless to ask for. A
	 * block device refuses that range in any case: there the first request
	 * of the guest shows it, and raw_zero() has another way.
	 */
	if (be->can_discard && S_ISREG(st.st_mode) &&
	    fallocate(be->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    st.st_size, 4096) != 0 && errno == EOPNOTSUPP)
		be->can_discard = false;
	return 0;
}

static int
transfer(struct blk_backend *be, struct iovec *iov, unsigned int n,
    uint64_t offset, bool write)
{
	unsigned int used;
	ssize_t done;

	used = iov_advance(iov, n, 0);	/* empty ones at the front */
	while (used < n) {
		iov += used;
		n -= used;
		done = write ? pwritev2(be->fd, iov, (int)n, (off_t)offset, 0) :
		    preadv2(be->fd, iov, (int)n, (off_t)offset, 0);
		if (done < 0) {
			if (errno == EINTR) {
				used = 0;
				continue;
			}
			return -errno;
		}
		/* The file has become shorter than the disk. */
		if (done == 0)
			return -EIO;
		offset += (uint64_t)done;
		used = iov_advance(iov, n, (size_t)done);
	}
	return 0;
}

/* O_DIRECT wants each buffer aligned to the sector; a guest may not care. */
static bool
aligned(const struct blk_backend *be, const struct iovec *iov, unsigned int n)
{
	uintptr_t bits = 0;

	for (unsigned int i = 0; i < n; i++)
		bits |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
	return (bits & (be->align - 1)) == 0;
}

/* Copy between the bounce buffer and the front of @iov, which is used up. */
static unsigned int
bounce_copy(struct blk_backend *be, struct iovec *iov, unsigned int n,
    size_t len, bool to_bounce)
{
	unsigned int i = 0;
	size_t at = 0, part;

	while (i < n && at < len) {
		part = iov[i].iov_len < len - at ? iov[i].iov_len : len - at;
		if (part == 0) {
			i++;
			continue;
		}
		if (to_bounce)
			memcpy(be->bounce + at, iov[i].iov_base, part);
		else
			memcpy(iov[i].iov_base, be->bounce + at, part);
		at += part;
		iov[i].iov_base = (uint8_t *)iov[i].iov_base + part;
		iov[i].iov_len -= part;
		if (iov[i].iov_len == 0)
			i++;
	}
	return i;
}

static int
bounced(struct blk_backend *be, struct iovec *iov, unsigned int n,
    uint64_t offset, bool write)
{
	uint64_t left = 0;
	int err;

	for (unsigned int i = 0; i < n; i++)
		left += iov[i].iov_len;
	if (((offset | left) & (be->block_size - 1)) != 0)
		return -EINVAL;
	while (left > 0) {
		size_t len = left < BLK_BOUNCE_SIZE ? left : BLK_BOUNCE_SIZE;
		struct iovec one = { .iov_base = be->bounce, .iov_len = len };
		unsigned int used = 0;

		if (write)
			used = bounce_copy(be, iov, n, len, true);
		err = transfer(be, &one, 1, offset, write);
		if (err != 0)
			return err;
		if (!write)
			used = bounce_copy(be, iov, n, len, false);
		iov += used;
		n -= used;
		offset += len;
		left -= len;
	}
	return 0;
}

static int
raw_read(struct blk_backend *be, struct iovec *iov, unsigned int n,
    uint64_t offset)
{
	if (be->direct && !aligned(be, iov, n))
		return bounced(be, iov, n, offset, false);
	return transfer(be, iov, n, offset, false);
}

static int
raw_write(struct blk_backend *be, struct iovec *iov, unsigned int n,
    uint64_t offset)
{
	if (be->direct && !aligned(be, iov, n))
		return bounced(be, iov, n, offset, true);
	return transfer(be, iov, n, offset, true);
}

static int
raw_flush(struct blk_backend *be)
{
	if (be->readonly)
		return 0;
	while (fdatasync(be->fd) != 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int
allocate(struct blk_backend *be, int mode, uint64_t offset, uint64_t len)
{
	while (fallocate(be->fd, mode, (off_t)offset, (off_t)len) != 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int
raw_discard(struct blk_backend *be, uint64_t offset, uint64_t len)
{
	int err;

	if (be->no_punch)
		return 0;
	err = allocate(be, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
	    len);
	/*
	 * A hint may be ignored: storage that cannot do it keeps its bytes.
	 * EINVAL: a block device that cannot do this range.
	 */
	if (err == -EOPNOTSUPP)
		be->no_punch = true;
	return err == -EOPNOTSUPP || err == -EINVAL ? 0 : err;
}

static int
write_zeroes(struct blk_backend *be, uint64_t offset, uint64_t len)
{
	int err;

	memset(be->bounce, 0, BLK_BOUNCE_SIZE);
	while (len > 0) {
		size_t part = len < BLK_BOUNCE_SIZE ? len : BLK_BOUNCE_SIZE;
		struct iovec one = { .iov_base = be->bounce, .iov_len = part };

		err = transfer(be, &one, 1, offset, true);
		if (err != 0)
			return err;
		offset += part;
		len -= part;
	}
	return 0;
}

static int
raw_zero(struct blk_backend *be, uint64_t offset, uint64_t len, bool unmap)
{
	int err;

	if (unmap && !be->no_punch) {
		err = allocate(be, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    offset, len);
		if (err != -EOPNOTSUPP && err != -EINVAL)
			return err;
		be->no_punch = err == -EOPNOTSUPP;
	}
	if (!be->no_zero) {
		err = allocate(be, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		    offset, len);
		if (err != -EOPNOTSUPP && err != -EINVAL)
			return err;
		be->no_zero = err == -EOPNOTSUPP;
	}
	return write_zeroes(be, offset, len);
}

/*
 * Whoever asks has made the file as large as that, or will cut it when we are
 * done. Growth is believed when its last bytes can be read.
 */
static int
raw_resize(struct blk_backend *be, uint64_t size, const char **why)
{
	struct iovec one = { be->bounce, be->block_size };

	*why = "not a multiple of the block size";
	if (size == 0 || size > INT64_MAX || size % be->block_size != 0)
		return -EINVAL;
	*why = "the disk is smaller than that";
	if (size > be->size &&
	    transfer(be, &one, 1, size - be->block_size, false) != 0)
		return -ENOSPC;
	be->size = size;
	return 0;
}

const struct blk_backend_ops blk_raw_ops = {
	.start = raw_start,
	.read = raw_read,
	.write = raw_write,
	.flush = raw_flush,
	.discard = raw_discard,
	.zero = raw_zero,
	.resize = raw_resize,
};
