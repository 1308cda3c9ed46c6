/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For native tests of bulkhead-net: a tap in a network namespace of its own, with a
 * packet socket on the host's side of it, and the guest's driver.
 */
#ifndef BULKHEAD_TESTS_NATIVE_NET_HOST_H
#define BULKHEAD_TESTS_NATIVE_NET_HOST_H

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "device-workers/net/net_hdr.h"
#include "tests/native/device_test.h"

#define PAIRS 2u
#define PROTOCOL 0x88b5		/* for local experiments: nobody else's frames */
#define MTU 60000
#define TX FAKEVM_DATA
#define CTRL_CMD (FAKEVM_DATA + 0x20000)
#define RX (FAKEVM_DATA + 0x100000)
#define RX_LEN 2048u
#define RX_BUFS 48u

static struct fakevm vm;
static int tap[PAIRS], control, packets;
static int tap_index;
static struct ifreq tap_name;
static unsigned int seed = 1;

static __attribute__((unused)) bool
name_request(unsigned long request, struct ifreq *ifr)
{
	memcpy(ifr->ifr_name, tap_name.ifr_name, IFNAMSIZ);
	return ioctl(control, request, ifr) == 0;
}

static __attribute__((unused)) bool
set_up(bool up)
{
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP | IFF_RUNNING : 0 };

	return name_request(SIOCSIFFLAGS, &ifr);
}

/* A namespace, a tap with two queues, and a packet socket on it. */
static __attribute__((unused)) bool
make_network(void)
{
	struct ifreq ifr = { .ifr_mtu = MTU };
	struct sockaddr_ll at = { .sll_family = AF_PACKET };
	int size = NET_HDR_SIZE, big = 4 << 20;

	MUST(unshare(CLONE_NEWNET | (geteuid() != 0 ? CLONE_NEWUSER : 0)) == 0);
	strcpy(tap_name.ifr_name, "bhtest");
	for (unsigned int i = 0; i < PAIRS; i++) {
		struct ifreq queue = tap_name;

		tap[i] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
		MUST(tap[i] >= 0);
		queue.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
		    IFF_MULTI_QUEUE;
		MUST(ioctl(tap[i], TUNSETIFF, &queue) == 0);
		MUST(ioctl(tap[i], TUNSETVNETHDRSZ, &size) == 0);
	}
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	MUST(control >= 0 && name_request(SIOCSIFMTU, &ifr));
	MUST(set_up(true) && name_request(SIOCGIFINDEX, &ifr));
	tap_index = at.sll_ifindex = ifr.ifr_ifindex;
	at.sll_protocol = htons(PROTOCOL);
	packets = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    htons(PROTOCOL));
	setsockopt(packets, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	MUST(packets >= 0);
	MUST(bind(packets, (struct sockaddr *)&at, sizeof(at)) == 0);
	return true;
}

static __attribute__((unused)) bool
start(uint64_t ops, uint64_t bytes)
{
	static uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
	const struct fakevm_fd fds[] = {
		{ FD_BACKEND, tap[0] }, { FD_BACKEND + 1, tap[1] },
	};
	static char id[] = "net0";
	Bh__TokenBucket op = BH__TOKEN_BUCKET__INIT, bw = BH__TOKEN_BUCKET__INIT;
	Bh__RateLimit limit = BH__RATE_LIMIT__INIT;
	Bh__DeviceConfig config;
	Bh__NetConfig net;

	bh__device_config__init(&config);
	bh__net_config__init(&net);
	net.mac.data = mac;
	net.mac.len = sizeof(mac);
	net.mtu = MTU;
	net.queue_pairs = PAIRS;
	net.queue_size = 64;
	net.tap_offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	op.size = ops;
	bw.size = bytes;
	op.refill_ms = bw.refill_ms = 100;
	limit.ops = ops != 0 ? &op : NULL;
	limit.bandwidth = bytes != 0 ? &bw : NULL;
	if (ops != 0 || bytes != 0)
		net.rate_limit = &limit;
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_NET;
	config.net = &net;
	MUST(fakevm_start(&vm, "build/bulkhead-net", &config, fds, PAIRS) == 0);
	MUST(memcmp(vm.config, mac, 6) == 0 && vm.nqueues == 2 * PAIRS + 1);
	return true;
}

