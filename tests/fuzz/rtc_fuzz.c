// SPDX-License-Identifier: Apache-2.0
/* The clock against a hostile driver. */
#include "device-workers/rtc/rtc.h"
#include "tests/fuzz/device_fuzz.h"

void
fuzz_backend(struct fuzz_in *in)
{
	(void)in;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Bh__DeviceConfig config;
	const char *why;

	bh__device_config__init(&config);
	memset(&h.dev, 0, sizeof(h.dev));
	if (h_start(&rtc_ops, &config, &why) != 0)
		abort();
	fuzz_run(data, size);
	return 0;
}
