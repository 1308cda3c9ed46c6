// SPDX-License-Identifier: Apache-2.0
/*
 * The guard on a real tap, in a network namespace of its own: frames go in as the
 * guest's would, and the count of the one reason for which each is to be dropped
 * rises, or a packet socket gets it. As a link, as a tc filter, and on a macvtap.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "controller/opener/guard.h"
#include "controller/opener/opened.h"
#include "controller/spawner/filter.h"

#define SELF 0x52, 0x54, 0, 0, 0, 1
#define PEER 0x52, 0x54, 0, 0, 0, 2
#define OWN4 10, 0, 0, 2
#define PEER4 10, 0, 0, 3
#define ZERO4 0, 0, 0, 0
#define OWN6 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2
#define PEER6 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3
#define LINK6 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9
#define ZERO6 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

#define ETHER(source, ...) 255, 255, 255, 255, 255, 255, source, __VA_ARGS__
#define VLAN 0x81, 0, 0, 5
#define QINQ 0x88, 0xa8, 0, 6
#define ARP(mac, ip) 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, mac, ip, ZERO4, 0, 0, PEER4
#define IP4(protocol, source)						\
	8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0, source, PEER4
#define DHCP 0, 68, 0, 67, 0, 8, 0, 0
#define IP6(next, source)						\
	0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, next, 255, source, PEER6
#define NS(target) 135, 0, 0, 0, 0, 0, 0, 0, target
#define NA(target) 136, 0, 0, 0, 0x20, 0, 0, 0, target
#define OPTION(type, mac) type, 1, mac

struct sample {
	const char *name;
	enum guard_reason mac, ips;	/* what becomes of it in each mode */
	size_t len;
	uint8_t frame[120];
};

#define SAMPLE(name, mac, ips, ...)					\
	{ name, GUARD_##mac, GUARD_##ips,				\
	  sizeof((uint8_t[]){ __VA_ARGS__ }), { __VA_ARGS__ } }

