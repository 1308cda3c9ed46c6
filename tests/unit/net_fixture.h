/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network device over datagram sockets in place of taps, for its unit tests:
 * what the back end was told last is in offloads[] and attached[].
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
#include <sys/socket.h>
#include <sys/uio.h>

#include "device-workers/net/net.h"
#include "tests/unit/device_harness.h"

#define PAIRS 2u
#define CTRL (2 * PAIRS)
#define ALL_OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | 0x60)
#define BIT(n) (1ull << (n))

static Bh__NetConfig net;
static Bh__DeviceConfig config;
static uint8_t mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };
static int host[PAIRS];		/* the other ends of the "taps" */
static uint32_t offloads[PAIRS];
static uint32_t mtu = 65535;
static bool mac_fixed;
static bool attached[PAIRS];

static int
fake_start(struct net_pair *p, const char **why)
{
	(void)why;
	return fcntl(p->fd, F_GETFL) < 0 ? -EBADF : 0;
}

static int
fake_set_offloads(struct net_pair *p, uint32_t set)
{
	offloads[p->fd - FD_BACKEND] = set;
	return 0;
}

static int
fake_set_attached(struct net_pair *p, bool on)
{
	attached[p->fd - FD_BACKEND] = on;
	return 0;
}

static ssize_t
fake_send(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	ssize_t n = writev(p->fd, iov, (int)niov);

	return n < 0 ? -errno : n;
}

static ssize_t
fake_receive(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	ssize_t n = readv(p->fd, iov, (int)niov);

	return n < 0 ? -errno : n;
}

static bool
fake_is_gone(int err)
{
	return err == EBADFD;
}

const struct net_backend *
net_backend_of(Bh__NetBackend kind)
{
	static const struct net_backend fake = {
		.name = "tap",
		.start = fake_start,
		.set_offloads = fake_set_offloads,
		.set_attached = fake_set_attached,
		.send = fake_send,
		.receive = fake_receive,
		.is_gone = fake_is_gone,
	};

	return kind == BH__NET_BACKEND__NET_BACKEND_TAP ? &fake : NULL;
}

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
	for (unsigned int i = 0; i < PAIRS; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK,
		    0, pair), 0);
		/* Out of the way of the slots. */
		host[i] = fcntl(pair[1], F_DUPFD, 40);
		close(pair[1]);
		setsockopt(host[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		if (pair[0] != FD_BACKEND + (int)i) {
			dup2(pair[0], FD_BACKEND + (int)i);
			close(pair[0]);
		}
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
