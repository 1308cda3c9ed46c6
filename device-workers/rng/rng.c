/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng (virtio 1.2, 5.4): bytes of the source at FD_BACKEND into the
 * driver's buffers. Called by the worker library.
 *
 * No request is ever held: while the source has nothing to give, requests stay
 * in the ring and the source is watched, so that a drain never waits for it. Some
 * sources cannot be watched, and yet may have nothing (/dev/hwrng): those are
 * asked again after a while. The same holds for what a rate limit does not let go yet.
 */
#include "device-workers/rng/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "device-workers/lib/limit.h"
#include "device-workers/lib/timer.h"
#include "ipc/log.h"

#define VIRTIO_ID_ENTROPY 4
#define MAX_BYTES 4096u		/* a request; less than asked is legal, 5.4.6.2 */
#define BATCH_REQUESTS 32u	/* a call, then others get their turn */
#define ASK_AGAIN_NS 20000000	/* a source that cannot be watched */

struct rng {
	int wait_fd;		/* the source, or the timer where it cannot be
				 * watched: /dev/urandom, /dev/hwrng, a file */
	bool ended;		/* the source will give nothing more */
	struct device_limit limit;
	struct virtq_chain chain;
	uint8_t bytes[MAX_BYTES];
};

static int
rng_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	static struct rng rng;
	int flags = fcntl(FD_BACKEND, F_GETFL);
	int rc;

	if (flags < 0) {
		*why = "no source of entropy";
		return -EBADF;
	}
	rng = (struct rng){ .wait_fd = FD_BACKEND };
	rc = device_watch(dev, FD_BACKEND, 0);
	if (rc == -EPERM) {
		rng.wait_fd = FD_RNG_AGAIN;
		rc = timer_make(FD_RNG_AGAIN);
	} else if (rc == 0 && (flags & O_NONBLOCK) == 0) {
		/* Its flags belong to whoever opened it: not set here. */
		*why = "the source of entropy was not opened non-blocking";
		return -EINVAL;
	}
	if (rc < 0) {
		*why = "the source of entropy cannot be waited for";
		return rc;
	}
	device_unwatch(dev, FD_BACKEND);
	rc = device_limit_start(dev, &rng.limit, config->rng->rate_limit, why);
	if (rc < 0)
		return rc;
	dev->priv = &rng;
	dev->virtio_id = VIRTIO_ID_ENTROPY;
	dev->nqueues = 1;
	dev->queue_max[0] = (uint16_t)config->rng->queue_size;
	return 0;
}

/* Have rng_backend_ready called when it is worth to ask again. */
static int
wait_for_source(struct device *dev)
{
	const struct rng *r = dev->priv;
	const struct itimerspec once = { .it_value.tv_nsec = ASK_AGAIN_NS };

	if (r->wait_fd == FD_RNG_AGAIN &&
	    timerfd_settime(FD_RNG_AGAIN, 0, &once, NULL) < 0)
		return -errno;
	return device_watch(dev, r->wait_fd, EPOLLIN);
}

/* Read up to @want bytes: how many, or 0: none now. */
static size_t
read_source(struct device *dev, size_t want)
{
	struct rng *r = dev->priv;
	ssize_t n;

	do {
		n = read(FD_BACKEND, r->bytes, want);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return (size_t)n;
	if (n < 0 && errno == EAGAIN && wait_for_source(dev) == 0)
		return 0;
	/* The same bytes again would be no entropy: the driver waits. */
	r->ended = true;
	log_error("rng: the source has ended: %s",
	    n < 0 ? log_errname(errno) : "end of file");
	return 0;
}

static void
serve(struct device *dev)
{
	struct rng *r = dev->priv;
	struct virtq *vq = &dev->vq[0];

	for (unsigned int i = 0; i < BATCH_REQUESTS; i++) {
		size_t n = MAX_BYTES;

		if (virtq_pop(vq, &r->chain) <= 0)
			return;
		if (!device_limit_open(dev, &r->limit, 0)) {
			virtq_unpop(vq, &r->chain);
			return;
		}
		if (r->chain.write_len < n)
			n = (size_t)r->chain.write_len;
		if (n > 0) {
			n = read_source(dev, n);
			if (n == 0) {
				virtq_unpop(vq, &r->chain);
				return;
			}
		}
		n = (size_t)virtq_copy_into(&r->chain, 0, r->bytes, n);
		/* What the guest was given is no one else's. */
		explicit_bzero(r->bytes, n);
		device_limit_spend(&r->limit, n);
		virtq_push(vq, &r->chain, (uint32_t)n);
	}
	device_again(dev, 0);
}

static void
rng_queue_ready(struct device *dev, unsigned int q)
{
	const struct rng *r = dev->priv;

	(void)q;
	if (!r->ended)
		serve(dev);
}

/* Not only "no events": a source's errors would still wake the loop. */
static void
rng_backend_ready(struct device *dev, int fd, uint32_t events)
{
	uint64_t count;

	(void)events;
	device_unwatch(dev, fd);
	if (fd == FD_RNG_AGAIN && read(fd, &count, sizeof(count)) < 0)
		count = 0;	/* EAGAIN: set again meanwhile */
	if (dev->active)
		rng_queue_ready(dev, 0);
}

static void
rng_reset(struct device *dev)
{
	const struct rng *r = dev->priv;

	device_unwatch(dev, r->wait_fd);
}

const struct device_ops rng_ops = {
	.name = "rng",
	.config_case = BH__DEVICE_CONFIG__DEVICE_RNG,
	.start = rng_start,
	.queue_ready = rng_queue_ready,
	.backend_ready = rng_backend_ready,
	.reset = rng_reset,
	.redo = true,
};
