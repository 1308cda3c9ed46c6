// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-net in its jail, on a real tap in a network namespace of
 * its own: frames both ways on every kind of ring, compared with what a packet
 * socket on the host's side sends and sees.
 */
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

static bool
name_request(unsigned long request, struct ifreq *ifr)
{
	memcpy(ifr->ifr_name, tap_name.ifr_name, IFNAMSIZ);
	return ioctl(control, request, ifr) == 0;
}

static bool
set_up(bool up)
{
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP | IFF_RUNNING : 0 };

	return name_request(SIOCSIFFLAGS, &ifr);
}

/* A namespace, a tap with two queues, and a packet socket on it. */
static bool
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

static bool
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

static ssize_t
host_gets(uint8_t *buf, size_t size)
{
	struct pollfd p = { .fd = packets, .events = POLLIN };

	if (poll(&p, 1, 3000) <= 0)
		return -1;
	return recv(packets, buf, size, MSG_TRUNC);
}

static bool
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

static bool
test_transmit(void)
{
	static const size_t sizes[] = { 60, 61, 1000, 1514, 9000, 50000 };
	static uint8_t want[65536], got[65536];
	const struct net_hdr hdr = { .flags = 0xfe, .num_buffers = 3 };

	for (unsigned int i = 0; i < 60; i++) {
		size_t len = sizes[i % 6];

		make_frame(want, len, ++seed);
		memcpy(vm.ram + TX + NET_HDR_SIZE, want, len);
		MUST(transmit(1, &hdr, len, 1 + i % 40));
		MUST(host_gets(got, sizeof(got)) == (ssize_t)len);
		MUST(memcmp(got, want, len) == 0);
	}
	return true;
}

static bool
test_refused_headers(void)
{
	static const struct net_hdr bad[] = {
		{ .gso_type = NET_GSO_TCPV4, .gso_size = 1000 },
		{ .flags = 1, .gso_type = NET_GSO_UDP, .gso_size = 1000 },
		{ .flags = 1, .gso_type = 77, .gso_size = 1000 },
		{ .flags = 1, .csum_start = 65535, .csum_offset = 65535 },
		{ .flags = 1, .gso_type = NET_GSO_TCPV4, .gso_size = 1000,
		  .hdr_len = 2000 },
		{ .flags = 1, .gso_type = NET_GSO_TCPV4 },
	};
	static uint8_t want[200], got[200];

	make_frame(vm.ram + TX + NET_HDR_SIZE, 200, ++seed);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		MUST(transmit(1, &bad[i], 200, 12));
	MUST(transmit(1, &(struct net_hdr){ 0 }, 13, 12));
	/* The next good one is the first that the host sees. */
	make_frame(want, 200, ++seed);
	memcpy(vm.ram + TX + NET_HDR_SIZE, want, 200);
	MUST(transmit(1, &(struct net_hdr){ 0 }, 200, 12));
	MUST(host_gets(got, sizeof(got)) == 200);
	MUST(memcmp(got, want, 200) == 0 && vm.needs_reset == 0);
	return true;
}

static bool
add_buffer(unsigned int q, uint64_t n)
{
	const struct drvq_buf buf = { RX + n * RX_LEN, RX_LEN, true };

	return drvq_add(&vm.q[q], &buf, 1, 0, n) >= 0;
}

/* The next frame of queue @q, of however many buffers; these go back. */
static ssize_t
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
static ssize_t
guest_gets(unsigned int q, uint8_t *frame, size_t size)
{
	ssize_t len;

	do {
		len = next_frame(q, frame, size);
	} while (len >= 14 && (frame[12] != PROTOCOL >> 8 ||
	    frame[13] != (PROTOCOL & 0xff)));
	return len;
}

