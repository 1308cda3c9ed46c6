/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-vhost-user-net: the network device for other VMMs, on one queue of a
 * tap. One queue pair: the front end keeps the control queue, by which a driver
 * would say how many it uses, for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device-workers/net/net.h"
#include "device-workers/vhost-user/vhost_user.h"

static struct {
	const char *tap;
	int fd;
	uint32_t mtu;
} opt = { .fd = -1 };

static int
option(const char *name, const char *value)
{
	uint32_t fd;
	int rc;

	if (strcmp(name, "tap") == 0 && value != NULL) {
		opt.tap = value;
		return strlen(value) < IFNAMSIZ ? 0 : -EINVAL;
	}
	if (strcmp(name, "tap-fd") == 0) {
		rc = vhu_number(value, 3, 1 << 20, &fd);
		if (rc == 0)
			opt.fd = (int)fd;
		return rc;
	}
	if (strcmp(name, "mtu") == 0)
		return vhu_number(value, 68, 65535, &opt.mtu);
	return -ENOENT;
}

static int
open_by_name(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
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
	static const unsigned int tries[] = {
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

static int
open_tap(Bh__DeviceConfig *config, const char **why)
{
	/* The front end has its own; this one only says which kind it is. */
	static uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x00, 0x00, 0x01 };
	static Bh__NetConfig net;
	int fd = opt.fd;

	*why = "one of --tap and --tap-fd is needed";
	if ((opt.tap == NULL) == (opt.fd < 0))
		return -EINVAL;
	if (opt.tap != NULL) {
		*why = opt.tap;
		fd = open_by_name(opt.tap);
	}
	if (fd < 0)
		return fd;
	bh__net_config__init(&net);
	net.tap_offloads = offloads_of(fd);
	net.mac.data = mac;
	net.mac.len = sizeof(mac);
	net.mtu = opt.mtu;
	net.queue_pairs = 1;
	net.no_control = true;
	net.queue_size = VIRTQ_MAX_SIZE;
	config->device_case = BH__DEVICE_CONFIG__DEVICE_NET;
	config->net = &net;
	return vhu_place(fd, FD_BACKEND);
}

int
main(int argc, char **argv)
{
	static const struct vhu_program program = {
		.ops = &net_ops,
		.type = "net",
		.usage =
		    "  --tap=NAME            tap, made if it is not there\n"
		    "  --tap-fd=FD           the same, opened by the caller\n"
		    "  --mtu=N               offered to the driver\n",
		.queues_a_unit = 2,
		.option = option,
		.open = open_tap,
	};

	return main_vhost_user(argc, argv, &program);
}
