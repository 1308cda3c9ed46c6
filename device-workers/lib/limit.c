// SPDX-License-Identifier: Apache-2.0
/*
 * Rate limits of a device, see limit.h. Queues that wait for tokens are bits of
 * dev->later; one timer, for the first of them, lets all of them try again.
 */
#include "device-workers/lib/limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "device-workers/lib/device.h"

#define NS 1000000000ull
/* ns: a member of a group that was served lets the others go first. */
#define BEHIND 200000ull

static uint64_t
monotonic(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

static void
timer_ready(struct loop_source *src, uint32_t events)
{
	struct device *dev = src->owner;
	uint64_t count;

	(void)events;
	/* EAGAIN: it was set anew meanwhile. */
	if (read(src->fd, &count, sizeof(count)) < 0)
		return;
	for (; dev->later.queues != 0; dev->later.queues &= dev->later.queues - 1)
		device_again(dev, (unsigned int)__builtin_ctzll(dev->later.queues));
}

static int
start_timer(struct device *dev)
{
	struct loop_source *src = &dev->later.timer;
	int fd, rc = 0;

	if (src->added)
		return 0;	/* the other direction has made it */
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fd != FD_TIMER) {
		if (dup3(fd, FD_TIMER, O_CLOEXEC) < 0)
			rc = -errno;
		close(fd);
	}
	*src = (struct loop_source){
		.fd = FD_TIMER, .ready = timer_ready, .owner = dev,
	};
	return rc < 0 ? rc : loop_add(device_loop(dev), src, EPOLLIN);
}

/* The state of a group: sealed, so that it cannot shrink under us. */
static int
map_shared(struct device_limit *limit)
{
	const size_t size = sizeof(*limit->state);
	struct stat st;
	void *page;

	if (fstat(FD_LIMIT, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)size ||
	    (fcntl(FD_LIMIT, F_GET_SEALS) & F_SEAL_SHRINK) == 0)
		return -EINVAL;
	page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, FD_LIMIT, 0);
	if (page == MAP_FAILED)
		return -errno;
	close(FD_LIMIT);
	limit->state = page;
	return 0;
}

static void
start_bucket(struct bucket *b, const Bh__TokenBucket *from)
{
	*b = (struct bucket){ 0 };
	if (from != NULL)
		bucket_init(b, from->size, from->one_time_burst,
		    from->refill_ms);
}

int
device_limit_start(struct device *dev, struct device_limit *limit,
    const Bh__RateLimit *config, const char **why)
{
	int rc;

	limit->state = NULL;
	if (config == NULL)
		return 0;
	start_bucket(&limit->buckets.bandwidth, config->bandwidth);
	start_bucket(&limit->buckets.ops, config->ops);
	rc = start_timer(dev);
	if (rc < 0) {
		*why = "no timer for the rate limit";
		return rc;
	}
	if (!config->shared) {
		limit->state = &limit->own;
		return 0;
	}
	rc = map_shared(limit);
	if (rc < 0)
		*why = "no state of the rate limit group";
	return rc;
}

/* Have queue_ready called for queue @q at @when. */
static void
later(struct device *dev, unsigned int q, uint64_t when)
{
	const struct itimerspec at = {
		.it_value.tv_sec = (time_t)(when / NS),
		.it_value.tv_nsec = (long)(when % NS),
	};

	/* A moment is never 0, which would disarm: @when is after now. */
	if ((dev->later.queues == 0 || when < dev->later.at) &&
	    timerfd_settime(FD_TIMER, TFD_TIMER_ABSTIME, &at, NULL) == 0)
		dev->later.at = when;
	dev->later.queues |= 1ull << q;
}

bool
device_limit_open(struct device *dev, struct device_limit *limit, unsigned int q)
{
	uint64_t bandwidth, ops, when;

	if (limit->state == NULL)
		return true;
	limit->now = monotonic();
	bandwidth = bucket_when(&limit->buckets.bandwidth,
	    &limit->state->bandwidth, limit->now);
	ops = bucket_when(&limit->buckets.ops, &limit->state->ops, limit->now);
	if (bandwidth == 0 && ops == 0)
		return true;
	when = bandwidth > ops ? bandwidth : ops;
	/* All wait for the same moment: else the fastest would win each time. */
	if (limit->state != &limit->own && limit->served)
		when += BEHIND;
	limit->served = false;
	later(dev, q, when);
	return false;
}

void
device_limit_spend(struct device_limit *limit, uint64_t bytes)
{
	if (limit->state == NULL)
		return;
	limit->served = true;
	bucket_spend(&limit->buckets.bandwidth, &limit->state->bandwidth, bytes,
	    limit->now);
	bucket_spend(&limit->buckets.ops, &limit->state->ops, 1, limit->now);
}