static const struct sample samples[] = {
	SAMPLE("another's MAC", MAC, MAC, ETHER(PEER, IP4(6, OWN4))),
	SAMPLE("own IPv4", PASS, PASS, ETHER(SELF, IP4(6, OWN4))),
	SAMPLE("another's IPv4", PASS, IP4, ETHER(SELF, IP4(6, PEER4))),
	SAMPLE("another's IPv4 behind a tag", PASS, IP4,
	    ETHER(SELF, VLAN, IP4(6, PEER4))),
	SAMPLE("own IPv4 behind a tag", PASS, PASS,
	    ETHER(SELF, VLAN, IP4(6, OWN4))),
	SAMPLE("another's IPv4 behind two tags", PASS, IP4,
	    ETHER(SELF, QINQ, VLAN, IP4(6, PEER4))),
	SAMPLE("own IPv4 behind four tags", PASS, PROTOCOL,
	    ETHER(SELF, QINQ, QINQ, QINQ, VLAN, IP4(6, OWN4))),
	SAMPLE("another's MAC behind a tag", MAC, MAC,
	    ETHER(PEER, VLAN, IP4(6, OWN4))),
	SAMPLE("DHCP", PASS, PASS, ETHER(SELF, IP4(17, ZERO4), DHCP)),
	SAMPLE("no address, no DHCP", PASS, IP4,
	    ETHER(SELF, IP4(17, ZERO4), 0, 68, 0, 53, 0, 8, 0, 0)),
	SAMPLE("no address, TCP", PASS, IP4, ETHER(SELF, IP4(6, ZERO4), DHCP)),
	SAMPLE("half an IPv4 header", PASS, MALFORMED,
	    ETHER(SELF, 8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0)),
	SAMPLE("IPv4 that says it is IPv6", PASS, MALFORMED,
	    ETHER(SELF, 8, 0, 0x65, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, OWN4,
	    PEER4)),
	SAMPLE("own ARP", PASS, PASS, ETHER(SELF, ARP(SELF, OWN4))),
	SAMPLE("ARP probe", PASS, PASS, ETHER(SELF, ARP(SELF, ZERO4))),
	SAMPLE("ARP for another's address", PASS, ARP,
	    ETHER(SELF, ARP(SELF, PEER4))),
	SAMPLE("ARP with another's MAC", CLAIM, CLAIM,
	    ETHER(SELF, ARP(PEER, OWN4))),
	SAMPLE("ARP behind a tag with another's MAC", CLAIM, CLAIM,
	    ETHER(SELF, VLAN, ARP(PEER, OWN4))),
	SAMPLE("half an ARP", PASS, MALFORMED,
	    ETHER(SELF, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, SELF)),
	SAMPLE("own IPv6", PASS, PASS, ETHER(SELF, IP6(6, OWN6))),
	SAMPLE("link-local IPv6", PASS, PASS, ETHER(SELF, IP6(17, LINK6))),
	SAMPLE("another's IPv6", PASS, IP6, ETHER(SELF, IP6(6, PEER6))),
	SAMPLE("half an IPv6 header", PASS, MALFORMED,
	    ETHER(SELF, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, 6, 255, 0xfd)),
	SAMPLE("no IPv6 address, TCP", PASS, IP6, ETHER(SELF, IP6(6, ZERO6))),
	SAMPLE("solicitation", PASS, PASS,
	    ETHER(SELF, IP6(58, OWN6), NS(PEER6), OPTION(1, SELF))),
	SAMPLE("solicitation with another's MAC", CLAIM, CLAIM,
	    ETHER(SELF, IP6(58, OWN6), NS(PEER6), OPTION(1, PEER))),
	SAMPLE("own duplicate detection", PASS, PASS,
	    ETHER(SELF, IP6(58, ZERO6), NS(OWN6))),
	SAMPLE("duplicate detection of another's", PASS, ND,
	    ETHER(SELF, IP6(58, ZERO6), NS(PEER6))),
	SAMPLE("own advertisement", PASS, PASS,
	    ETHER(SELF, IP6(58, OWN6), NA(OWN6), OPTION(2, SELF))),
	SAMPLE("advertisement of another's address", PASS, ND,
	    ETHER(SELF, IP6(58, OWN6), NA(PEER6), OPTION(2, SELF))),
	SAMPLE("advertisement of another's MAC", CLAIM, CLAIM,
	    ETHER(SELF, IP6(58, OWN6), NA(OWN6), OPTION(2, PEER))),
	SAMPLE("the same as the second option", CLAIM, CLAIM,
	    ETHER(SELF, IP6(58, OWN6), NA(OWN6), OPTION(14, SELF),
	    OPTION(2, PEER))),
	SAMPLE("option of length 0", MALFORMED, MALFORMED,
	    ETHER(SELF, IP6(58, OWN6), NA(OWN6), 2, 0, SELF)),
	SAMPLE("advertisement behind options for others", PASS, ND,
	    ETHER(SELF, IP6(0, OWN6), 60, 0, 1, 4, 0, 0, 0, 0,
	    58, 0, 1, 4, 0, 0, 0, 0, NA(PEER6))),
	SAMPLE("advertisement in a first fragment", PASS, ND,
	    ETHER(SELF, IP6(44, OWN6), 58, 0, 0, 1, 0, 0, 0, 1, NA(PEER6))),
	SAMPLE("a later fragment", PASS, PASS,
	    ETHER(SELF, IP6(44, OWN6), 58, 0, 0, 9, 0, 0, 0, 1, NA(PEER6))),
	SAMPLE("a later fragment of nobody", PASS, IP6,
	    ETHER(SELF, IP6(44, ZERO6), 58, 0, 0, 9, 0, 0, 0, 1, NA(PEER6))),
	SAMPLE("listener report of nobody", PASS, PASS,
	    ETHER(SELF, IP6(0, ZERO6), 58, 0, 5, 2, 0, 0, 1, 0,
	    143, 0, 0, 0, 0, 0, 0, 0)),
	SAMPLE("echo request of nobody", PASS, IP6,
	    ETHER(SELF, IP6(58, ZERO6), 128, 0, 0, 0, 0, 0, 0, 0)),
	SAMPLE("router solicitation of nobody", PASS, PASS,
	    ETHER(SELF, IP6(58, ZERO6), 133, 0, 0, 0, 0, 0, 0, 0)),
	SAMPLE("router advertisement", PASS, ROUTER,
	    ETHER(SELF, IP6(58, LINK6), 134, 0, 0, 0, 0, 0, 0, 0, ZERO4, ZERO4)),
	SAMPLE("redirect", PASS, ROUTER,
	    ETHER(SELF, IP6(58, LINK6), 137, 0, 0, 0, 0, 0, 0, 0, PEER6, PEER6)),
	SAMPLE("IPX", PASS, PROTOCOL, ETHER(SELF, 0x81, 0x37, 0, 0, 0, 0)),
};

#define NSAMPLES (sizeof(samples) / sizeof(samples[0]))

static bool without_links;	/* as a kernel before 6.6 */
static unsigned int number, failures;

int __real_bpf_link_create(int program, int target, enum bpf_attach_type type,
    const struct bpf_link_create_opts *opts);
