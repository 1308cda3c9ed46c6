// SPDX-License-Identifier: Apache-2.0
/* The watchdog against a hostile driver. */
#include "device-workers/watchdog/watchdog.h"
#include "tests/fuzz/device_fuzz.h"

/* The queue is held and goes on, the timer says something, a state comes back. */
void
fuzz_backend(struct fuzz_in *in)
{
	uint8_t state[4] = { 0 };
	uint32_t what = fuzz_take(in, 1);

	if ((what & 3) == 0)
		(void)watchdog_ops.drain(&h.dev);
	else if ((what & 3) == 1)
		watchdog_ops.backend_ready(&h.dev, FD_TIMER, 0);
	else if ((what & 3) == 2)
		(void)watchdog_ops.save(&h.dev, state, what >> 2 & 3);
	else {
		state[0] = (uint8_t)fuzz_take(in, 1);
		(void)watchdog_ops.load(&h.dev, what, state, what >> 2 & 3);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Bh__WatchdogConfig watchdog;
	static Bh__DeviceConfig config;
	const char *why;

	bh__watchdog_config__init(&watchdog);
	bh__device_config__init(&config);
	memset(&h.dev, 0, sizeof(h.dev));
	watchdog.seconds = 20;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_WATCHDOG;
	config.watchdog = &watchdog;
	if (h_start(&watchdog_ops, &config, &why) != 0)
		abort();
	fuzz_run(data, size);
	return 0;
}
