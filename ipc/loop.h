/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of every process: epoll with a typed handler an fd, and no
 * allocation once it runs. The epoll fd lives at FD_EPOLL in children. One
 * thread; handlers may add and remove sources, also their own.
 */
#ifndef BULKHEAD_IPC_LOOP_H
#define BULKHEAD_IPC_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop_source;

/* @events: EPOLLIN and so on. */
typedef void loop_fn(struct loop_source *src, uint32_t events);

/* Embedded in its owner's struct; stays where it is while it is in the loop. */
struct loop_source {
	int fd;
	loop_fn *ready;
	void *owner;
	uint32_t events;	/* asked for; 0: in the loop, but quiet */
	bool added;
};

struct loop {
	int epoll;
	bool stop;
	bool busy;		/* spin: do not sleep in the next wait */
};

/* Make the epoll fd, and move it to @slot unless that is -1. -errno. */
int loop_init(struct loop *loop, int slot);
void loop_fini(struct loop *loop);

/* -errno of epoll_ctl (EPERM: a regular file cannot be waited for). */
int loop_add(struct loop *loop, struct loop_source *src, uint32_t events);
int loop_change(struct loop *loop, struct loop_source *src, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *src);

/*
 * Wait once, at most @timeout_ms (-1: for ever), and call the handlers of what
 * is ready. 0 or -errno.
 */
int loop_once(struct loop *loop, int timeout_ms);

/* loop_once until stop is set. */
int loop_run(struct loop *loop);

#endif