static bool
test_receive(void)
{
	static const size_t sizes[] = { 60, 2036, 2037, 9000, 59000, 100 };
	static uint8_t want[65536], got[65536];

	for (unsigned int n = 0; n < RX_BUFS; n++)
		MUST(add_buffer(0, n));
	fakevm_publish(&vm, 0);
	for (unsigned int i = 0; i < 60; i++) {
		size_t len = sizes[i % 6];

		make_frame(want, len, ++seed);
		MUST(send(packets, want, len, 0) == (ssize_t)len);
		MUST(guest_gets(0, got, sizeof(got)) == (ssize_t)len);
		MUST(memcmp(got, want, len) == 0);
	}
	/* More than the ring holds: all of them, in order. */
	for (unsigned int i = 0; i < 200; i++) {
		make_frame(want, 3000, seed + 1 + i);
		MUST(send(packets, want, 3000, 0) == 3000);
	}
	for (unsigned int i = 0; i < 200; i++) {
		make_frame(want, 3000, ++seed);
		MUST(guest_gets(0, got, sizeof(got)) == 3000);
		MUST(memcmp(got, want, 3000) == 0);
	}
	return true;
}

static int
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

/* Send @want to @to; it is the next that the guest gets. */
static bool
next_is_to(const uint8_t *to, unsigned int fill)
{
	static uint8_t want[200], got[200];

	make_frame(want, sizeof(want), fill);
	memcpy(want, to, 6);
	MUST(send(packets, want, sizeof(want), 0) == sizeof(want));
	MUST(guest_gets(0, got, sizeof(got)) == sizeof(want));
	MUST(memcmp(got, want, sizeof(want)) == 0);
	return true;
}

/* What is for others does not arrive; what is for the guest, after it, does. */
static bool
test_filter(void)
{
	static const uint8_t own[6] = { 0x52, 0x54, 0, 0, 0, 1 };
	static const uint8_t other[6] = { 0x52, 0x54, 0, 0, 0, 2 };
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 9 };
	static const uint8_t *const strangers[] = { other, group };
	static uint8_t frame[200];

	for (unsigned int i = 0; i < 300; i++) {
		make_frame(frame, sizeof(frame), i);
		memcpy(frame, strangers[i % 2], 6);
		MUST(send(packets, frame, sizeof(frame), 0) == sizeof(frame));
	}
	MUST(next_is_to(own, ++seed));
	MUST(command(0, 0, 1, 1) == 0);		/* promiscuous */
	MUST(next_is_to(other, ++seed) && next_is_to(group, ++seed));
	MUST(command(0, 0, 0, 1) == 0 && command(0, 1, 1, 1) == 0);
	MUST(next_is_to(group, ++seed));	/* all multicast */
	memcpy(frame, other, 6);
	MUST(send(packets, frame, sizeof(frame), 0) == sizeof(frame));
	return next_is_to(own, ++seed);
}

static bool
test_queue_pairs(void)
{
	static uint8_t want[300], got[300];

	MUST(command(4, 0, 0, 2) == 1 && command(4, 0, PAIRS + 1, 2) == 1);
	MUST(command(9, 0, 1, 2) == 1 && command(4, 0, PAIRS, 2) == 0);
	make_frame(want, 300, ++seed);
	memcpy(vm.ram + TX + NET_HDR_SIZE, want, 300);
	MUST(transmit(3, &(struct net_hdr){ 0 }, 300, 12));
	MUST(host_gets(got, sizeof(got)) == 300);
	MUST(memcmp(got, want, 300) == 0);
	/* Back to one: the kernel steers all to the first again. */
	MUST(command(4, 0, 1, 2) == 0);
	make_frame(want, 300, ++seed);
	MUST(send(packets, want, 300, 0) == 300);
	MUST(guest_gets(0, got, sizeof(got)) == 300);
	MUST(memcmp(got, want, 300) == 0);
	return true;
}

