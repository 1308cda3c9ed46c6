// SPDX-License-Identifier: Apache-2.0
/*
 * The vhost-user library against a hostile front end. The input is a list of
 * records: request, flags and kinds of fds, length, payload, sent over a
 * socket; or bytes into guest memory, or a kick. The device behind it takes
 * requests and leaves one of them in flight. Whatever comes, the library hangs up
 * or goes on, and forgets all of it at the end.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <fcntl.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"
#include "device-workers/vhost-user/vhost_user.h"

#define RAM (1u << 20)
#define MAX_RECORDS 96
#define POKE 0xff
#define KICK 0xfe

static struct vhu vhu;
static struct virtq_chain held;
static int held_queue = -1;
static uint8_t *ram;
static int front, kinds[8], kick;

static void
finish_held(struct device *dev)
{
	if (held_queue >= 0)
		virtq_push(&dev->vq[held_queue], &held,
		    (uint32_t)virtq_copy_into(&held, 0, "fuzz", 4));
	held_queue = -1;
}

static void
stub_queue_ready(struct device *dev, unsigned int q)
{
	static struct virtq_chain chain;

	finish_held(dev);
	for (int i = 0; i < 16; i++) {
		if (virtq_pop(&dev->vq[q], &chain) <= 0)
			return;
		if (i == 3) {
			held = chain;
			held_queue = (int)q;
			device_again(dev, q);
			return;
		}
		if (chain.nread > 0 && chain.read_len == 13)
			device_needs_reset(dev, "thirteen");
		if (chain.read_len == 14)
			device_config_changed(dev);
		virtq_push(&dev->vq[q], &chain, (uint32_t)chain.write_len);
	}
	device_again(dev, q);
}

static unsigned int
stub_drain(struct device *dev)
{
	static bool later;

	later = !later;
	if (held_queue >= 0 && later)
		return 1;
	finish_held(dev);
	return 0;
}

static void
stub_reset(struct device *dev)
{
	/* Drained, or the library broke its promise. */
	if (held_queue >= 0 || !dev->active)
		abort();
}

static void
stub_config_write(struct device *dev, uint32_t offset, const uint8_t *data,
    uint32_t len)
{
	memcpy(dev->config + offset, data, len);
}

static const struct device_ops stub_ops = {
	.name = "stub",
	.queue_ready = stub_queue_ready,
	.drain = stub_drain,
	.reset = stub_reset,
	.config_write = stub_config_write,
};

static const struct vhu_program program = {
	.ops = &stub_ops, .type = "stub", .has_config = true, .queues_a_unit = 1,
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), pair[2];

	(void)argc;
	(void)argv;
	if (bind(s, (struct sockaddr *)&any, sizeof(sa_family_t)) != 0 ||
	    listen(s, 1) != 0 || dup2(s, FD_VHU_LISTEN) < 0 ||
	    loop_init(&vhu.loop, FD_EPOLL) != 0 ||
	    gmem_init(&vhu.dev.mem, 64u << 20) != 0 ||
	    vhu_inflight_init(&vhu) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		abort();
	/* The caller may have left something there. */
	(void)close_range(FD_KICK, 1023, 0);
	/* Out of the way of the slots; what is received goes below. */
	kinds[0] = fcntl(memfd_create("ram", 0), F_DUPFD, 900);
	kinds[1] = fcntl(eventfd(0, 0), F_DUPFD, 900);
	kinds[2] = fcntl(memfd_create("small", 0), F_DUPFD, 900);
	kinds[3] = fcntl(open("/dev/null", O_RDWR), F_DUPFD, 900);
	kinds[4] = fcntl(pair[0], F_DUPFD, 900);
	kinds[5] = fcntl(open("/", O_RDONLY), F_DUPFD, 900);
	kick = kinds[6] = fcntl(eventfd(0, EFD_NONBLOCK), F_DUPFD, 900);
	kinds[7] = fcntl(pair[1], F_DUPFD, 900);
	if (ftruncate(kinds[0], RAM) != 0 || ftruncate(kinds[2], 5000) != 0)
		abort();
	ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, kinds[0], 0);
	vhu.program = &program;
	vhu.dev.ops = &stub_ops;
	vhu.dev.nqueues = 2;
	vhu.dev.config_size = 60;
	vhu.offered = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_RING_PACKED |
	    1ull << VIRTIO_F_INDIRECT_DESC | 1ull << VIRTIO_F_EVENT_IDX |
	    1ull << VHU_F_LOG_ALL | 1ull << VHU_F_PROTOCOL_FEATURES;
	for (unsigned int q = 0; q < DEVICE_MAX_QUEUES; q++)
		virtq_disable(&vhu.dev.vq[q]);
	vhu_queues_forget(&vhu);
	return 0;
}

