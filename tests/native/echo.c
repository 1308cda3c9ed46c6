/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-echo: a device that leaves requests in flight, for tests of the worker
 * library. What a request brings goes back, DELAY later, the last one first. Its
 * configuration is a blk's: num_queues, queue_size. FD_BACKEND gets an F at
 * flush(), an R at reset() with the number of requests dropped. A request that
 * begins with POISON kills it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "device-workers/lib/device.h"

#define DELAY_NS 20000000
#define MAX_HELD 32u
#define BUDGET 4u
#define POISON "poison"

/* The configuration space; a driver's write to `command` is obeyed. */
struct space {
	uint32_t served;
	uint32_t command;	/* 1: needs reset, 2: stop, else: config changed */
};

struct held {
	unsigned int q;
	struct virtq_chain chain;
};

static struct {
	struct held held[MAX_HELD];
	unsigned int nheld;
	uint64_t starved;	/* queues that found no room */
	struct space space;
} echo;

static int
echo_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	*why = "timer";
	if (fd != FD_TIMER && dup3(fd, FD_TIMER, O_CLOEXEC) < 0)
		return -errno;
	if (fd != FD_TIMER)
		close(fd);
	dev->virtio_id = 42;
	dev->nqueues = config->blk->num_queues;
	for (unsigned int q = 0; q < dev->nqueues; q++)
		dev->queue_max[q] = (uint16_t)config->blk->queue_size;
	dev->config_size = sizeof(echo.space);
	return device_watch(dev, FD_TIMER, EPOLLIN);
}

static void
echo_queue_ready(struct device *dev, unsigned int q)
{
	const struct itimerspec once = { .it_value.tv_nsec = DELAY_NS };

	char word[sizeof(POISON)];

	for (unsigned int i = 0; i < BUDGET; i++) {
		struct held *h = &echo.held[echo.nheld];

		if (echo.nheld == MAX_HELD) {
			echo.starved |= 1ull << q;
			return;
		}
		if (virtq_pop(&dev->vq[q], &h->chain) <= 0)
			return;
		if (dev->draining)
			_exit(5);	/* the library let it take one */
		if (virtq_copy_out_of(&h->chain, 0, word, sizeof(word)) ==
		    sizeof(word) && memcmp(word, POISON, sizeof(word)) == 0)
			__builtin_trap();
		h->q = q;
		if (echo.nheld++ == 0 &&
		    timerfd_settime(FD_TIMER, 0, &once, NULL) < 0)
			_exit(3);
	}
	device_again(dev, q);
}

static void
echo_backend_ready(struct device *dev, int fd, uint32_t events)
{
	static uint8_t bytes[65536];
	uint64_t count, starved = echo.starved;

	(void)events;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	echo.starved = 0;
	while (echo.nheld > 0) {
		struct held *h = &echo.held[--echo.nheld];
		uint64_t n = virtq_copy_out_of(&h->chain, 0, bytes,
		    sizeof(bytes));

		n = virtq_copy_into(&h->chain, 0, bytes, n);
		virtq_push(&dev->vq[h->q], &h->chain, (uint32_t)n);
		echo.space.served++;
	}
	/* Takes what it can get, whatever the state: the library says no. */
	for (unsigned int q = 0; q < dev->nqueues; q++)
		if ((starved >> q & 1) != 0)
			echo_queue_ready(dev, q);
}

static void
tell(char what)
{
	if (write(FD_BACKEND, &what, 1) != 1)
		_exit(4);
}

static void
echo_reset(struct device *dev)
{
	(void)dev;
	tell('R');
	tell((char)('0' + echo.nheld));
	echo.nheld = 0;
}

static unsigned int
echo_drain(struct device *dev)
{
	(void)dev;
	return echo.nheld;
}

static void
echo_flush(struct device *dev)
{
	(void)dev;
	tell('F');
}

static void
echo_config_write(struct device *dev, uint32_t offset, const uint8_t *data,
    uint32_t len)
{
	memcpy((uint8_t *)&echo.space + offset, data, len);
	if (echo.space.command == 1)
		device_needs_reset(dev, "as asked");
	else if (echo.space.command == 2)
		device_request_stop(dev);
	memcpy(dev->config, &echo.space, sizeof(echo.space));
	device_config_changed(dev);
}

static size_t
echo_save(struct device *dev, uint8_t *buf, size_t size)
{
	(void)dev;
	(void)size;
	memcpy(buf, &echo.space.served, sizeof(echo.space.served));
	return sizeof(echo.space.served);
}

static int
echo_load(struct device *dev, uint32_t version, const uint8_t *buf, size_t len)
{
	(void)dev;
	if (version != DEVICE_STATE_VERSION || len != sizeof(echo.space.served))
		return -EINVAL;
	memcpy(&echo.space.served, buf, len);
	return 0;
}

static const struct device_ops echo_ops = {
	.name = "echo",
	.config_case = BH__DEVICE_CONFIG__DEVICE_BLK,
	.start = echo_start,
	.queue_ready = echo_queue_ready,
	.redo = true,
	.backend_ready = echo_backend_ready,
	.reset = echo_reset,
	.drain = echo_drain,
	.flush = echo_flush,
	.config_write = echo_config_write,
	.save = echo_save,
	.load = echo_load,
};

int
main(void)
{
	return worker_main(&echo_ops);
}