/* A segment of 4 KiB that the host's kernel has to cut (TSO). */
static bool
test_segmentation(void)
{
	static const uint8_t head[] = {
		0x52, 0x54, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0,
		0x45, 0, 4040 >> 8, 4040 & 0xff, 0, 0, 0, 0, 64, 6, 0, 0,
		10, 0, 0, 1, 10, 0, 0, 2,
		1, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
	};
	const struct net_hdr hdr = {
		.flags = 1, .gso_type = NET_GSO_TCPV4, .hdr_len = 54,
		.gso_size = 1000, .csum_start = 34, .csum_offset = 16,
	};
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = tap_index,
	};
	static uint8_t got[65536];
	int ip = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = ip, .events = POLLIN };
	ssize_t len;

	MUST(ip >= 0 && bind(ip, (struct sockaddr *)&at, sizeof(at)) == 0);
	memset(vm.ram + TX, 0x55, 5000);
	memcpy(vm.ram + TX + NET_HDR_SIZE, head, sizeof(head));
	MUST(transmit(1, &hdr, 4054, 12));
	MUST(poll(&p, 1, 3000) > 0);
	len = recv(ip, got, sizeof(got), 0);
	close(ip);
	MUST(len == 4054 && memcmp(got, head, 14) == 0);
	return true;
}