int __wrap_bpf_link_create(int program, int target, enum bpf_attach_type type,
    const struct bpf_link_create_opts *opts);

int
__wrap_bpf_link_create(int program, int target, enum bpf_attach_type type,
    const struct bpf_link_create_opts *opts)
{
	return without_links ? -EINVAL :
	    __real_bpf_link_create(program, target, type, opts);
}

static void
result(bool good, const char *what, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %u - %s: %s\n", good ? "" : "not ", number, what, name);
}

static bool
run(const char *command)
{
	return system(command) == 0;
}

static int
open_queue(const char *device, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strcpy(ifr.ifr_name, name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* What comes out at the other end of the tap. */
static int
open_host(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ALL),
	    .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		exit(2);
	return fd;
}

static bool
attach(struct opened *o, const char *name, bool ips, bool egress)
{
	static uint8_t mac[] = { SELF }, ip4[] = { 10, 9, 9, 9, OWN4 };
	static uint8_t ip6[] = { OWN6 };
	Bh__TapConfig cfg = BH__TAP_CONFIG__INIT;
	Bh__Open req = BH__OPEN__INIT;
	int rc;

	memset(o, 0, sizeof(*o));
	bh__opened__init(&o->msg);
	cfg.guest_mac = (ProtobufCBinaryData){ 6, mac };
	if (ips) {
		cfg.guard_ip4 = (ProtobufCBinaryData){ sizeof(ip4), ip4 };
		cfg.guard_ip6 = (ProtobufCBinaryData){ sizeof(ip6), ip6 };
	}
	cfg.index = if_nametoindex(name);
	cfg.egress = egress;
	req.kind = BH__OPEN_KIND__OPEN_KIND_GUARD;
	req.tap = &cfg;
	rc = opened_prepare();
	if (rc == 0)
		rc = opened_make(o, &req);
	if (rc != 0)
		printf("# %d: %s\n", rc, o->why != NULL ? o->why : "");
	return rc == 0;
}

static struct guard_counts
counts_of(const struct opened *o)
{
	struct guard_counts counts = { { 0 } };
	uint32_t key = 0;

	(void)bpf_map_lookup_elem(o->fds[o->nfds - 1], &key, &counts);
	return counts;
}

/*
 * Does the host get @s, within @ms? Other frames on the interface are not of interest. A
 * pair of veth hands its frames over by softirq, which on a busy CPU is a thread's
 * and comes later.
 */
static bool
host_gets(int host, const struct sample *s, int ms)
{
	struct pollfd p = { .fd = host, .events = POLLIN };
	uint8_t frame[200];

	for (;;) {
		ssize_t n;

		if (poll(&p, 1, ms) <= 0)
			return false;
		n = recv(host, frame, sizeof(frame), 0);
		/* A tag is beside the frame then: compare the source alone. */
		if (n >= 14 && memcmp(frame + 6, s->frame + 6, 6) == 0)
			return true;
	}
}

static bool
send_one(int tap, int host, const struct opened *o, const struct sample *s,
    bool ips)
{
	enum guard_reason want = ips ? s->ips : s->mac;
	struct guard_counts before = counts_of(o), after;
	uint8_t buf[sizeof(struct virtio_net_hdr) + sizeof(s->frame)] = { 0 };
	size_t len = sizeof(struct virtio_net_hdr) + s->len;

	memcpy(buf + sizeof(struct virtio_net_hdr), s->frame, s->len);
	if (write(tap, buf, len) != (ssize_t)len) {
		printf("# %s: %s\n", s->name, strerror(errno));
		return false;
	}
	after = counts_of(o);
	for (enum guard_reason r = 0; r < GUARD_REASONS; r++) {
		unsigned int more = r == want && r != GUARD_PASS;

		if (after.dropped[r] - before.dropped[r] != more) {
			printf("# %s: reason %d counted %llu, not %u\n", s->name,
			    r, after.dropped[r] - before.dropped[r], more);
			return false;
		}
	}
	/* Ingress is tapped before the guard; what leaves, behind it. */
	if (host >= 0 && host_gets(host, s, want == GUARD_PASS ? 20000 : 0) !=
	    (want == GUARD_PASS)) {
		printf("# %s: %s\n", s->name, want == GUARD_PASS ?
		    "lost" : "arrived");
		return false;
	}
	return true;
}

static void
close_guard(struct opened *o)
{
	while (o->nfds > 0)
		close(o->fds[--o->nfds]);
}

/* How many frames of another's MAC are counted when one is sent. */
static unsigned int
counted(int tap, const struct opened *o)
{
	uint64_t before = counts_of(o).dropped[GUARD_MAC];
	uint8_t buf[sizeof(struct virtio_net_hdr) + 60] = { 0 };

	memcpy(buf + sizeof(struct virtio_net_hdr), samples[0].frame,
	    samples[0].len);
	if (write(tap, buf, sizeof(buf)) < 0)
		exit(2);
	return (unsigned int)(counts_of(o).dropped[GUARD_MAC] - before);
}

static bool
is_attached(const char *name)
{
	char command[200];

	snprintf(command, sizeof(command),
	    "tc filter show dev %s ingress | grep -q guard", name);
	return run(command);
}

static void
try_all(const char *what, int tap, int host, const char *name, bool egress)
{
	char text[80];

	for (int ips = 0; ips < 2; ips++) {
		struct opened o;
		bool good = attach(&o, name, ips != 0, egress);

		for (size_t i = 0; good && i < NSAMPLES; i++)
			good = send_one(tap, host, &o, &samples[i], ips != 0);
		snprintf(text, sizeof(text), "%zu frames, %s", NSAMPLES,
		    ips != 0 ? "addresses" : "the MAC alone");
		result(good, what, text);
		close_guard(&o);
	}
}

/* A filter is there until it is taken away, and replaces one that was left. */
static void
try_filter(int tap)
{
	struct opened first, second;

	without_links = true;
	try_all("tc filter", tap, -1, "bhguard", false);
	result(is_attached("bhguard"), "tc filter", "outlives its fds");
	result(attach(&first, "bhguard", true, false) &&
	    attach(&second, "bhguard", false, false), "tc filter",
	    "takes the place of one that was left");
	close_guard(&first);
	close_guard(&second);
	filter_remove(if_nametoindex("bhguard"), false);
	result(!is_attached("bhguard"), "tc filter", "is taken away");
	filter_remove(if_nametoindex("bhguard"), false);
	without_links = false;
}

/* The link goes with its fd: what was refused passes. */
static void
try_end_of_link(int tap)
{
	struct opened o, mine;
	bool good = attach(&o, "bhguard", false, false) &&
	    o.msg.guard == BH__GUARD_KIND__GUARD_KIND_LINK;

	mine = o;
	mine.fds[0] = mine.fds[1] = fcntl(o.fds[1], F_DUPFD_CLOEXEC, 3);
	mine.nfds = 1;
	good = good && counted(tap, &mine) == 1;
	close_guard(&o);
	good = good && counted(tap, &mine) == 0;
	close_guard(&mine);
	result(good, "link", "goes with its last fd");
}

static void
try_macvtap(void)
{
	char device[40];
	int tap, host;

	if (!run("ip link add bhveth0 type veth peer name bhveth1 && ip link add "
	    "link bhveth0 name bhmvtap address 52:54:00:00:00:01 type macvtap "
	    "mode bridge && ip link set bhveth0 up && ip link set bhveth1 up && "
	    "ip link set bhmvtap up")) {
		printf("ok %u - macvtap # SKIP none in this kernel\n", ++number);
		return;
	}
	snprintf(device, sizeof(device), "/dev/tap%u", if_nametoindex("bhmvtap"));
	tap = open_queue(device, "bhmvtap");
	if (tap < 0) {
		printf("ok %u - macvtap # SKIP no %s\n", ++number, device);
		return;
	}
	host = open_host("bhveth1");
	try_all("macvtap", tap, host, "bhmvtap", true);
	close(host);
	close(tap);
}

int
main(void)
{
	struct opened o;
	int tap;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (access("/dev/net/tun", R_OK | W_OK) != 0 || geteuid() != 0) {
		printf("1..0 # SKIP no /dev/net/tun, or not root\n");
		return 0;
	}
	if (unshare(CLONE_NEWNET) != 0 || !run("ip tuntap add mode tap name "
	    "bhguard vnet_hdr && ip link set bhguard up"))
		return 2;
	tap = open_queue("/dev/net/tun", "bhguard");
	if (tap < 0)
		return 2;
	if (!attach(&o, "bhguard", false, false)) {
		printf("1..0 # SKIP no right to load BPF programs\n");
		return 0;
	}
	close_guard(&o);
	if (o.msg.guard == BH__GUARD_KIND__GUARD_KIND_LINK) {
		try_all("link", tap, -1, "bhguard", false);
		try_end_of_link(tap);
	} else {
		printf("ok %u - link # SKIP not in this kernel\n", ++number);
	}
	try_filter(tap);
	try_macvtap();
	printf("1..%u\n", number);
	return failures != 0;
}
