/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings of a back-end program: started and stopped one by one, as vhost-user has
 * it, under a device that knows only "active" and "not"; what waits for quiet;
 * and the functions that a device calls (device.h). Runs under the filter.
 *
 * The device is active while at least one ring is started. A ring that is started
 * but not enabled, and all rings while something waits for quiet, are held:
 * virtq_pop finds nothing.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "device-workers/lib/virtq_chain.h"
#include "device-workers/vhost-user/backend.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/log.h"

static struct vhu *
vhu_of(struct device *dev)
{
	return (struct vhu *)(void *)((char *)dev - offsetof(struct vhu, dev));
}

/* ---- running ------------------------------------------------------------------ */

static bool
runs(const struct vhu *v, unsigned int q)
{
	return v->dev.active && !v->dev.draining && !v->needs_reset &&
	    v->queue[q].started && v->queue[q].enabled;
}

/* Hold each queue, or let it go on, as its state asks for. */
static void
apply_hold(struct vhu *v)
{
	for (unsigned int q = 0; q < v->dev.nqueues; q++) {
		struct vhu_queue *queue = &v->queue[q];

		if (!queue->started)
			continue;
		virtq_hold(&v->dev.vq[q], !runs(v, q));
		v->polled &= ~(1ull << q);
		if (queue->polled && runs(v, q))
			v->polled |= 1ull << q;
		if (queue->kick.added)
			(void)loop_change(&v->loop, &queue->kick,
			    runs(v, q) ? EPOLLIN : 0);
	}
}

/*
 * Stop the device until all of its rings are stopped; say so once: to whoever listens for
 * errors of a ring, and as the change of configuration that it is for a driver (2.1.2), after
 * which a front end may ask for the status.
 */
static void
need_reset(struct vhu *v, const char *why)
{
	const uint64_t one = 1;

	v->needs_reset = true;
	v->again = 0;
	for (unsigned int q = 0; q < v->dev.nqueues; q++) {
		if (!v->queue[q].started)
			continue;
		(void)virtq_break(&v->dev.vq[q], why);
		if (v->queue[q].has_err &&
		    write(FD_ERR + (int)q, &one, sizeof(one)) < 0)
			continue;	/* told already */
	}
	if (v->program->has_config)
		vhu_tell_front_end(v, VHU_BACKEND_CONFIG_CHANGE);
	apply_hold(v);
}

void
vhu_look_after_queues(struct vhu *v)
{
	for (unsigned int q = 0; q < v->dev.nqueues; q++) {
		struct virtq *vq = &v->dev.vq[q];

		virtq_flush(vq);
		if (vq->broken && !v->needs_reset) {
			log_guest("%s: queue %u: %s", v->dev.ops->name, q, vq->why);
			need_reset(v, vq->why);
		}
	}
}

static void
run_queue(struct vhu *v, unsigned int q)
{
	if (!runs(v, q))
		return;
	v->dev.ops->queue_ready(&v->dev, q);
	vhu_look_after_queues(v);
}

static void
kick_ready(struct loop_source *src, uint32_t events)
{
	struct vhu *v = src->owner;
	uint64_t count;

	(void)events;
	/* What cannot be read would be ready for ever: it was no eventfd. */
	if (read(src->fd, &count, sizeof(count)) < 0 && errno != EAGAIN) {
		loop_remove(&v->loop, src);
		return;
	}
	run_queue(v, (unsigned int)(src->fd - FD_KICK));
}

/* ---- start and stop ----------------------------------------------------------- */

static int
enable(struct vhu *v, unsigned int q)
{
	const struct vhu_queue *queue = &v->queue[q];
	struct virtq *vq = &v->dev.vq[q];
	struct virtq_layout layout = { .size = queue->num };
	uint32_t avail = queue->base, used = queue->base;
	void *region;
	int rc;

	/* virtio 1.2, 6.1: the device speaks no legacy interface. */
	if ((v->features >> VIRTIO_F_VERSION_1 & 1) == 0)
		return -EPROTONOSUPPORT;
	rc = vhu_inflight_region(v, q, &region);
	if (rc == 0)
		rc = vhu_translate(v, queue->desc, &layout.desc);
	if (rc == 0)
		rc = vhu_translate(v, queue->avail, &layout.avail);
	if (rc == 0)
		rc = vhu_translate(v, queue->used, &layout.used);
	if (rc == 0)
		rc = virtq_enable(vq, &v->dev.mem, &layout, v->features,
		    queue->has_call ? FD_CALL + (int)q : -1);
	if (rc < 0)
		return rc;
	if (vq->packed) {
		avail &= UINT16_MAX;
		used >>= 16;
	}
	/* A front end whose back end died may not know where the ring was. */
	if (region == NULL || !virtq_region_in_use(region))
		rc = virtq_load(vq, avail, used);
	if (rc == 0 && region != NULL)
		rc = virtq_track(vq, region);
	return rc;
}