/* A frame whose bytes follow from @salt. */
static void
make_frame(uint8_t *frame, size_t len, unsigned int salt)
{
	static const uint8_t head[] = { 0x52, 0x54, 0, 0, 0, 1,
	    2, 0, 0, 0, 0, 9, PROTOCOL >> 8, PROTOCOL & 0xff };

	memcpy(frame, head, sizeof(head));
	for (size_t i = sizeof(head); i < len; i++)
		frame[i] = (uint8_t)(i * 7 + i / 251 + salt);
}

static __attribute__((unused)) ssize_t
host_gets(uint8_t *buf, size_t size)
{
	struct pollfd p = { .fd = packets, .events = POLLIN };

	if (poll(&p, 1, 3000) <= 0)
		return -1;
	return recv(packets, buf, size, MSG_TRUNC);
}

static __attribute__((unused)) bool
transmit(unsigned int q, const struct net_hdr *hdr, size_t len,
    unsigned int split)
{
	const struct drvq_buf bufs[] = {
		{ TX, split, false },
		{ TX + split, (uint32_t)(NET_HDR_SIZE + len) - split, false },
	};
	uint32_t used;

	memcpy(vm.ram + TX, hdr, NET_HDR_SIZE);
	MUST(fakevm_request(&vm, q, bufs, 2, &used) == 0 && used == 0);
	return true;
}

static __attribute__((unused)) bool
add_buffer(unsigned int q, uint64_t n)
{
	const struct drvq_buf buf = { RX + n * RX_LEN, RX_LEN, true };

	return drvq_add(&vm.q[q], &buf, 1, 0, n) >= 0;
}

/* The next frame of queue @q, of however many buffers; these go back. */
static __attribute__((unused)) ssize_t
next_frame(unsigned int q, uint8_t *frame, size_t size)
{
	unsigned int left = 1;
	size_t at = 0;

	for (unsigned int i = 0; i < left; i++) {
		uint64_t n;
		uint32_t len, skip = i == 0 ? NET_HDR_SIZE : 0;

		if (fakevm_used(&vm, q, &n, &len) != 0 || len < skip ||
		    at + len - skip > size)
			return -1;
		if (i == 0)
			memcpy(&left, vm.ram + RX + n * RX_LEN +
			    NET_HDR_NUM_BUFFERS, 2);
		memcpy(frame + at, vm.ram + RX + n * RX_LEN + skip, len - skip);
		at += len - skip;
		memset(vm.ram + RX + n * RX_LEN, 0xee, RX_LEN);
		if (!add_buffer(q, n))
			return -1;
	}
	fakevm_publish(&vm, q);
	return (ssize_t)at;
}

/* The same, without those that the host's own stack sends. */
static __attribute__((unused)) ssize_t
guest_gets(unsigned int q, uint8_t *frame, size_t size)
{
	ssize_t len;

	do {
		len = next_frame(q, frame, size);
	} while (len >= 14 && (frame[12] != PROTOCOL >> 8 ||
	    frame[13] != (PROTOCOL & 0xff)));
	return len;
}

static __attribute__((unused)) int
command(uint8_t class, uint8_t cmd, uint16_t value, uint32_t data_len)
{
	const struct drvq_buf bufs[] = {
		{ CTRL_CMD, 1, false }, { CTRL_CMD + 1, 1 + data_len, false },
		{ CTRL_CMD + 64, 1, true },
	};
	uint32_t len;

	vm.ram[CTRL_CMD] = class;
	vm.ram[CTRL_CMD + 1] = cmd;
	memcpy(vm.ram + CTRL_CMD + 2, &value, 2);
	vm.ram[CTRL_CMD + 64] = 0xee;
	if (fakevm_request(&vm, 2 * PAIRS, bufs, 3, &len) != 0 || len != 1)
		return -1;
	return vm.ram[CTRL_CMD + 64];
}


static __attribute__((unused)) double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

#endif
