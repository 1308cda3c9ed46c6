// SPDX-License-Identifier: Apache-2.0
//
// Taps: finds or makes one, a queue for each pair, gives it the addresses that
// were asked for. A macvtap's queues come from its character device. What is already as it should be is left alone, so that a user
// without CAP_NET_ADMIN can use a tap that somebody prepared for him.
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/opener/opened.h"

/* struct in6_ifreq of <linux/ipv6.h>, which clashes with <netinet/in.h>. */
struct address6_request {
	struct in6_addr address;
	uint32_t prefix;
	int index;
};

/* ---- addresses ---------------------------------------------------------------- */

static int
set_ip4(int sock, struct ifreq *ifr, unsigned long get, unsigned long set,
    const uint8_t bytes[4])
{
	struct sockaddr_in want = { .sin_family = AF_INET }, have;

	memcpy(&want.sin_addr, bytes, 4);
	if (ioctl(sock, get, ifr) == 0) {
		memcpy(&have, &ifr->ifr_addr, sizeof(have));
		if (have.sin_addr.s_addr == want.sin_addr.s_addr)
			return 0;
	}
	memcpy(&ifr->ifr_addr, &want, sizeof(want));
	return ioctl(sock, set, ifr) < 0 ? -errno : 0;
}

static int
set_ip6(const struct ifreq *by_name, const Bh__TapConfig *cfg)
{
	struct address6_request req = { 0 };
	struct ifreq ifr = *by_name;
	int sock = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (sock < 0)
		return -errno;
	memcpy(&req.address, cfg->ip.data, 16);
	for (size_t i = 0; i < 16; i++)
		req.prefix += (uint32_t)__builtin_popcount(cfg->mask.data[i]);
	if (ioctl(sock, SIOCGIFINDEX, &ifr) < 0)
		rc = -errno;
	req.index = ifr.ifr_ifindex;
	if (rc == 0 && ioctl(sock, SIOCSIFADDR, &req) < 0 && errno != EEXIST)
		rc = -errno;
	close(sock);
	return rc;
}

static int
set_mac(int sock, struct ifreq *ifr, const uint8_t mac[6])
{
	if (ioctl(sock, SIOCGIFHWADDR, ifr) < 0)
		return -errno;
	if (memcmp(ifr->ifr_hwaddr.sa_data, mac, 6) == 0)
		return 0;
	ifr->ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr->ifr_hwaddr.sa_data, mac, 6);
	return ioctl(sock, SIOCSIFHWADDR, ifr) < 0 ? -errno : 0;
}

static int
set_mtu(int sock, struct ifreq *ifr, uint32_t mtu)
{
	if (ioctl(sock, SIOCGIFMTU, ifr) < 0)
		return -errno;
	if (ifr->ifr_mtu == (int)mtu)
		return 0;
	ifr->ifr_mtu = (int)mtu;
	return ioctl(sock, SIOCSIFMTU, ifr) < 0 ? -errno : 0;
}

static int
set_up(int sock, struct ifreq *ifr)
{
	if (ioctl(sock, SIOCGIFFLAGS, ifr) < 0)
		return -errno;
	if ((ifr->ifr_flags & IFF_UP) != 0)
		return 0;
	ifr->ifr_flags |= IFF_UP;
	return ioctl(sock, SIOCSIFFLAGS, ifr) < 0 ? -errno : 0;
}

static int
configure(struct opened *o, const Bh__TapConfig *cfg)
{
	struct ifreq ifr = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (sock < 0)
		return -errno;
	memcpy(ifr.ifr_name, o->name, IFNAMSIZ - 1);
	if (cfg->host_mac.len == 6)
		rc = set_mac(sock, &ifr, cfg->host_mac.data);
	if (rc == 0 && cfg->mtu != 0)
		rc = set_mtu(sock, &ifr, cfg->mtu);
	if (rc == 0 && cfg->ip.len == 4)
		rc = set_ip4(sock, &ifr, SIOCGIFADDR, SIOCSIFADDR,
		    cfg->ip.data);
	if (rc == 0 && cfg->ip.len == 4)
		rc = set_ip4(sock, &ifr, SIOCGIFNETMASK, SIOCSIFNETMASK,
		    cfg->mask.data);
	if (rc == 0 && cfg->ip.len == 16)
		rc = set_ip6(&ifr, cfg);
	if (rc == 0)
		rc = set_up(sock, &ifr);
	close(sock);
	if (rc == -EPERM)
		o->why = "no right to set it up (needs CAP_NET_ADMIN; set its "
			 "addresses and link up beforehand)";
	return rc;
}

/* ---- queues ---------------------------------------------------------------------- */

/* The interface's index; 0: there is none. */
static int
index_of(const char *name)
{
	struct ifreq ifr = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool there;

	if (sock < 0)
		return 0;
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	there = ioctl(sock, SIOCGIFINDEX, &ifr) == 0;
	close(sock);
	return there ? ifr.ifr_ifindex : 0;
}

