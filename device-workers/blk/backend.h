/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between the block device and where its bytes are: raw.c, or image.c
 * for the formats of images. Offsets and lengths are in bytes of the guest's disk, inside its size
 * (blk_req.c checked them), and multiples of 512.
 *
 * Every call does all of its work or fails: 0 or -errno.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_BACKEND_H
#define BULKHEAD_DEVICE_WORKERS_BLK_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct blk_image;

struct blk_backend {
	const struct blk_backend_ops *ops;
	int fd;
	uint64_t size;		/* bytes */
	uint32_t block_size;	/* logical sector, power of two */
	uint32_t physical;	/* what the storage likes, >= block_size */
	uint32_t min_io, opt_io;	/* bytes; 0: not known */
	uint32_t alignment;	/* bytes to the first physical block */
	bool readonly;
	bool direct;		/* fd is O_DIRECT: buffers must be aligned */
	uint32_t align;		/* ... to this, power of two */
	bool can_discard;	/* offer DISCARD and WRITE_ZEROES */
	bool no_punch, no_zero;	/* fallocate said EOPNOTSUPP */
	uint8_t *bounce;	/* aligned, BLK_BOUNCE_SIZE */
	struct blk_image *image;	/* of a disk image, see image.h */
};

#define BLK_BOUNCE_SIZE ((size_t)64 * 1024)

struct blk_backend_ops {
	/* Before the jail: the other fields are set, allocate and probe. */
	int (*start)(struct blk_backend *be, bool sparse, const char **why);
	/* @iov is the backend's to change; @n at most VIRTQ_MAX_SEGS. */
	int (*read)(struct blk_backend *be, struct iovec *iov, unsigned int n,
	    uint64_t offset);
	int (*write)(struct blk_backend *be, struct iovec *iov, unsigned int n,
	    uint64_t offset);
	/* What was written is durable. */
	int (*flush)(struct blk_backend *be);
	/* A hint: contents are undefined afterwards. */
	int (*discard)(struct blk_backend *be, uint64_t offset, uint64_t len);
	/* The range reads as zeros; @unmap: its storage may be given back. */
	int (*zero)(struct blk_backend *be, uint64_t offset, uint64_t len,
	    bool unmap);
	/*
	 * Nothing is in flight: be @size bytes large, if the storage is. 0, or
	 * -errno and *why. NULL: it cannot.
	 */
	int (*resize)(struct blk_backend *be, uint64_t size, const char **why);
};

/* Forget @done bytes at the front: how many entries are used up. */
static inline unsigned int
iov_advance(struct iovec *iov, unsigned int n, size_t done)
{
	unsigned int i = 0;

	while (i < n && done >= iov[i].iov_len)
		done -= iov[i++].iov_len;
	if (i < n && done > 0) {
		iov[i].iov_base = (uint8_t *)iov[i].iov_base + done;
		iov[i].iov_len -= done;
	}
	return i;
}

extern const struct blk_backend_ops blk_raw_ops;

#endif
