// SPDX-License-Identifier: Apache-2.0
/* Tap queues, see tap.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device-workers/net/net.h"
#include "device-workers/net/tap.h"

static int
tap_start(struct net_pair *p, const char **why)
{
	const int fd = p->fd;
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

static int
tap_set_offloads(struct net_pair *p, uint32_t offloads)
{
	return ioctl(p->fd, TUNSETOFFLOAD, (unsigned long)offloads) == 0 ? 0 :
	    -errno;
}

static int
tap_set_attached(struct net_pair *p, bool attached)
{
	struct ifreq ifr = { 0 };

	ifr.ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
	return ioctl(p->fd, TUNSETQUEUE, &ifr) == 0 ? 0 : -errno;
}

static ssize_t
tap_send(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	ssize_t len;

	/* One in one piece: the kernel need not fetch a list. */
	do {
		len = niov == 1 ? write(p->fd, iov->iov_base, iov->iov_len) :
		    writev(p->fd, iov, (int)niov);
	} while (len < 0 && errno == EINTR);
	/* EINVAL: the kernel's own checks; EIO: the interface is down. */
	if (len < 0 && (errno == EINVAL || errno == EIO))
		return -EAGAIN;
	return len < 0 ? -errno : len;
}

static ssize_t
tap_receive(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	ssize_t len;

	do {
		len = readv(p->fd, iov, (int)niov);
	} while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

static bool
tap_is_gone(int err)
{
	/* ENOLINK: a macvtap's; the fd is never of use again. */
	return err == EBADFD || err == ENODEV || err == ENXIO || err == ENOLINK;
}

const struct net_backend net_tap = {
	.name = "tap",
	.start = tap_start,
	.set_offloads = tap_set_offloads,
	.set_attached = tap_set_attached,
	.send = tap_send,
	.receive = tap_receive,
	.is_gone = tap_is_gone,
};
