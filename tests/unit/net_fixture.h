/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network device for its unit tests, over what net_fake_tap.h has in place of
 * taps.
 */
#ifndef BULKHEAD_TESTS_UNIT_NET_FIXTURE_H
#define BULKHEAD_TESTS_UNIT_NET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/if_tun.h>

#include "tests/unit/net_fake_tap.h"

#define CTRL (2 * PAIRS)
#define ALL_OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | 0x60)
#define BIT(n) (1ull << (n))

static Bh__NetConfig net;
static Bh__DeviceConfig config;
static uint8_t mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };
static uint32_t mtu = 65535;
static bool mac_fixed;

static void
start(uint64_t features)
{
	const char *why;

	memset(&h.dev, 0, sizeof(h.dev));
	bh__net_config__init(&net);
	bh__device_config__init(&config);
	net.mac.data = mac;
	net.mac.len = 6;
	net.mtu = mtu;
	net.mac_fixed = mac_fixed;
	net.queue_pairs = PAIRS;
	net.queue_size = H_QUEUE;
	net.tap_offloads = ALL_OFFLOADS;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_NET;
	config.net = &net;
	assert_int_equal(h_start(&net_ops, &config, &why), 0);
	h_activate(features & h.dev.features);
}

static int
setup(void **state)
{
	int size = 1 << 20;

	(void)state;
	assert_true(fake_taps());
	for (unsigned int i = 0; i < PAIRS; i++) {
		setsockopt(host[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		offloads[i] = 99;
		attached[i] = true;
	}
	start(UINT64_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	h_reset();
	free(h.dev.priv);
	memset(h.watch, 0, sizeof(h.watch));
	for (unsigned int i = 0; i < PAIRS; i++) {
		close(host[i]);
		close(FD_BACKEND + (int)i);
	}
	return 0;
}

/* Frames are for the device. */
static uint8_t
frame_byte(size_t at)
{
	if (at >= NET_HDR_SIZE && at < NET_HDR_SIZE + sizeof(mac))
		return mac[at - NET_HDR_SIZE];
	return (uint8_t)(at * 13 + (at >> 8));
}

/* Send a frame of @len bytes, header included, to the device. */
static __attribute__((unused)) void
send_frame(unsigned int pair, size_t len)
{
	uint8_t *buf = malloc(len);

	for (size_t i = 0; i < len; i++)
		buf[i] = i < NET_HDR_SIZE ? 0 : frame_byte(i);
	assert_int_equal(write(host[pair], buf, len), len);
	free(buf);
}

/* A control command with @len bytes of @data: its ack. */
static __attribute__((unused)) int
command(uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	const struct h_seg seg[] = {
		{ H_DATA, 2 + len, false }, { H_DATA + 0x1000, 1, true },
	};
	uint32_t id, used;

	h.mem[H_DATA] = class;
	h.mem[H_DATA + 1] = cmd;
	memcpy(h.mem + H_DATA + 2, data, len);
	h.mem[H_DATA + 0x1000] = 0xee;
	h_add(CTRL, seg, 2);
	h_kick(CTRL);
	assert_true(h_used(CTRL, &id, &used));
	assert_int_equal(used, 1);
	return h.mem[H_DATA + 0x1000];
}

static __attribute__((unused)) int
set_pairs(uint16_t pairs)
{
	return command(4, 0, &pairs, sizeof(pairs));
}

#endif
