// SPDX-License-Identifier: Apache-2.0
/*
 * virtio-mem against a hostile driver, over what a hostile predecessor has noted, while
 * its size changes and the vcpu-worker answers.
 */
#include <fcntl.h>

#include "device-workers/mem/mem.h"
#include "proto/limits.h"
#include "tests/fuzz/device_fuzz.h"

/* Within guest memory as the fuzzer knows it, so that requests and rings are there. */
#define SIZE (128ull << 20)
#define START (1ull << 32)
#define BLOCK (2u << 20)

void
fuzz_backend(struct fuzz_in *in)
{
	if (fuzz_take(in, 1) & 1)
		mem_ops.set_target(&h.dev, (uint64_t)fuzz_take(in, 4) << 12);
	else
		mem_ops.config_taken(&h.dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Bh__MemConfig mem;
	static Bh__DeviceConfig config;
	static uint64_t counters[COUNTERS];
	static uint8_t *region;
	static int memfd;
	const char *why;

	if (size < 32)
		return 0;
	if (region == NULL) {
		region = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		memfd = memfd_create("state", MFD_ALLOW_SEALING | MFD_CLOEXEC);
		if (region == MAP_FAILED || memfd < 0 ||
		    ftruncate(memfd, MEM_STATE_SIZE(SIZE / BLOCK)) != 0 ||
		    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
			abort();
	}
	if (pwrite(memfd, data + 1, 16, 0) != 16 ||
	    pwrite(memfd, data + 17, 8, MEM_BITS_AT) != 8)
		abort();
	bh__mem_config__init(&mem);
	bh__device_config__init(&config);
	memset(&h.dev, 0, sizeof(h.dev));
	mem.queue_size = H_QUEUE;
	mem.start = START;
	mem.size = SIZE;
	mem.block = BLOCK;
	mem.requested = SIZE / 2;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_MEM;
	config.mem = &mem;
	h.takes = (data[0] & 1) != 0;
	h.dev.counters = counters;
	if (dup2(memfd, FD_MEM_STATE) != FD_MEM_STATE ||
	    h_start(&mem_ops, &config, &why) != 0)
		abort();
	h.dev.mem.region[1] = (struct gmem_region){
		.gpa = START, .size = SIZE, .host = region };
	fuzz_run(data + 25, size - 25);
	munmap(((void **)h.dev.priv)[8], MEM_STATE_SIZE(SIZE / BLOCK));
	return 0;
}