int
vhu_queue_start(struct vhu *v, unsigned int q)
{
	struct vhu_queue *queue = &v->queue[q];
	struct device *dev = &v->dev;
	int rc;

	if (queue->started || (!queue->has_kick && !queue->polled))
		return 0;
	if (!queue->have_addr || queue->num == 0)
		return -EINVAL;
	rc = enable(v, q);
	if (rc == 0 && queue->has_kick)
		rc = loop_add(&v->loop, &queue->kick, 0);
	if (rc < 0) {
		virtq_disable(&dev->vq[q]);
		return rc;
	}
	queue->started = true;
	virtq_hold(&dev->vq[q], true);
	if (!dev->active) {
		dev->driver_features = v->features &
		    ~(1ull << VHU_F_PROTOCOL_FEATURES | 1ull << VHU_F_LOG_ALL);
		dev->active = true;
		if (dev->ops->activate != NULL)
			dev->ops->activate(dev);
		vhu_look_after_queues(v);
	}
	/* Whoever had the ring before may have owed an interrupt. */
	virtq_signal(&dev->vq[q]);
	return 0;
}

/* No ring is left: as a device reset. */
static void
forget_driver(struct vhu *v)
{
	struct device *dev = &v->dev;

	if (dev->active && dev->ops->reset != NULL)
		dev->ops->reset(dev);
	dev->active = false;
	dev->driver_features = 0;
	v->again = dev->later.queues = 0;
	v->needs_reset = false;
}

void
vhu_queue_stop(struct vhu *v, unsigned int q, uint32_t *base)
{
	struct vhu_queue *queue = &v->queue[q];
	struct virtq *vq = &v->dev.vq[q];
	uint16_t avail, used;

	if (queue->started) {
		virtq_save(vq, &avail, &used);
		queue->base = vq->packed ? (uint32_t)used << 16 | avail : avail;
		virtq_disable(vq);
		queue->started = false;
	}
	*base = queue->base;
	loop_remove(&v->loop, &queue->kick);
	if (queue->has_kick)
		close(FD_KICK + (int)q);
	queue->has_kick = queue->polled = false;
	v->polled &= ~(1ull << q);
	for (unsigned int i = 0; i < v->dev.nqueues; i++)
		if (v->queue[i].started)
			return;
	forget_driver(v);
}

void
vhu_queues_forget(struct vhu *v)
{
	for (unsigned int q = 0; q < v->dev.nqueues; q++) {
		struct vhu_queue *queue = &v->queue[q];
		uint32_t base;

		vhu_queue_stop(v, q, &base);
		if (queue->has_call)
			close(FD_CALL + (int)q);
		if (queue->has_err)
			close(FD_ERR + (int)q);
		*queue = (struct vhu_queue){ .kick = {
			.fd = FD_KICK + (int)q, .ready = kick_ready, .owner = v,
		} };
	}
}

/* ---- quiet -------------------------------------------------------------------- */

void
vhu_ask_quiet(struct vhu *v, unsigned int task)
{
	v->quiet |= task;
	v->dev.draining = true;
	vhu_conn_pause(v, true);
	apply_hold(v);
}

static void
flush_and_exit(struct vhu *v)
{
	if (v->dev.ops->flush != NULL)
		v->dev.ops->flush(&v->dev);
	_exit(0);
}

static void
drop_front_end(struct vhu *v)
{
	vhu_queues_forget(v);
	vhu_memory_forget(v);
	vhu_inflight_forget(v);
	vhu_state_forget(v);
	vhu_conn_close(v);
	v->features = v->protocol_features = 0;
	v->status = 0;
	if (v->one_shot)
		flush_and_exit(v);
	if (vhu_socket_listen(v) < 0) {
		log_error("epoll of the socket");
		_exit(1);
	}
}

static void
do_quiet_tasks(struct vhu *v)
{
	/* A message may end in a hang-up. */
	while (v->quiet != 0) {
		unsigned int tasks = v->quiet;

		v->quiet = 0;
		if (tasks & VHU_QUIET_END)
			flush_and_exit(v);
		if (tasks & VHU_QUIET_HANG_UP)
			drop_front_end(v);
		else
			vhu_carry_out(v);
	}
}

