// SPDX-License-Identifier: Apache-2.0
/* Entropy against a hostile driver: of a source that never ends, or of a pipe that may be
 * empty, and be closed at its other end. */
#include <fcntl.h>

#include "device-workers/rng/rng.h"
#include "tests/fuzz/device_fuzz.h"

static int other = -1;		/* end of the pipe */

void
fuzz_backend(struct fuzz_in *in)
{
	uint8_t bytes[256] = { 1 };
	uint32_t what = fuzz_take(in, 1);

	if (other >= 0 && what % 8 == 7) {
		close(other);
		other = -1;
	} else if (other >= 0 && what % 2 == 0) {
		(void)!write(other, bytes, what);
	}
	h.limited = (what & 0x40) != 0;
	h.ops_left = what & 7;
	(void)h_poll(0);
}

/* The source at FD_BACKEND. */
static void
source(bool ends)
{
	int pair[2];

	if (!ends)
		pair[0] = open("/dev/urandom", O_RDONLY | O_NONBLOCK);
	else if (pipe2(pair, O_NONBLOCK) != 0)
		abort();
	if (dup2(pair[0], FD_BACKEND) != FD_BACKEND)
		abort();
	close(pair[0]);
	other = ends ? pair[1] : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Bh__RngConfig rng;
	static Bh__DeviceConfig config;
	const char *why;

	if (size == 0)
		return 0;
	bh__rng_config__init(&rng);
	bh__device_config__init(&config);
	memset(&h.dev, 0, sizeof(h.dev));
	memset(h.watch, 0, sizeof(h.watch));
	config.device_case = BH__DEVICE_CONFIG__DEVICE_RNG;
	config.rng = &rng;
	source((data[0] & 1) != 0);
	if (h_start(&rng_ops, &config, &why) != 0)
		abort();
	fuzz_run(data + 1, size - 1);
	close(FD_BACKEND);
	close(FD_RNG_AGAIN);
	if (other >= 0)
		close(other);
	return 0;
}
