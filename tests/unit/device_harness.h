/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device without its process: the library's calls as doubles, real virtqueues
 * over anonymous memory, and a small split-ring driver. For unit tests and fuzz
 * targets of devices; one device a program, so its state is static here.
 */
#ifndef BULKHEAD_TESTS_UNIT_DEVICE_HARNESS_H
#define BULKHEAD_TESTS_UNIT_DEVICE_HARNESS_H

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device-workers/lib/device.h"
#include "device-workers/lib/limit.h"

#define H_MEM (1u << 20)	/* guest memory, at guest address 0 */
#define H_QUEUE 64u		/* entries */
#define H_RING(q) ((q) * 0x1000u)	/* desc; avail + 0x400; used + 0x600 */
#define H_DATA 0x10000u		/* first address that rings do not use */
#define H_MAX_FD 64

static struct {
	struct device dev;
	uint8_t *mem;
	uint16_t next_desc[DEVICE_MAX_QUEUES];
	uint16_t avail[DEVICE_MAX_QUEUES];
	uint16_t used[DEVICE_MAX_QUEUES];
	uint32_t watch[H_MAX_FD];
	bool again[DEVICE_MAX_QUEUES];
	unsigned int needs_reset, config_changed, stop, expired;
	unsigned int updates;	/* device_config_update() */
	bool takes;		/* ... is heard */
	unsigned int wanted;	/* ports */
	uint32_t port;		/* the last */
	/* Rate limits: what may still go, and what did. */
	bool limited;
	unsigned int ops_left;
	uint64_t spent;
	uint64_t later;		/* queues that wait */
} h;

struct h_seg {
	uint64_t addr;
	uint32_t len;
	bool write;
};

int
device_watch(struct device *dev, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0), rc, err;

	(void)dev;
	/* As epoll would: EPERM for a regular file. */
	rc = epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	err = errno;
	close(ep);
	if (rc != 0)
		return -err;
	h.watch[fd] = events;
	return 0;
}

void
device_unwatch(struct device *dev, int fd)
{
	(void)dev;
	h.watch[fd] = 0;
}

int
device_want_file(struct device *dev, const char *name, bool extent, int slot,
    struct device_file *file, const char **why)
{
	(void)dev; (void)name; (void)extent; (void)slot; (void)file;
	*why = "another file";
	return -ENOENT;
}

int
device_want_port(struct device *dev, uint32_t port, bool seqpacket)
{
	(void)dev;
	(void)seqpacket;
	h.wanted++;
	h.port = port;
	return 0;
}

int
device_keep_file(struct device *dev, uint32_t id, int fd)
{
	(void)dev; (void)id; (void)fd;
	return 0;
}

void
device_again(struct device *dev, unsigned int q)
{
	(void)dev;
	h.again[q] = true;
}

int
device_limit_start(struct device *dev, struct device_limit *limit,
    const Bh__RateLimit *config, const char **why)
{
	(void)dev;
	(void)limit;
	(void)config;
	(void)why;
	return 0;
}

bool
device_limit_open(struct device *dev, struct device_limit *limit, unsigned int q)
{
	(void)dev;
	(void)limit;
	if (!h.limited || h.ops_left > 0)
		return true;
	h.later |= 1ull << q;
	return false;
}

void
device_limit_spend(struct device_limit *limit, uint64_t bytes)
{
	(void)limit;
	if (h.limited)
		h.ops_left--;
	h.spent += bytes;
}

void
device_config_changed(struct device *dev)
{
	(void)dev;
	h.config_changed++;
}

/* Told, it is for the test to say config_taken(). */
bool
device_config_update(struct device *dev)
{
	(void)dev;
	h.updates++;
	return h.takes;
}

void
device_state_changed(struct device *dev)
{
	(void)dev;
}

void
device_needs_reset(struct device *dev, const char *why)
{
	(void)dev;
	(void)why;
	h.needs_reset++;
}

void
device_request_stop(struct device *dev)
{
	(void)dev;
	h.stop++;
}

void
device_watchdog_expired(struct device *dev)
{
	(void)dev;
	h.expired++;
}

/* Make a device of @ops. 0 or what start said. */
static int
h_start(const struct device_ops *ops, const Bh__DeviceConfig *config,
    const char **why)
{
	if (h.mem == NULL)
		h.mem = mmap(NULL, H_MEM, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h.mem == MAP_FAILED)
		abort();
	h.dev.ops = ops;
	h.dev.mem.region[0] = (struct gmem_region){
		.gpa = 0, .size = H_MEM, .host = h.mem,
	};
	*why = "";
	return ops->start(&h.dev, config, why);
}

