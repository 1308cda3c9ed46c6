// SPDX-License-Identifier: Apache-2.0
/* The block device against a hostile driver; its disk must keep its size. */
#include <sys/stat.h>

#include "device-workers/blk/blk.h"
#include "tests/fuzz/device_fuzz.h"

#define DISK_SIZE 65536

void
fuzz_backend(struct fuzz_in *in)
{
	/* The file shrinks and grows under the device. */
	if (ftruncate(FD_BACKEND, fuzz_take(in, 2)) != 0)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char serial[] = "fuzz";
	static Bh__BlkConfig blk;
	static Bh__DeviceConfig config;
	const char *why;
	int fd = memfd_create("disk", 0);

	(void)argc;
	(void)argv;
	bh__blk_config__init(&blk);
	bh__device_config__init(&config);
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	blk.size = DISK_SIZE;
	blk.block_size = 512;
	blk.serial = serial;
	blk.num_queues = 2;
	blk.queue_size = H_QUEUE;
	blk.sparse = true;
	blk.disable_io_uring = true;
	if (dup2(fd, FD_BACKEND) != FD_BACKEND ||
	    ftruncate(FD_BACKEND, DISK_SIZE) != 0 ||
	    h_start(&blk_ops, &config, &why) != 0)
		abort();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stat st;

	if (ftruncate(FD_BACKEND, DISK_SIZE) != 0)
		abort();
	fuzz_run(data, size);
	if (fstat(FD_BACKEND, &st) != 0 || st.st_size > DISK_SIZE)
		abort();
	return 0;
}