/* Will the front end be told where ring @q is, now or later? */
static bool
tells_position(const struct vhu *v, unsigned int q)
{
	switch (v->msg.header.request) {
	case VHU_GET_VRING_BASE:
		return q == v->msg.payload.vring.index;
	case VHU_SET_STATUS:
		return v->msg.payload.u64 == 0;
	default:
		return false;
	}
}

/*
 * What a predecessor had taken of a ring that is to be stopped has to be finished:
 * the position that the front end is told says that it is.
 */
static bool
finish_predecessors(struct vhu *v)
{
	bool all = true;

	if (v->quiet != VHU_QUIET_MESSAGE || v->needs_reset)
		return true;
	for (unsigned int q = 0; q < v->dev.nqueues; q++) {
		const struct virtq *vq = &v->dev.vq[q];

		if (vq->resubmit == 0 || vq->broken || !tells_position(v, q))
			continue;
		v->dev.ops->queue_ready(&v->dev, q);
		vhu_look_after_queues(v);
		all &= vq->resubmit == 0 || vq->broken;
	}
	return all;
}

void
vhu_settle(struct vhu *v)
{
	struct device *dev = &v->dev;
	uint64_t again = v->again | v->polled;

	v->again = 0;
	for (; again != 0; again &= again - 1)
		run_queue(v, (unsigned int)__builtin_ctzll(again));
	if (v->quiet == 0 || !finish_predecessors(v))
		return;
	if (dev->ops->drain != NULL && dev->ops->drain(dev) > 0) {
		vhu_look_after_queues(v);
		return;
	}
	vhu_look_after_queues(v);
	do_quiet_tasks(v);
	dev->draining = false;
	vhu_conn_pause(v, false);
	apply_hold(v);
	for (unsigned int q = 0; q < dev->nqueues; q++)
		run_queue(v, q);
}

/* ---- what a device calls (device.h) ------------------------------------------- */

static void
backend_ready(struct loop_source *src, uint32_t events)
{
	struct vhu *v = src->owner;

	v->dev.ops->backend_ready(&v->dev, src->fd, events);
	vhu_look_after_queues(v);
}

int
device_watch(struct device *dev, int fd, uint32_t events)
{
	struct vhu *v = vhu_of(dev);
	struct loop_source *src;

	if (fd < 0 || fd >= FD_KICK)
		return -EINVAL;
	src = &v->backend[fd];
	if (src->added)
		return loop_change(&v->loop, src, events);
	*src = (struct loop_source){
		.fd = fd, .ready = backend_ready, .owner = v,
	};
	return loop_add(&v->loop, src, events);
}

void
device_unwatch(struct device *dev, int fd)
{
	if (fd >= 0 && fd < FD_KICK)
		loop_remove(&vhu_of(dev)->loop, &vhu_of(dev)->backend[fd]);
}

/* Nobody opens anything for a back-end program once its jail is closed. */
int
device_want_file(struct device *dev, const char *name, bool extent, int slot,
    struct device_file *file, const char **why)
{
	(void)dev;
	(void)extent;
	(void)slot;
	(void)file;
	log_error("the image has another file: %s", name);
	*why = "a disk image that is several files is not supported here";
	return -EOPNOTSUPP;
}

/* Of a program that brought somebody who connects. */
int
device_want_port(struct device *dev, uint32_t port, bool seqpacket)
{
	const struct vhu_program *p = vhu_of(dev)->program;

	return p->want_port != NULL ? p->want_port(dev, port, seqpacket) : -ENOSYS;
}

/* Nobody keeps files. */
int
device_keep_file(struct device *dev, uint32_t id, int fd)
{
	(void)dev;
	(void)id;
	(void)fd;
	return -ENOSYS;
}

struct loop *
device_loop(struct device *dev)
{
	return &vhu_of(dev)->loop;
}

void
device_again(struct device *dev, unsigned int q)
{
	vhu_of(dev)->again |= 1ull << q;
}

void
device_config_changed(struct device *dev)
{
	vhu_tell_front_end(vhu_of(dev), VHU_BACKEND_CONFIG_CHANGE);
}

/* Of a back end that died, front ends keep rings and requests, not state. */
void
device_state_changed(struct device *dev)
{
	(void)dev;
}

void
device_needs_reset(struct device *dev, const char *why)
{
	struct vhu *v = vhu_of(dev);

	if (v->needs_reset || !dev->active)
		return;
	log_guest("%s: %s", dev->ops->name, why);
	need_reset(v, why);
}

/* There is no VM of ours to stop. */
void
device_request_stop(struct device *dev)
{
	(void)dev;
}