static void
h_activate(uint64_t features)
{
	h.dev.driver_features = features;
	memset(h.mem, 0, H_DATA);
	for (unsigned int q = 0; q < h.dev.nqueues; q++) {
		const struct virtq_layout layout = {
			.size = H_QUEUE, .desc = H_RING(q),
			.avail = H_RING(q) + 0x400, .used = H_RING(q) + 0x600,
		};

		h.next_desc[q] = h.avail[q] = h.used[q] = 0;
		if (virtq_enable(&h.dev.vq[q], &h.dev.mem, &layout, features,
		    -1) != 0)
			abort();
	}
	h.dev.active = true;
	if (h.dev.ops->activate != NULL)
		h.dev.ops->activate(&h.dev);
}

static __attribute__((unused)) void
h_reset(void)
{
	h.dev.active = false;
	if (h.dev.ops->reset != NULL)
		h.dev.ops->reset(&h.dev);
	for (unsigned int q = 0; q < h.dev.nqueues; q++)
		virtq_disable(&h.dev.vq[q]);
	h.needs_reset = 0;
}

/* Make a chain available on queue @q. */
static __attribute__((unused)) void
h_add(unsigned int q, const struct h_seg *seg, unsigned int n)
{
	uint8_t *desc = h.mem + H_RING(q);
	uint16_t *avail = (uint16_t *)(void *)(desc + 0x400);
	uint16_t head = h.next_desc[q];

	for (unsigned int i = 0; i < n; i++) {
		uint16_t at = h.next_desc[q];
		uint16_t next = (uint16_t)((at + 1) % H_QUEUE);
		uint16_t flags = (uint16_t)((i + 1 < n ? 1 : 0) |
		    (seg[i].write ? 2 : 0));

		memcpy(desc + 16u * at, &seg[i].addr, 8);
		memcpy(desc + 16u * at + 8, &seg[i].len, 4);
		memcpy(desc + 16u * at + 12, &flags, 2);
		memcpy(desc + 16u * at + 14, &next, 2);
		h.next_desc[q] = next;
	}
	avail[2 + h.avail[q]++ % H_QUEUE] = head;
	avail[1] = h.avail[q];
}

/* The next used chain: its head and length; false: none. */
static __attribute__((unused)) bool
h_used(unsigned int q, uint32_t *id, uint32_t *len)
{
	const uint16_t *idx = (const void *)(h.mem + H_RING(q) + 0x602);
	const uint8_t *ring = h.mem + H_RING(q) + 0x604;

	if (*idx == h.used[q])
		return false;
	memcpy(id, ring + 8u * (h.used[q] % H_QUEUE), 4);
	memcpy(len, ring + 8u * (h.used[q] % H_QUEUE) + 4, 4);
	h.used[q]++;
	return true;
}

/* Kick queue @q, and let the device go on as long as it asks for that. */
static void
h_kick(unsigned int q)
{
	unsigned int turns = 0;

	h.again[q] = true;
	while (h.again[q] && turns++ < 1000) {
		h.again[q] = false;
		h.dev.ops->queue_ready(&h.dev, q);
		virtq_flush(&h.dev.vq[q]);
	}
}

/* One turn of the loop: true if any watched fd was ready. */
static __attribute__((unused)) bool
h_poll(int timeout_ms)
{
	struct pollfd pfd[H_MAX_FD];
	nfds_t n = 0;

	for (int fd = 0; fd < H_MAX_FD; fd++) {
		if (h.watch[fd] != 0)
			pfd[n++] = (struct pollfd){
				.fd = fd, .events = (short)h.watch[fd],
			};
	}
	if (poll(pfd, n, timeout_ms) <= 0)
		return false;
	for (nfds_t i = 0; i < n; i++) {
		if (pfd[i].revents != 0 && h.watch[pfd[i].fd] != 0)
			h.dev.ops->backend_ready(&h.dev, pfd[i].fd,
			    (uint32_t)pfd[i].revents);
	}
	for (unsigned int q = 0; q < h.dev.nqueues; q++)
		virtq_flush(&h.dev.vq[q]);
	return true;
}

#endif
