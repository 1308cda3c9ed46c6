// SPDX-License-Identifier: Apache-2.0
//
// The socket device (virtio 1.2, 5.10), see vsock_int.h. Called by the worker library.
//
// Connections do not outlive the worker: whoever comes after one that died, or is
// given a saved state, tells the driver to forget them (5.10.6.7), and the host's ends
// are closed.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "device-workers/vsock/vsock.h"
#include "device-workers/vsock/vsock_int.h"
#include "ipc/place.h"

#define VIRTIO_ID_VSOCK 19
#define EVENT_TRANSPORT_RESET 0u

static bool
is_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

static int
vsock_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	const Bh__VsockConfig *own = config->vsock;
	const uint64_t cid = own->cid;
	int rc;

	if (!is_nonblocking(FD_VSOCK_STREAM) || !is_nonblocking(FD_VSOCK_SEQPACKET)) {
		*why = "its sockets are not there, or not non-blocking";
		return -EBADF;
	}
	vsock = (struct vsock){
		.dev = dev, .cid = own->cid, .buffer = own->buffer,
		.ready = { VSOCK_NONE, VSOCK_NONE },
		.wanted = { VSOCK_NONE, VSOCK_NONE },
		.asked = VSOCK_NONE, .staged = VSOCK_NONE,
	};
	conns_start();
	rc = place_fd(epoll_create1(EPOLL_CLOEXEC), FD_VSOCK_EPOLL);
	if (rc == 0)
		rc = place_fd(timerfd_create(CLOCK_MONOTONIC,
		    TFD_NONBLOCK | TFD_CLOEXEC), FD_TIMER);
	if (rc == 0)
		rc = device_watch(dev, FD_VSOCK_EPOLL, EPOLLIN);
	if (rc == 0)
		rc = device_watch(dev, FD_TIMER, EPOLLIN);
	if (rc < 0) {
		*why = "cannot make what it waits with";
		return rc;
	}
	dev->virtio_id = VIRTIO_ID_VSOCK;
	dev->features = 1ull << VSOCK_F_SEQPACKET;
	dev->nqueues = VSOCK_QUEUES;
	for (unsigned int q = 0; q < VSOCK_QUEUES; q++)
		dev->queue_max[q] = (uint16_t)own->queue_size;
	memcpy(dev->config, &cid, sizeof(cid));
	dev->config_size = sizeof(cid);
	return 0;
}

static void
vsock_activate(struct device *dev)
{
	host_listen();
	/* From now on a successor has something to tell the driver. */
	device_state_changed(dev);
}

static void
give_event(struct device *dev)
{
	static struct virtq_chain chain;
	const uint32_t id = EVENT_TRANSPORT_RESET;

	if (!vsock.reset_event || virtq_pop(&dev->vq[VSOCK_EVENT], &chain) <= 0)
		return;
	vsock.reset_event = chain.write_len < sizeof(id);
	virtq_push(&dev->vq[VSOCK_EVENT], &chain,
	    (uint32_t)virtq_copy_into(&chain, 0, &id, sizeof(id)));
}

static void
vsock_queue_ready(struct device *dev, unsigned int q)
{
	if (q == VSOCK_EVENT)
		give_event(dev);
	if (q == VSOCK_TX)
		from_guest();
	to_guest();
}

static void
vsock_backend_ready(struct device *dev, int fd, uint32_t events)
{
	(void)events;
	if (fd == FD_TIMER)
		host_tick();
	else if (fd == FD_VSOCK_EPOLL)
		host_events();
	else
		host_accept(fd);
	if (dev->active)
		to_guest();
}

static void
vsock_reset(struct device *dev)
{
	(void)dev;
	/* Not active any more: nobody is let in. */
	for (unsigned int i = 0; i < vsock.high; i++)
		if (conns[i].state != CONN_FREE)
			conn_free(&conns[i]);
	vsock.nresets = 0;
	vsock.tx_waits = vsock.reset_event = false;
	host_listen();
}

static void
vsock_port(struct device *dev, int error, int fd)
{
	host_connected(error, fd);
	if (dev->active)
		to_guest();
}

/* A port that no connection of before has, and that there were some. */
static size_t
vsock_save(struct device *dev, uint8_t *buf, size_t size)
{
	(void)dev;
	if (size < sizeof(vsock.next_port))
		return 0;
	memcpy(buf, &vsock.next_port, sizeof(vsock.next_port));
	return sizeof(vsock.next_port);
}

static int
vsock_load(struct device *dev, uint32_t version, const uint8_t *buf, size_t len)
{
	(void)dev;
	(void)version;
	if (len != sizeof(vsock.next_port))
		return -EINVAL;
	memcpy(&vsock.next_port, buf, sizeof(vsock.next_port));
	vsock.reset_event = true;
	return 0;
}

const struct device_ops vsock_ops = {
	.name = "vsock",
	.config_case = BH__DEVICE_CONFIG__DEVICE_VSOCK,
	.start = vsock_start,
	.activate = vsock_activate,
	.queue_ready = vsock_queue_ready,
	.backend_ready = vsock_backend_ready,
	.reset = vsock_reset,
	.port = vsock_port,
	.refuse = vsock_refuse,
	.redo = true,
	.save = vsock_save,
	.load = vsock_load,
};
