/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk image of hostile bytes: the input is 32 operations of 4 bytes, then runs
 * of bytes for the file, each with its place. Includers name the format. What is
 * opened is then read, written, zeroed, discarded, flushed and closed; the file
 * may grow by no more than was asked for.
 */
#ifndef BULKHEAD_TESTS_FUZZ_IMAGE_FUZZ_H
#define BULKHEAD_TESTS_FUZZ_IMAGE_FUZZ_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-workers/blk/image.h"
#ifdef IMAGE_FUZZ_FIX
/* Checksums that a fuzzer cannot guess are put right. */
static void image_fuzz_fix(int fd, uint64_t size);
#endif

#define OPERATIONS 32u
#define FILE_LIMIT (64ull << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs: place in units of 64 bytes (4), length (2), bytes. */
static uint64_t
image_fuzz_file(int fd, const uint8_t *data, size_t size)
{
	uint64_t end = 0;

	if (ftruncate(fd, 0) != 0)
		abort();
	while (size > 6) {
		uint32_t at;
		uint16_t len;
		uint64_t off;

		memcpy(&at, data, 4);
		memcpy(&len, data + 4, 2);
		data += 6;
		size -= 6;
		if (len > size)
			len = (uint16_t)size;
		off = (uint64_t)at * 64 % FILE_LIMIT;
		if (pwrite(fd, data, len, (off_t)off) != len)
			abort();
		if (off + len > end)
			end = off + len;
		data += len;
		size -= len;
	}
	end = (end + 511) & ~511ull;
	if (ftruncate(fd, (off_t)end) != 0)
		abort();
#ifdef IMAGE_FUZZ_FIX
	image_fuzz_fix(fd, end);
#endif
	return end;
}

static void
image_fuzz_operate(struct blk_backend *be, const uint8_t op[4])
{
	static uint8_t buf[65536];
	uint64_t sectors = be->size / be->block_size;
	uint64_t at = sectors == 0 ? 0 : (op[1] | (uint64_t)op[2] << 8) *
	    (op[0] & 8 ? sectors / 65536 + 1 : 1) % sectors;
	uint64_t off = at * be->block_size;
	uint64_t len = (1u + op[3] % 64) * 512u;
	struct iovec iov[2] = { { buf, 512 }, { buf + 512, 0 } };

	len = len / be->block_size * be->block_size;
	if (len > be->size - off)
		len = be->size - off;
	if (len == 0)
		return;
	iov[1].iov_len = len - 512;
	memset(buf, op[3], len);
	switch (op[0] & 7) {
	case 0:
		(void)be->ops->flush(be);
		break;
	case 1:
		(void)be->ops->discard(be, off, len * 16 < be->size - off ?
		    len * 16 : len);
		break;
	case 2:
	case 3:
		(void)be->ops->zero(be, off, len, op[0] & 1);
		break;
	case 4:
	case 5:
		(void)be->ops->read(be, iov, 2, off);
		break;
	default:
		if (!be->readonly)
			(void)be->ops->write(be, iov, 2, off);
		break;
	}
}

static int
image_fuzz_one(const uint8_t *data, size_t size, enum blk_format format)
{
	static const uint8_t random[32] = { 1 };
	static int fd = -1, other = -1;
	struct blk_image_how how = { .sparse = true, .backing = true };
	struct blk_image_file file = { .align = 1 };
	struct blk_backend be = { 0 };
	struct blk_image *img;
	const char *why = NULL;
	bool extent;
	int err;

	if (size < OPERATIONS * 4)
		return 0;
	if (fd < 0) {
		fd = memfd_create("image", 0);
		other = memfd_create("other", 0);
		if (ftruncate(other, 1 << 20) != 0)
			abort();
	}
	how.readonly = (data[0] & 0xf0) == 0xf0;
	file.fd = fd;
	file.size = image_fuzz_file(fd, data + OPERATIONS * 4,
	    size - OPERATIONS * 4);
	img = blk_image_new(random);
	err = blk_image_open(img, &file, format, &how, &why);
	while (err > 0) {
		if (blk_image_wants(img, &extent) == NULL)
			abort();
		file.fd = other;
		file.size = 1 << 20;
		file.inode++;
		err = blk_image_give(img, &file, &why);
	}
	if (err < 0) {
		if (why == NULL || strlen(why) == 0)
			abort();
	} else {
		blk_image_attach(img, &be);
		for (unsigned int i = 0; i < OPERATIONS; i++)
			image_fuzz_operate(&be, data + 4 * i);
		(void)blk_image_close(img);
	}
	blk_image_free(img);
	return 0;
}

#endif
