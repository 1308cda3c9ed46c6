/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio watchdog, with Cloud Hypervisor's conventions (device 35 has no text in
 * virtio 1.2): the driver makes a buffer of one byte or more available, the device
 * writes a byte to it, and that was a ping. The first one arms it; when none has come
 * for as long as it was told, the controller resets the VM. Called by the worker
 * library; asks for a reset, and decides on nothing.
 *
 * Time does not pass while the VM is paused or the queue is held. A reset of the
 * device disarms it; a successor of a worker that died begins the time anew.
 */
#include "device-workers/watchdog/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "device-workers/lib/timer.h"
#include "ipc/log.h"

#define VIRTIO_ID_WATCHDOG 35
#define QUEUE_SIZE 8u
#define BATCH 32u		/* pings a call, then others get their turn */
#define NS 1000000000ull

struct watchdog {
	uint64_t period;	/* ns */
	bool armed;
	uint64_t deadline;	/* CLOCK_MONOTONIC, ns; 0: the timer is off */
	uint64_t left;		/* ns, while it is armed and the timer off */
	struct virtq_chain chain;
};

static uint64_t
monotonic(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

/* @deadline 0: off. */
static void
set_timer(struct watchdog *w, uint64_t deadline)
{
	const struct itimerspec at = {
		.it_value.tv_sec = (time_t)(deadline / NS),
		.it_value.tv_nsec = (long)(deadline % NS),
	};

	w->deadline = deadline;
	if (timerfd_settime(FD_TIMER, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		log_error("watchdog: no timer: %s", log_errname(errno));
}

static void
disarm(struct watchdog *w)
{
	w->armed = false;
	if (w->deadline != 0)
		set_timer(w, 0);
}

static int
watchdog_start(struct device *dev, const Bh__DeviceConfig *config,
    const char **why)
{
	static struct watchdog watchdog;
	int rc = timer_make(FD_TIMER);

	if (rc == 0)
		rc = device_watch(dev, FD_TIMER, EPOLLIN);
	if (rc < 0) {
		*why = "no timer";
		return rc;
	}
	watchdog = (struct watchdog){
		.period = config->watchdog->seconds * NS,
	};
	dev->priv = &watchdog;
	dev->virtio_id = VIRTIO_ID_WATCHDOG;
	dev->nqueues = 1;
	dev->queue_max[0] = QUEUE_SIZE;
	return 0;
}

static void
serve(struct device *dev)
{
	static const uint8_t one = 1;
	struct watchdog *w = dev->priv;
	struct virtq *vq = &dev->vq[0];
	bool pinged = false;
	unsigned int n;

	for (n = 0; n < BATCH && virtq_pop(vq, &w->chain) > 0; n++) {
		size_t len = virtq_copy_into(&w->chain, 0, &one, sizeof(one));

		pinged |= len > 0;
		virtq_push(vq, &w->chain, (uint32_t)len);
	}
	if (n == BATCH)
		device_again(dev, 0);
	if (!pinged)
		return;
	set_timer(w, monotonic() + w->period);
	if (!w->armed) {
		w->armed = true;
		device_state_changed(dev);
	}
}

/* Also when the queue was held, and is no longer. */
static void
watchdog_queue_ready(struct device *dev, unsigned int q)
{
	struct watchdog *w = dev->priv;

	(void)q;
	if (w->armed && w->deadline == 0)
		set_timer(w, monotonic() + w->left);
	serve(dev);
}

static unsigned int
watchdog_drain(struct device *dev)
{
	struct watchdog *w = dev->priv;
	uint64_t now = monotonic();

	if (w->deadline == 0)
		return 0;
	w->left = w->deadline > now ? w->deadline - now : 1;
	set_timer(w, 0);
	return 0;
}

static void
watchdog_backend_ready(struct device *dev, int fd, uint32_t events)
{
	struct watchdog *w = dev->priv;
	uint64_t count;

	(void)events;
	/* EAGAIN: it was set anew meanwhile. */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	if (!w->armed || w->deadline == 0 || w->deadline > monotonic())
		return;
	/* A ping that nobody has looked at yet is one. */
	serve(dev);
	if (w->deadline > monotonic())
		return;
	disarm(w);
	device_state_changed(dev);
	device_watchdog_expired(dev);
}

static void
watchdog_reset(struct device *dev)
{
	disarm(dev->priv);
}

static size_t
watchdog_save(struct device *dev, uint8_t *buf, size_t size)
{
	const struct watchdog *w = dev->priv;

	if (size < 1)
		return 0;
	buf[0] = w->armed;
	return 1;
}

static int
watchdog_load(struct device *dev, uint32_t version, const uint8_t *buf,
    size_t len)
{
	struct watchdog *w = dev->priv;

	(void)version;
	if (len != 1 || buf[0] > 1)
		return -EINVAL;
	w->armed = buf[0] != 0;
	w->left = w->period;
	return 0;
}

const struct device_ops watchdog_ops = {
	.name = "watchdog",
	.config_case = BH__DEVICE_CONFIG__DEVICE_WATCHDOG,
	.start = watchdog_start,
	.queue_ready = watchdog_queue_ready,
	.backend_ready = watchdog_backend_ready,
	.reset = watchdog_reset,
	.drain = watchdog_drain,
	.save = watchdog_save,
	.load = watchdog_load,
	.redo = true,
};
