// SPDX-License-Identifier: Apache-2.0
/* Persistent memory against a hostile driver. */
#include <sys/mman.h>

#include "device-workers/pmem/pmem.h"
#include "tests/fuzz/device_fuzz.h"

void
fuzz_backend(struct fuzz_in *in)
{
	(void)in;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd = memfd_create("file", 0);

	(void)argc;
	(void)argv;
	if (dup2(fd, FD_BACKEND) != FD_BACKEND)
		abort();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Bh__PmemConfig pmem;
	static Bh__DeviceConfig config;
	const char *why;

	if (size == 0)
		return 0;
	bh__pmem_config__init(&pmem);
	bh__device_config__init(&config);
	memset(&h.dev, 0, sizeof(h.dev));
	pmem.start = pmem.size = 2 << 20;
	pmem.queue_size = H_QUEUE;
	pmem.discard_writes = (data[0] & 1) != 0;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_PMEM;
	config.pmem = &pmem;
	if (h_start(&pmem_ops, &config, &why) != 0)
		abort();
	fuzz_run(data + 1, size - 1);
	return 0;
}
