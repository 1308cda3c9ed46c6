// SPDX-License-Identifier: Apache-2.0
/*
 * The balloon against a hostile driver, with small and with huge pages, while its
 * target changes and its figures are asked for.
 */
#include "device-workers/balloon/balloon.h"
#include "tests/fuzz/device_fuzz.h"

void
fuzz_backend(struct fuzz_in *in)
{
	if (fuzz_take(in, 1) & 1)
		balloon_ops.set_target(&h.dev, (uint64_t)fuzz_take(in, 4) << 12);
	else
		balloon_ops.refresh(&h.dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Bh__BalloonConfig balloon;
	static Bh__DeviceConfig config;
	static uint64_t counters[COUNTERS];
	const char *why;

	if (size == 0)
		return 0;
	bh__balloon_config__init(&balloon);
	bh__device_config__init(&config);
	memset(&h.dev, 0, sizeof(h.dev));
	balloon.queue_size = H_QUEUE;
	balloon.free_page_reporting = (data[0] & 2) != 0;
	balloon.host_page = data[0] & 1 ? 64 * 4096 : 4096;
	config.memory_reserve = H_MEM;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BALLOON;
	config.balloon = &balloon;
	h.dev.counters = counters;
	if (h_start(&balloon_ops, &config, &why) != 0)
		abort();
	h.dev.mem.reserve = h.mem;
	h.dev.mem.reserve_size = H_MEM;
	fuzz_run(data + 1, size - 1);
	if (data[0] & 1)	/* where it notes what is in the balloon */
		munmap(((void **)h.dev.priv)[1], H_MEM / 4096 / 8 + 1);
	return 0;
}
