// SPDX-License-Identifier: Apache-2.0
/*
 * The network device against a hostile driver, over a socket in place of a tap:
 * no frame comes out that the checks should have stopped.
 */
#include "tests/fuzz/device_fuzz.h"
#include "tests/unit/net_fake_tap.h"

static void
check_output(void)
{
	static uint8_t frame[NET_FRAME_MAX + 1];

	for (unsigned int i = 0; i < PAIRS; i++) {
		ssize_t n;

		while ((n = read(host[i], frame, sizeof(frame))) > 0) {
			if (n < (ssize_t)(NET_HDR_SIZE + NET_ETH_HLEN) ||
			    n > (ssize_t)NET_FRAME_MAX || (frame[0] & ~1) != 0 ||
			    frame[10] != 0 || frame[11] != 0)
				abort();
		}
	}
}

void
fuzz_backend(struct fuzz_in *in)
{
	static uint8_t frame[NET_FRAME_MAX];
	unsigned int i = fuzz_take(in, 1) % PAIRS;
	size_t len = fuzz_take(in, 2);

	if (write(host[i], frame, len) < 0 && errno != EAGAIN)
		return;
	(void)h_poll(0);
	check_output();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static uint8_t mac[6] = { 2 };
	static Bh__NetConfig net;
	static Bh__DeviceConfig config;
	const char *why;

	(void)argc;
	(void)argv;
	bh__net_config__init(&net);
	bh__device_config__init(&config);
	config.device_case = BH__DEVICE_CONFIG__DEVICE_NET;
	config.net = &net;
	net.mac.data = mac;
	net.mac.len = 6;
	net.queue_pairs = PAIRS;
	net.queue_size = H_QUEUE;
	net.tap_offloads = 0xf;
	if (!fake_taps())
		abort();
	if (h_start(&net_ops, &config, &why) != 0)
		abort();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[NET_FRAME_MAX + 1];

	fuzz_run(data, size);
	check_output();
	/* What the device did not take must not meet the next input. */
	for (unsigned int i = 0; i < PAIRS; i++) {
		while (read(FD_BACKEND + (int)i, frame, sizeof(frame)) > 0)
			;
	}
	return 0;
}
