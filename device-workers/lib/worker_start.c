/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device worker from exec to its closed jail, and worker_main(), which is all
 * that a device's main calls. Messages on the way are handled in worker.c.
 *
 * Order of a device's ops: start() once, before memory is mapped and the jail is
 * closed; jailed() once, right after that; then for each driver load()? activate() queue_ready()* reset(), with
 * backend_ready() at any time; flush() once, at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-workers/lib/worker.h"
#include "ipc/image.h"
#include "ipc/log.h"
#include "proto/limits.h"
#include "sandbox/control.h"
#include "sandbox/jail.h"

_Static_assert(DEVICE_MAX_QUEUES == DEVICE_LIMIT_QUEUES, "proto/limits.h");
_Static_assert(DEVICE_MAX_CONFIG == DEVICE_LIMIT_CONFIG, "proto/limits.h");
_Static_assert(DEVICE_MAX_QUEUES == FD_QUEUE_COUNT, "ipc/slots.h");

/* A worker that cannot start: Failed, and status 1. */
static _Noreturn void
cannot_start(struct worker *w, int rc, const char *what)
{
	(void)chan_send_failed(&w->ctl, w->config_seq, rc < 0 ? -rc : EINVAL,
	    what);
	_exit(1);
}

static bool
is_channel(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET;
}

/* An eventfd has no file type, and ours never block. */
static bool
is_eventfd(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK) != 0 &&
	    fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0;
}

/* The channels. What else there must be is known with the configuration. */
static void
adopt_slots(struct worker *w)
{
	int rc;

	if (!is_channel(FD_CTL))
		_exit(1);
	chan_init(&w->ctl, FD_CTL, PEER_DEVICE, PEER_CONTROLLER, &w->buffers);
	log_open(LOG_INFO, control_log, &w->ctl);
	w->bus_open = is_channel(FD_BUS);
	chan_init(&w->bus, FD_BUS, PEER_DEVICE, PEER_VCPU, &w->buffers);
	w->bus.states = PROTO_RUNNING;
	rc = loop_init(&w->loop, FD_EPOLL);
	if (rc < 0)
		cannot_start(w, rc, "epoll");
	w->ctl_src = (struct loop_source){
		.fd = FD_CTL, .ready = worker_ctl_ready, .owner = w,
	};
	w->bus_src = (struct loop_source){
		.fd = FD_BUS, .ready = worker_bus_ready, .owner = w,
	};
	rc = loop_add(&w->loop, &w->ctl_src, EPOLLIN);
	if (rc < 0)
		cannot_start(w, rc, "epoll");
}

static void
say_hello(struct worker *w)
{
	Bh__Hello hello = BH__HELLO__INIT;
	union { const char *in; char *out; } build = { .in = worker_version.build };
	CHAN_PACKET(p, HELLO, hello, &hello);

	hello.protocol = worker_version.protocol;
	hello.build_id = build.out;
	hello.state = worker_version.state;
	hello.state_oldest = worker_version.oldest;
	hello.image_base = image_base();
	worker_send_ctl(w, &p, NULL, 0);
}

/* The eventfds of each queue; kicks stay quiet until the device is active. */
static void
adopt_queues(struct worker *w)
{
	struct device *dev = &w->dev;

	if (dev->virtio_id == 0)
		return;
	for (unsigned int q = 0; q < dev->nqueues; q++) {
		int rc;

		if (!is_eventfd(FD_KICK + (int)q) ||
		    !is_eventfd(FD_CALL + (int)q))
			cannot_start(w, -EBADF, "a queue lacks its eventfds");
		w->kick[q] = (struct loop_source){
			.fd = FD_KICK + (int)q, .ready = worker_kick_ready,
			.owner = w,
		};
		rc = loop_add(&w->loop, &w->kick[q], 0);
		if (rc < 0)
			cannot_start(w, rc, "epoll of a kick eventfd");
	}
}

/* What the driver writes to its configuration space, if the slot is filled. */
static int
adopt_config_page(struct device *dev)
{
	const int flags = fcntl(FD_CONFIG_PAGE, F_GET_SEALS);
	struct stat st;
	void *page;

	if (flags < 0)
		return errno == EBADF ? 0 : -errno;
	if ((flags & F_SEAL_SHRINK) == 0 || fstat(FD_CONFIG_PAGE, &st) < 0 ||
	    st.st_size < DEVICE_MAX_CONFIG)
		return -EINVAL;
	page = mmap(NULL, DEVICE_MAX_CONFIG, PROT_READ, MAP_SHARED,
	    FD_CONFIG_PAGE, 0);
	if (page == MAP_FAILED)
		return -errno;
	close(FD_CONFIG_PAGE);
	dev->driver_config = page;
	return 0;
}

