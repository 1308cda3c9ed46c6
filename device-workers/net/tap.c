// SPDX-License-Identifier: Apache-2.0
/* Tap queues, see tap.h. Moves no frames, opens nothing. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "device-workers/net/net_hdr.h"
#include "device-workers/net/tap.h"

int
tap_check(int fd, const char **why)
{
	struct ifreq ifr = { 0 };
	int size = 0, flags;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0) {
		*why = "no tap at its slot";
		return -errno;
	}
	if (ioctl(fd, TUNGETIFF, &ifr) != 0) {
		*why = "not a tap";
		return -errno;
	}
	if ((ifr.ifr_flags & IFF_TAP) == 0 || (ifr.ifr_flags & IFF_NO_PI) == 0 ||
	    (ifr.ifr_flags & IFF_VNET_HDR) == 0) {
		*why = "the tap lacks IFF_TAP, IFF_NO_PI or IFF_VNET_HDR";
		return -EINVAL;
	}
	if (ioctl(fd, TUNGETVNETHDRSZ, &size) != 0 || size != (int)NET_HDR_SIZE) {
		*why = "the tap's vnet header is not 12 bytes";
		return -EINVAL;
	}
	/* A read that waits would stop the device. The opener sets it. */
	if ((flags & O_NONBLOCK) == 0) {
		*why = "the tap's fd is not non-blocking";
		return -EINVAL;
	}
	return 0;
}

int
tap_set_offloads(int fd, uint32_t offloads)
{
	return ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) == 0 ? 0 :
	    -errno;
}

int
tap_set_attached(int fd, bool attached)
{
	struct ifreq ifr = { 0 };

	ifr.ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
	return ioctl(fd, TUNSETQUEUE, &ifr) == 0 ? 0 : -errno;
}