static bool
test_interface_down(void)
{
	static uint8_t want[300], got[300];

	MUST(set_up(false));
	make_frame(vm.ram + TX + NET_HDR_SIZE, 300, ++seed);
	MUST(transmit(1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(set_up(true));
	recv(packets, got, sizeof(got), 0);	/* ENETDOWN is told once */
	make_frame(want, 300, ++seed);
	memcpy(vm.ram + TX + NET_HDR_SIZE, want, 300);
	MUST(transmit(1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(host_gets(got, sizeof(got)) == 300);
	MUST(memcmp(got, want, 300) == 0);
	return true;
}

/* Killed while frames come; the successor goes on with the same rings. */
static bool
test_successor(void)
{
	static uint8_t want[300], got[300];

	MUST(fakevm_save(&vm) == 0);
	fakevm_kill(&vm);
	make_frame(want, 300, ++seed);
	MUST(send(packets, want, 300, 0) == 300);
	MUST(start(0, 0));
	MUST(fakevm_load(&vm) == 0);
	MUST(guest_gets(0, got, sizeof(got)) == 300);
	MUST(memcmp(got, want, 300) == 0);
	memcpy(vm.ram + TX + NET_HDR_SIZE, want, 300);
	MUST(transmit(1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(host_gets(got, sizeof(got)) == 300);
	return drvq_errors == 0;
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool
about(double got, double want)
{
	if (got >= want * 0.85 && got <= want * 1.15)
		return true;
	printf("# %.0f where %.0f was to be expected\n", got, want);
	return false;
}

/* @want frames of @len bytes leave in a second and a half. */
static bool
sends_about(size_t len, double want)
{
	double end = seconds() + 1.5;
	unsigned int n = 0;

	make_frame(vm.ram + TX + NET_HDR_SIZE, len, ++seed);
	for (; seconds() < end; n++)
		MUST(transmit(1, &(struct net_hdr){ 0 }, len, 12));
	return about(n, want);
}

/* A frame of one buffer, if there is one by now; the buffer goes back. */
static bool
next_ready(unsigned int q)
{
	uint64_t n;
	uint32_t len;

	if (!drvq_get(&vm.q[q], &n, &len))
		return false;
	if (!add_buffer(q, n))
		abort();
	fakevm_publish(&vm, q);
	return true;
}

/* The host sends more than may come in: so many arrive. */
static bool
receives_about(size_t len, double want)
{
	static uint8_t frame[65536];
	double end = seconds() + 1.5;
	unsigned int n = 0;

	for (unsigned int i = 0; i < RX_BUFS; i++)
		MUST(add_buffer(0, i));
	fakevm_publish(&vm, 0);
	make_frame(frame, len, ++seed);
	while (seconds() < end) {
		(void)send(packets, frame, len, 0);
		if (send(packets, frame, len, 0) < 0)
			usleep(100);
		while (next_ready(0))
			n++;
	}
	return about(n, want);
}

/* 200 frames a second each way, then 1 MB a second. A full bucket comes first. */
static bool
test_limits(void)
{
	MUST(start(20, 0) && activate(&vm, 1, 2 * PAIRS + 1) == 0);
	MUST(sends_about(1000, 20 + 300));
	MUST(receives_about(1000, 20 + 300));
	MUST(fakevm_reset(&vm) == 0 && fakevm_quit(&vm) == 0);
	MUST(start(0, 100000) && activate(&vm, 1, 2 * PAIRS + 1) == 0);
	MUST(sends_about(5000, 20 + 300));
	/* Of the same length: what the tap still holds is counted, too. */
	MUST(receives_about(1000, 100 + 1500));
	MUST(fakevm_quit(&vm) == 0);
	return true;
}

/* What @pid has used of a CPU, in hundredths of a second. */
static long
cpu_ticks(pid_t pid)
{
	char path[40], text[400] = "";
	unsigned long user = 0, system = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL || fgets(text, sizeof(text), f) == NULL ||
	    sscanf(text, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
	    "%lu %lu", &user, &system) != 2)
		abort();
	fclose(f);
	return (long)(user + system);
}

static bool
test_deleted_tap(void)
{
	char command_line[64];
	unsigned int before = vm.log_lines, changes = vm.config_changes;
	long spent;

	snprintf(command_line, sizeof(command_line), "ip link del %s",
	    tap_name.ifr_name);
	MUST(system(command_line) == 0);
	make_frame(vm.ram + TX + NET_HDR_SIZE, 300, ++seed);
	for (unsigned int i = 0; i < 50; i++)
		MUST(transmit(1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(fakevm_pump(&vm, 100) >= 0);
	MUST(vm.log_lines > before && vm.log_lines <= before + PAIRS);
	MUST(strstr(vm.log, "gone") != NULL);
	/* The driver sees the link go, once; nobody spins on a dead fd. */
	MUST(vm.config_changes == changes + 1 && (vm.config[6] & 1) == 0);
	spent = cpu_ticks(vm.pid);
	usleep(300000);
	MUST(cpu_ticks(vm.pid) - spent < 10);
	MUST(fakevm_reset(&vm) == 0);
	return true;
}

int
main(void)
{
	char name[120];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (access("/dev/net/tun", R_OK | W_OK) != 0) {
		printf("1..0 # SKIP no /dev/net/tun\n");
		return 77;
	}
	if (!make_network() || fakevm_init(&vm) != 0)
		return 2;
	result(start(0, 0), &vm, "starts");
	for (size_t i = 0; i < NRINGS; i++) {
		static const struct {
			const char *name;
			bool (*run)(void);
		} tests[] = {
			{ "transmit", test_transmit },
			{ "headers that are refused", test_refused_headers },
			{ "segmentation by the host", test_segmentation },
			{ "receive, merged and held back", test_receive },
			{ "what is for others stays out", test_filter },
			{ "queue pairs", test_queue_pairs },
			{ "interface down and up", test_interface_down },
			{ "a successor", test_successor },
		};
		bool active = activate(&vm, i, 2 * PAIRS + 1) == 0;

		for (size_t t = 0; t < sizeof(tests) / sizeof(tests[0]); t++) {
			snprintf(name, sizeof(name), "%s: %s", rings[i].name,
			    tests[t].name);
			result(active && tests[t].run(), &vm, name);
		}
		snprintf(name, sizeof(name), "%s: reset", rings[i].name);
		result(fakevm_reset(&vm) == 0, &vm, name);
	}
	result(fakevm_quit(&vm) == 0 && test_limits(), &vm,
	    "rate limits, both ways");
	result(start(0, 0), &vm, "starts again");
	result(activate(&vm, 1, 2 * PAIRS + 1) == 0 && test_deleted_tap(), &vm,
	    "a tap that is deleted is said once, the device goes on");
	result(fakevm_quit(&vm) == 0, &vm, "ends with status 0");
	fakevm_fini(&vm);
	return finish();
}