static void
work(void)
{
	uint8_t answers[4096];

	for (int i = 0; i < 8; i++) {
		if (loop_once(&vhu.loop, 0) != 0)
			abort();
		vhu_settle(&vhu);
	}
	while (recv(front, answers, sizeof(answers), MSG_DONTWAIT) > 0)
		;
}

/* Send @len bytes at @data with the fds that @which names, 3 bits each. */
static void
send_message(const struct vhu_header *header, const uint8_t *data, size_t len,
    unsigned int nfds, unsigned int which)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov[2] = { { (void *)header, sizeof(*header) },
		{ (void *)data, len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nfds > 0) {
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		for (unsigned int i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int),
			    &kinds[(which >> (3 * (i % 2))) & 7], sizeof(int));
	}
	(void)sendmsg(front, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One record of the input: how many bytes it took. */
static size_t
record(const uint8_t *in, size_t left)
{
	struct vhu_header header;
	const uint64_t one = 1;
	size_t len;

	if (left < 5)
		return left;
	len = in[3] | (size_t)in[4] << 8;
	if (in[0] == POKE) {
		size_t at = ((size_t)in[1] | (size_t)in[2] << 8) * 16 % RAM;

		len = len > left - 5 ? left - 5 : len;
		len = len > RAM - at ? RAM - at : len;
		memcpy(ram + at, in + 5, len);
		return 5 + len;
	}
	if (in[0] == KICK) {
		(void)!write(kick, &one, sizeof(one));
		return 1;
	}
	header = (struct vhu_header){ in[0], VHU_VERSION | (in[1] & 8),
		(uint32_t)len };
	/* A lie about the length, or in the flags. */
	if ((in[1] & 0xf0) == 0xf0)
		header.flags = in[1] & 15;
	if ((in[1] & 0xf0) == 0xe0)
		header.size += 0x10000;
	len = len > left - 5 ? left - 5 : len;
	len = len > 600 ? 600 : len;
	send_message(&header, in + 5, len, in[1] & 7, in[2]);
	return 5 + len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		abort();
	/* Either may have the slot's number. */
	front = fcntl(pair[1], F_DUPFD, 900);
	close(pair[1]);
	if (pair[0] != FD_VHU_CONN) {
		if (dup2(pair[0], FD_VHU_CONN) < 0)
			abort();
		close(pair[0]);
	}
	loop_remove(&vhu.loop, &vhu.listen);
	memset(ram, 0, RAM);
	vhu_conn_start(&vhu);
	for (int i = 0; i < MAX_RECORDS && size > 0 && vhu.connected; i++) {
		size_t n = record(data, size);

		data += n;
		size -= n;
		work();
	}
	close(front);
	for (int i = 0; i < 8 && vhu.connected; i++)
		work();
	/* Nothing of it stays. */
	if (vhu.connected || vhu.dev.active || vhu.quiet != 0)
		abort();
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++)
		if (vhu.region[i].size != 0 || vhu.dev.mem.region[i].size != 0)
			abort();
	for (int fd = FD_KICK; fd < 512; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			abort();
	if (vhu.inflight.size != 0 || vhu.state.open || vhu.polled != 0)
		abort();
	return 0;
}
