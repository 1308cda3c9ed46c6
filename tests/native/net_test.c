// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-net in its jail, on a real tap in a network namespace of
 * its own: frames both ways on every kind of ring, compared with what a packet
 * socket on the host's side sends and sees.
 */
#include "tests/native/net_host.h"

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
	/* The driver shall tell the network where it is, and says that it has. */
	MUST((vm.config[6] & 2) != 0);
	MUST(command(3, 0, 0, 0) == 0);
	MUST(fakevm_pump(&vm, 1000) >= 0 && (vm.config[6] & 2) == 0);
	MUST(guest_gets(0, got, sizeof(got)) == 300);
	MUST(memcmp(got, want, 300) == 0);
	memcpy(vm.ram + TX + NET_HDR_SIZE, want, 300);
	MUST(transmit(1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(host_gets(got, sizeof(got)) == 300);
	return drvq_errors == 0;
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
	fakevm_fini(&vm);
	return finish();
}
