/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop, see loop.h. A source that a handler removes in the same round
 * is not called any more: its slot in the round's events is looked up by
 * pointer, and cleared on removal.
 */
#include "ipc/loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <fcntl.h>
#include <unistd.h>

#define LOOP_BATCH 64

/* Events of the round that is being handled; one loop runs in a thread. */
static _Thread_local struct epoll_event *round_events;
static _Thread_local int round_count;

int
loop_init(struct loop *loop, int slot)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (slot >= 0 && fd != slot) {
		int moved = dup3(fd, slot, O_CLOEXEC);
		int error = errno;

		close(fd);
		if (moved < 0)
			return -error;
		fd = moved;
	}
	*loop = (struct loop){ .epoll = fd };
	return 0;
}

void
loop_fini(struct loop *loop)
{
	close(loop->epoll);
	loop->epoll = -1;
}

static int
loop_ctl(struct loop *loop, int op, struct loop_source *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	if (epoll_ctl(loop->epoll, op, src->fd, &ev) < 0)
		return -errno;
	src->events = events;
	return 0;
}

int
loop_add(struct loop *loop, struct loop_source *src, uint32_t events)
{
	int rc = loop_ctl(loop, EPOLL_CTL_ADD, src, events);

	if (rc == 0)
		src->added = true;
	return rc;
}

int
loop_change(struct loop *loop, struct loop_source *src, uint32_t events)
{
	if (src->added && src->events == events)
		return 0;
	return loop_ctl(loop, EPOLL_CTL_MOD, src, events);
}

void
loop_remove(struct loop *loop, struct loop_source *src)
{
	if (!src->added)
		return;
	(void)loop_ctl(loop, EPOLL_CTL_DEL, src, 0);
	src->added = false;
	for (int i = 0; i < round_count; i++)
		if (round_events[i].data.ptr == src)
			round_events[i].data.ptr = NULL;
}

int
loop_once(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[LOOP_BATCH];
	int n;

	n = epoll_wait(loop->epoll, events, LOOP_BATCH,
	    loop->busy ? 0 : timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	round_events = events;
	round_count = n;
	for (int i = 0; i < n; i++) {
		struct loop_source *src = events[i].data.ptr;

		if (src != NULL)
			src->ready(src, events[i].events);
	}
	round_events = NULL;
	round_count = 0;
	return 0;
}

int
loop_run(struct loop *loop)
{
	while (!loop->stop) {
		int rc = loop_once(loop, -1);

		if (rc < 0)
			return rc;
	}
	return 0;
}
