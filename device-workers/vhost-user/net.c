/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-vhost-user-net: the network device for other VMMs, on the queues of a
 * tap. The front end keeps the control queue for itself, and says by
 * SET_VRING_ENABLE how many pairs a driver uses.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device-workers/net/net.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/place.h"

static struct {
	const char *tap;
	int fd[FD_BACKEND_COUNT];
	uint32_t nfds, queues, mtu;
} opt = { .queues = 1 };

/* --tap-fd=3,4: a queue of one tap each. */
static int
add_fds(const char *value)
{
	while (value != NULL && opt.nfds < FD_BACKEND_COUNT) {
		char *end;
		unsigned long n;

		if (*value < '0' || *value > '9')
			return -EINVAL;
		n = strtoul(value, &end, 10);
		if (n < 3 || n > 1 << 20 || (*end != ',' && *end != '\0'))
			return -EINVAL;
		opt.fd[opt.nfds++] = (int)n;
		if (*end == '\0')
			return 0;
		value = end + 1;
	}
	return -EINVAL;
}

static int
option(const char *name, const char *value)
{
	if (strcmp(name, "tap") == 0 && value != NULL) {
		opt.tap = value;
		return strlen(value) < IFNAMSIZ ? 0 : -EINVAL;
	}
	if (strcmp(name, "tap-fd") == 0)
		return add_fds(value);
	if (strcmp(name, "queues") == 0)
		return vhu_number(value, 1, NET_MAX_PAIRS, &opt.queues);
	if (strcmp(name, "mtu") == 0)
		return vhu_number(value, 68, 65535, &opt.mtu);
	return vhu_limit_option(name, value);
}

static int
open_by_name(const char *name)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI |
	    IFF_VNET_HDR | (opt.queues > 1 ? IFF_MULTI_QUEUE : 0)) };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* The most that the tap takes; it is left with none until a driver asks. */
static uint32_t
offloads_of(int fd)
{
	const unsigned int uso = 0x60;	/* TUN_F_USO4 and 6: Linux 6.2 */
	const unsigned int tries[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO |
		    uso,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
		TUN_F_CSUM,
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)tries[i]) == 0) {
			(void)ioctl(fd, TUNSETOFFLOAD, 0ul);
			return tries[i];
		}
	return 0;
}

/* Each queue of the tap to its slot. */
static int
place_queues(const char **why)
{
	int rc = 0;

	if (opt.tap == NULL) {
		opt.queues = opt.nfds;
		*why = "--tap-fd";
	} else {
		*why = opt.tap;
	}
	/* Fds of the command line may be at our slots: up with them first. */
	for (unsigned int i = 0; i < opt.queues && rc >= 0; i++) {
		if (opt.tap != NULL) {
			rc = opt.fd[i] = open_by_name(opt.tap);
			if (rc < 0)
				break;
		}
		rc = fcntl(opt.fd[i], F_DUPFD_CLOEXEC, FD_INCOMING);
		if (rc < 0)
			return -errno;
		close(opt.fd[i]);
		opt.fd[i] = rc;
	}
	for (unsigned int i = 0; i < opt.queues && rc >= 0; i++)
		rc = place_fd(opt.fd[i], FD_BACKEND + (int)i);
	return rc < 0 ? rc : 0;
}

static int
open_tap(Bh__DeviceConfig *config, const char **why)
{
	/* The front end has its own; this one only says which kind it is. */
	static uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x00, 0x00, 0x01 };
	static Bh__NetConfig net;
	int rc;

	*why = "one of --tap and --tap-fd is needed";
	if ((opt.tap == NULL) == (opt.nfds == 0))
		return -EINVAL;
	bh__net_config__init(&net);
	rc = vhu_limit(&net.rate_limit, why);
	if (rc == 0)
		rc = place_queues(why);
	if (rc < 0)
		return rc;
	net.tap_offloads = offloads_of(FD_BACKEND);
	net.mac.data = mac;
	net.mac.len = sizeof(mac);
	net.mtu = opt.mtu;
	net.queue_pairs = opt.queues;
	net.no_control = true;
	net.queue_size = VIRTQ_MAX_SIZE;
	config->device_case = BH__DEVICE_CONFIG__DEVICE_NET;
	config->net = &net;
	return 0;
}

/* The pairs from the first on that the front end lets work are in use. */
static void
enabled(struct device *dev, uint64_t queues)
{
	const struct net *n = dev->priv;
	unsigned int pairs = 1;

	while (pairs < n->npairs && (queues >> 2 * pairs & 1) != 0)
		pairs++;
	if (pairs == n->active)
		return;
	net_set_active(dev, pairs);
	net_apply_offloads(dev);
}

/* RFC 903: "who am I?", so that switches learn where the guest is now. */
static int
announce(const uint8_t mac[6])
{
	uint8_t frame[NET_HDR_SIZE + 60] = { 0 }, *at = frame + NET_HDR_SIZE;
	static const uint8_t fixed[] = { 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3 };
	struct iovec iov = { frame, sizeof(frame) };

	memset(at, 0xff, 6);
	memcpy(at + 6, mac, 6);
	memcpy(at + 12, fixed, sizeof(fixed));
	memcpy(at + 22, mac, 6);
	memcpy(at + 32, mac, 6);
	/* As a frame of the guest's: a tap that is full or down takes none. */
	return writev(FD_BACKEND, &iov, 1) < 0 && errno != EAGAIN &&
	    errno != EIO ? -errno : 0;
}

/* Frames are as large as the tap gives them: there is nothing to set. */
static int
set_mtu(uint16_t mtu)
{
	return mtu < 68 ? -EINVAL : 0;
}

int
main(int argc, char **argv)
{
	static const struct vhu_program program = {
		.ops = &net_ops,
		.type = "net",
		.what = "A tap of the host",
		.usage =
		    "  --tap=NAME            tap, made if it is not there\n"
		    "  --tap-fd=FD[,FD...]   the same, opened by the caller: a queue each\n"
		    "  --queues=N            queue pairs of --tap, 1 to 8, default 1\n"
		    "  --mtu=N               offered to the driver\n"
		    VHU_LIMIT_USAGE
		    "                        of each direction; frames are what ops count\n",
		.example = "--tap=vm1",
		.queues_a_unit = 2,
		/* Commands and their answers go by the front end. */
		.features_beside = 1ull << VIRTIO_NET_F_MQ |
		    1ull << VIRTIO_NET_F_GUEST_ANNOUNCE,
		.enabled = enabled,
		.announce = announce,
		.set_mtu = set_mtu,
		.option = option,
		.open = open_tap,
	};

	return main_vhost_user(argc, argv, &program);
}