void
worker_configure(struct worker *w, uint32_t seq,
    const Bh__DeviceConfig *config)
{
	struct device *dev = &w->dev;
	const char *why = "device";
	int rc;

	w->config_seq = seq;
	w->ctl.states = PROTO_CONFIGURING;
	if (config->device_case != dev->ops->config_case)
		cannot_start(w, -EINVAL, "configuration of another device");
	w->seccomp = config->seccomp;
	w->suspect = config->suspect;
	w->regions_left = config->regions;
	rc = gmem_init(&dev->mem, config->memory_reserve);
	if (rc < 0)
		cannot_start(w, rc, "no address space for guest memory; raise ulimit -v");
	rc = adopt_config_page(dev);
	if (rc < 0)
		cannot_start(w, rc, "configuration page");
	rc = record_open(&w->record);
	if (rc < 0)
		cannot_start(w, rc, "record of requests in flight");
	dev->counters = record_counters(&w->record);
	if (config->isolated != NULL)
		rc = worker_isolate(w, config->isolated, &why);
	else
		rc = dev->ops->start(dev, config, &why);
	if (rc < 0)
		cannot_start(w, rc, why);
	if (w->record.base != NULL && w->record.nqueues < dev->nqueues)
		cannot_start(w, -EINVAL, "record of requests in flight");
	if (dev->nqueues > DEVICE_MAX_QUEUES ||
	    dev->config_size > DEVICE_MAX_CONFIG)
		cannot_start(w, -EINVAL, "device asks for too much");
	if (dev->ops->remote == NULL)
		dev->features |= 1ull << VIRTIO_F_VERSION_1 |
		    1ull << VIRTIO_F_INDIRECT_DESC | 1ull << VIRTIO_F_EVENT_IDX;
	if (config->packed)
		dev->features |= 1ull << VIRTIO_F_RING_PACKED;
	adopt_queues(w);
	w->configured = true;
}

/* Handle messages until the configuration and all memory regions are there. */
static void
await_config(struct worker *w)
{
	while (!w->configured || w->regions_left > 0) {
		int rc = loop_once(&w->loop, -1);

		if (rc < 0)
			cannot_start(w, rc, "epoll");
	}
}

static void
close_jail(struct worker *w)
{
	const char *stage = "";
	char text[80];
	int listener, rc;

	rc = jail_close((enum jail_mode)w->seccomp, &listener, &stage);
	if (rc < 0) {
		(void)snprintf(text, sizeof(text), "jail stage %s: %s", stage,
		    log_errname(rc));
		cannot_start(w, rc, text);
	}
	if (control_listener(&w->ctl, listener) != 0)
		_exit(1);
}

static void
look_inside(struct worker *w)
{
	const char *why = "device";
	int rc = 0;

	if (w->dev.ops->jailed == NULL)
		return;
	while ((rc = w->dev.ops->jailed(&w->dev, &why)) == 1) {
		rc = loop_once(&w->loop, -1);
		if (rc < 0)
			break;
	}
	if (rc < 0)
		cannot_start(w, rc, why);
}

static void
announce(struct worker *w)
{
	struct device *dev = &w->dev;
	Bh__DeviceReady ready = BH__DEVICE_READY__INIT;
	uint32_t queue_max[DEVICE_MAX_QUEUES];
	CHAN_PACKET(p, DEVICE_READY, device_ready, &ready);

	for (unsigned int q = 0; q < dev->nqueues; q++)
		queue_max[q] = dev->queue_max[q];
	ready.virtio_id = dev->virtio_id;
	if (dev->virtio_id != 0) {
		ready.features = dev->features;
		ready.n_queue_max = dev->nqueues;
		ready.queue_max = queue_max;
		ready.config.data = dev->config;
		ready.config.len = dev->config_size;
		if (dev->driver_config != NULL) {
			ready.config_writable.data = dev->config_writable;
			ready.config_writable.len = dev->config_size;
		}
	}
	p.seq = w->config_seq;
	worker_send_ctl(w, &p, NULL, 0);
	w->ctl.states = PROTO_RUNNING;
	if (w->bus_open && loop_add(&w->loop, &w->bus_src, EPOLLIN) < 0)
		cannot_start(w, -EBADF, "epoll of the bus");
}

int
worker_main(const struct device_ops *ops)
{
	static struct worker worker;
	struct worker *w = &worker;
	int rc;

	w->dev.ops = ops;
	for (unsigned int q = 0; q < DEVICE_MAX_QUEUES; q++)
		virtq_disable(&w->dev.vq[q]);
	adopt_slots(w);
	say_hello(w);
	await_config(w);
	close_jail(w);
	look_inside(w);
	announce(w);
	do {
		/* A queue that goes on does not wait, but lets others in. */
		w->loop.busy = w->again != 0;
		rc = loop_once(&w->loop, -1);
		worker_settle(w);
	} while (rc == 0);
	log_error("%s: epoll: %s", ops->name, log_errname(rc));
	_exit(1);
}