static const char *
explain(int error, bool existed)
{
	switch (error) {
	case EBUSY:
		return "busy: another process has it; name another tap";
	case EPERM:
		return existed ? "forbidden: it belongs to another user; make "
				 "it with `ip tuntap add ... user`" :
		    "no such tap, and no right to make one (needs "
		    "CAP_NET_ADMIN); make it with `ip tuntap add ... user`";
	case EINVAL:
		return existed ? "not a tap with these queues; make it with `ip "
				 "tuntap add mode tap multi_queue vnet_hdr`" :
		    NULL;
	default:
		return NULL;
	}
}

/* @fd, just opened, as a queue of the interface called o->name. */
static int
make_queue(struct opened *o, const Bh__TapConfig *cfg, int fd)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (cfg->queue_pairs > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(ifr.ifr_name, o->name, strnlen(o->name, IFNAMSIZ - 1));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	/* A macvtap's is what its device file is of: see that it is this one. */
	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return -errno;
	if (o->name[0] != '\0' && strncmp(o->name, ifr.ifr_name, IFNAMSIZ) != 0) {
		o->why = "/dev/tapN is of another interface";
		return -ENXIO;
	}
	memcpy(o->name, ifr.ifr_name, IFNAMSIZ - 1);
	o->name[IFNAMSIZ - 1] = '\0';
	return 0;
}

/* One more queue of the tap called o->name, or of a new one if that is empty. */
static int
add_queue(struct opened *o, const Bh__TapConfig *cfg, const char *device,
    bool existed)
{
	int fd, rc;

	fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		o->why = errno == EACCES || errno == EPERM ?
		    "no right to /dev/net/tun (a macvtap: /dev/tapN); give it to "
		    "the user, or an open tap by fd=" :
		    "cannot open /dev/net/tun (a macvtap: /dev/tapN); is the "
		    "module loaded?";
		return -errno;
	}
	rc = make_queue(o, cfg, fd);
	if (rc != 0) {
		if (o->why == NULL)
			o->why = explain(-rc, existed);
		close(fd);
		return rc;
	}
	o->fds[o->nfds++] = fd;
	return tap_adopt(fd, &o->msg.tap_offloads, &o->why);
}

/* The device file of a macvtap called o->name. Whether there is one. */
static bool
find_macvtap(const struct opened *o, char *device, size_t size)
{
	(void)snprintf(device, size, "/dev/tap%d", index_of(o->name));
	return access(device, F_OK) == 0;
}

/* The guest's address is the macvtap's: frames for another never come here. */
static int
share_mac(struct opened *o, const Bh__TapConfig *cfg)
{
	struct ifreq ifr = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (sock < 0)
		return -errno;
	memcpy(ifr.ifr_name, o->name, IFNAMSIZ - 1);
	if (cfg->guest_mac_given)
		rc = set_mac(sock, &ifr, cfg->guest_mac.data);
	if (rc == 0 && ioctl(sock, SIOCGIFHWADDR, &ifr) < 0)
		rc = -errno;
	close(sock);
	if (rc != 0) {
		o->why = "its address cannot become the guest's (needs "
			 "CAP_NET_ADMIN); leave mac out";
		return rc;
	}
	memcpy(o->mac, ifr.ifr_hwaddr.sa_data, sizeof(o->mac));
	o->msg.tap_mac = (ProtobufCBinaryData){ sizeof(o->mac), o->mac };
	return 0;
}

int
open_tap(struct opened *o, const Bh__Open *req)
{
	const Bh__TapConfig *cfg = req->tap;
	bool existed = req->path[0] != '\0' && index_of(req->path) > 0;
	char device[32] = "/dev/net/tun";
	bool macvtap;
	int rc = 0;

	if (strlen(req->path) >= IFNAMSIZ)
		return -ENAMETOOLONG;
	memcpy(o->name, req->path, strlen(req->path) + 1);
	macvtap = existed && find_macvtap(o, device, sizeof(device));
	if (!macvtap)
		memcpy(device, "/dev/net/tun", sizeof("/dev/net/tun"));
	while (rc == 0 && o->nfds < cfg->queue_pairs)
		rc = add_queue(o, cfg, device, existed);
	if (rc == 0 && macvtap)
		rc = share_mac(o, cfg);
	if (rc == 0)
		rc = configure(o, cfg);
	if (rc == 0) {
		o->msg.tap_index = (uint32_t)index_of(o->name);
		o->msg.tap_created = !existed;
		o->msg.guard_egress = macvtap;
		return 0;
	}
	/* A tap that was made here goes with its last fd. */
	while (o->nfds > 0)
		close(o->fds[--o->nfds]);
	return rc;
}
