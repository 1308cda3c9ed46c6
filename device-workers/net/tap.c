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
	const int want = NET_HDR_SIZE;
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
	/*
	 * The opener has done both to a tap of its own. One that came with fd=
	 * was given to this VM and is nobody else's now, so that its flags may
	 * be changed: a read that waits would stop the device.
	 */
	if (ioctl(fd, TUNGETVNETHDRSZ, &size) != 0 ||
	    (size != want && ioctl(fd, TUNSETVNETHDRSZ, &want) != 0)) {
		*why = "the tap cannot have a vnet header of 12 bytes";
		return -EINVAL;
	}
	if ((flags & O_NONBLOCK) == 0 &&
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
		*why = "the tap's fd cannot be non-blocking";
		return -errno;
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
