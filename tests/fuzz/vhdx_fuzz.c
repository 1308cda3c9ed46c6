// SPDX-License-Identifier: Apache-2.0
/* A hostile vhdx image, with checksums that are right wherever one is due. */
#define IMAGE_FUZZ_FIX
#include "tests/fuzz/image_fuzz.h"
#include "device-workers/blk/vhdx.h"

static void
fix(int fd, uint64_t size, uint64_t off, uint32_t len)
{
	static uint8_t buf[65536];
	uint32_t sum;

	if (off > size || len > size - off || len > sizeof(buf) || len < 8 ||
	    pread(fd, buf, len, (off_t)off) != (ssize_t)len)
		return;
	sum = vhdx_checksum(buf, len, 4);
	if (pwrite(fd, &sum, 4, (off_t)off + 4) != 4)
		abort();
}

static void
image_fuzz_fix(int fd, uint64_t size)
{
	uint32_t word[3];

	fix(fd, size, 65536, 4096);
	fix(fd, size, 2 * 65536, 4096);
	fix(fd, size, 3 * 65536, 65536);
	fix(fd, size, 4 * 65536, 65536);
	/* The log, where the seeds have it. */
	for (uint64_t at = 1 << 20; at < 2 << 20 && at < size; at += 4096) {
		if (pread(fd, word, sizeof(word), (off_t)at) == sizeof(word) &&
		    word[0] == 0x65676f6c)
			fix(fd, size, at, word[2]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return image_fuzz_one(data, size, BLK_FORMAT_VHDX);
}
