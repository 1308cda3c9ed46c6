/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng (virtio 1.2, 5.4): bytes of the source at FD_BACKEND into the
 * driver's buffers. Called by the worker library.
 *
 * No request is ever held: while the source has nothing to give, requests stay
 * in the ring and the source is watched, so that a drain never waits for it.
 */
#include "device-workers/rng/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ipc/log.h"

#define VIRTIO_ID_ENTROPY 4
#define MAX_BYTES 4096u		/* a request; less than asked is legal, 5.4.6.2 */
#define BATCH_REQUESTS 32u	/* a call, then others get their turn */

struct rng {
	bool pollable;		/* not so: /dev/urandom, a file: always ready */
	bool ended;		/* the source will give nothing more */
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
	rc = device_watch(dev, FD_BACKEND, 0);
	if (rc < 0 && rc != -EPERM) {
		*why = "the source of entropy cannot be waited for";
		return rc;
	}
	rng.pollable = rc == 0;
	/* Its flags belong to whoever opened it: they are not set here. */
	if (rng.pollable && (flags & O_NONBLOCK) == 0) {
		*why = "the source of entropy was not opened non-blocking";
		return -EINVAL;
	}
	if (rng.pollable)
		device_unwatch(dev, FD_BACKEND);
	dev->priv = &rng;
	dev->virtio_id = VIRTIO_ID_ENTROPY;
	dev->nqueues = 1;
	dev->queue_max[0] = (uint16_t)config->rng->queue_size;
	return 0;
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
	if (n < 0 && errno == EAGAIN && r->pollable &&
	    device_watch(dev, FD_BACKEND, EPOLLIN) == 0)
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
	(void)events;
	device_unwatch(dev, fd);
	if (dev->active)
		rng_queue_ready(dev, 0);
}

static void
rng_reset(struct device *dev)
{
	device_unwatch(dev, FD_BACKEND);
}

const struct device_ops rng_ops = {
	.name = "rng",
	.config_case = BH__DEVICE_CONFIG__DEVICE_RNG,
	.start = rng_start,
	.queue_ready = rng_queue_ready,
	.backend_ready = rng_backend_ready,
	.reset = rng_reset,
};
