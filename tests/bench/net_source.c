// SPDX-License-Identifier: Apache-2.0
/*
 * bulkhead-test-source-net: the network device as a vhost-user back end without a
 * tap, in no shipped program. It makes frames of 64 bytes as fast as the driver
 * takes them, and drops what the driver sends. In the jail, like the shipped one,
 * whose objects it is made of; only the back end is another. For net.sh.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "device-workers/net/net.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/place.h"

#define FRAME 64u

static const uint8_t frame[NET_HDR_SIZE + FRAME] = {
	[NET_HDR_SIZE] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1,
	0x88, 0xb5,
};

static int
source_start(struct net_pair *p, const char **why)
{
	(void)p;
	(void)why;
	return 0;
}

static int
source_set_offloads(struct net_pair *p, uint32_t offloads)
{
	(void)p;
	(void)offloads;
	return 0;
}

static int
source_set_attached(struct net_pair *p, bool attached)
{
	(void)p;
	(void)attached;
	return -EINVAL;
}

static ssize_t
source_send(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	size_t len = 0;

	(void)p;
	for (unsigned int i = 0; i < niov; i++)
		len += iov[i].iov_len;
	return (ssize_t)len;
}

static ssize_t
source_receive(struct net_pair *p, const struct iovec *iov, unsigned int niov)
{
	const uint8_t *from = frame;
	size_t left = sizeof(frame);

	(void)p;
	for (unsigned int i = 0; i < niov && left > 0; i++) {
		size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

		memcpy(iov[i].iov_base, from, part);
		from += part;
		left -= part;
	}
	return (ssize_t)sizeof(frame);
}

static bool
source_is_gone(int err)
{
	(void)err;
	return false;
}

const struct net_backend *
net_backend_of(Bh__NetBackend kind)
{
	static const struct net_backend source = {
		.name = "source",
		.start = source_start,
		.set_offloads = source_set_offloads,
		.set_attached = source_set_attached,
		.send = source_send,
		.receive = source_receive,
		.is_gone = source_is_gone,
	};

	(void)kind;
	return &source;
}

static int
option(const char *name, const char *value)
{
	(void)name;
	(void)value;
	return -ENOENT;
}

/* What is always readable: there is always a frame. */
static int
open_source(Bh__DeviceConfig *config, const char **why)
{
	static uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x00, 0x00, 0x01 };
	static Bh__NetConfig net;
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	*why = "eventfd";
	if (fd < 0)
		return -errno;
	bh__net_config__init(&net);
	net.mac.data = mac;
	net.mac.len = sizeof(mac);
	net.queue_pairs = 1;
	net.no_control = true;
	net.queue_size = VIRTQ_MAX_SIZE;
	config->device_case = BH__DEVICE_CONFIG__DEVICE_NET;
	config->net = &net;
	return place_fd(fd, FD_BACKEND);
}

int
main(int argc, char **argv)
{
	static const struct vhu_program program = {
		.ops = &net_ops,
		.type = "net",
		.usage = "",
		.queues_a_unit = 2,
		.option = option,
		.open = open_source,
	};

	return main_vhost_user(argc, argv, &program);
}
