/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a front-end worker: gets it, sends requests, reads the answer
 * to the one that is under way, gives up on a back end that does not answer, and
 * tries again for ever. Runs under the filter; it cannot make a socket: a
 * connection comes from the controller, or from a listening socket it was given.
 *
 * Never reads beyond the answer at hand, and offers room for an fd only where one
 * is due. What a back end sends unasked ends the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "device-workers/vhost-user-front/front.h"
#include "ipc/log.h"

#define NS 1000000000ull
#define BACKOFF_FIRST_MS 50u
#define BACKOFF_MAX_MS 1000u
#define STEADY (2 * NS)		/* a connection that lasted so long was a good one */
#define EVENTS_A_ROUND 16u
/* A back end that changes its configuration all the time is heard so often. */
#define CONFIG_INTERVAL (100 * FRONT_NS_MS)

uint64_t
front_now(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

void
front_conn_arm(struct front *f)
{
	const uint64_t times[] = { f->deadline, f->retry_at, f->config_at };
	struct itimerspec when = { .it_value = { 0, 0 } };
	uint64_t first = 0;

	for (unsigned int i = 0; i < 3; i++)
		if (times[i] != 0 && (first == 0 || times[i] < first))
			first = times[i];
	when.it_value.tv_sec = (time_t)(first / NS);
	when.it_value.tv_nsec = (long)(first % NS);
	(void)timerfd_settime(FD_TIMER, TFD_TIMER_ABSTIME, &when, NULL);
}

bool
front_place(int fd, int slot)
{
	bool good = fd == slot || dup3(fd, slot, O_CLOEXEC) >= 0;

	if (fd != slot)
		close(fd);
	return good;
}

/* ---- losing ------------------------------------------------------------------- */

/* The controller has the connection, too: the back end is to know at once. */
static void
hang_up(int fd)
{
	if (fd == FD_FRONT_CONN)
		(void)shutdown(fd, SHUT_RDWR);
	close(fd);
}

static void
shut(struct front *f, struct loop_source *src)
{
	if (!src->added)
		return;
	loop_remove(&f->loop, src);
	hang_up(src->fd);
}

static void
close_events(struct front *f)
{
	shut(f, &f->events_src);
	if (f->events_open)
		close(FD_FRONT_EVENTS_PEER);
	f->events_open = false;
	f->event_have = 0;
}

static void
try_later(struct front *f)
{
	/* One that comes and goes is not asked for all the time. */
	if (f->began != 0 && front_now() - f->began > STEADY)
		f->backoff_ms = BACKOFF_FIRST_MS;
	f->began = 0;
	f->conn = CONN_AWAY;
	f->deadline = 0;
	if (f->listens) {
		(void)loop_change(&f->loop, &f->listen_src, EPOLLIN);
		front_conn_arm(f);
		return;
	}
	f->retry_at = front_now() + f->backoff_ms * FRONT_NS_MS;
	f->backoff_ms = f->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS :
	    f->backoff_ms * 2;
	front_conn_arm(f);
}

void
front_conn_lose(struct front *f, const char *why)
{
	if (f->conn != CONN_GREETING && f->conn != CONN_READY)
		return;
	shut(f, &f->conn_src);
	close_events(f);
	if (f->answer_fd >= 0)
		close(f->answer_fd);
	f->answer_fd = -1;
	f->config_at = 0;
	f->config_again = false;
	if (!f->known)
		f->why = why;
	/* One line for the loss, however often it is tried again. */
	if ((f->known || f->successor) && !f->told_lost)
		log_guest_at(LOG_WARN, "lost the back end (%s); the guest waits "
		    "until it is back", why);
	f->lost = f->told_lost = true;
	if (f->relay)
		relay_hold(f);
	front_steps_forget(f);
	try_later(f);
}

/* ---- sending ------------------------------------------------------------------ */

bool
front_conn_send(struct front *f, uint32_t request, uint32_t flags,
    const void *payload, uint32_t size, const int *fds, unsigned int nfds)
{
	union {
		char bytes[CMSG_SPACE(VHU_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct vhu_header header = { request, VHU_VERSION | flags, size };
	union { const void *in; void *out; } body = { .in = payload };
	struct iovec iov[2] = { { &header, sizeof(header) }, { body.out, size } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (nfds > 0) {
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do {
		n = sendmsg(FD_FRONT_CONN, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)(sizeof(header) + size))
		return true;
	front_conn_lose(f, n < 0 && errno != EAGAIN ? "it hung up" :
	    "it takes no messages");
	return false;
}

void
front_conn_await(struct front *f)
{
	f->have = 0;
	f->waiting = true;
	f->deadline = front_now() + f->patience;
	front_conn_arm(f);
}

/* ---- receiving ---------------------------------------------------------------- */

/*
 * The next bytes of header or payload, at most @len: how many, 0: none there,
 * or -errno, -EPIPE for an end. An fd is taken where @fd is not NULL.
 */
static ssize_t
take_bytes(int from, void *to, size_t len, int *fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { to, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (fd != NULL) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	do {
		n = recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 ? -EPIPE : errno == EAGAIN ? 0 : -errno;
	c = fd != NULL ? CMSG_FIRSTHDR(&m) : NULL;
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int))) {
		if (*fd >= 0)
			close(*fd);
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	}
	/* More fds than one, or one where none is due: the kernel drops them. */
	return (m.msg_flags & MSG_CTRUNC) != 0 ? -EPROTO : n;
}

/* True when header and payload are there. False with *why: of no use. */
static bool
receive_answer(struct front *f, int *fd, const char **why)
{
	bool fd_due = f->expect.request == VHU_GET_INFLIGHT_FD;

	for (;;) {
		uint32_t head = VHU_HEADER_SIZE;
		uint8_t *to = f->have < head ?
		    (uint8_t *)&f->header + f->have : f->in.bytes + f->have - head;
		size_t left = f->have < head ? head - f->have :
		    head + f->header.size - f->have;
		ssize_t n;

		if (left == 0)
			return true;
		n = take_bytes(FD_FRONT_CONN, to, left, fd_due ? fd : NULL);
		if (n == 0)
			return false;
		if (n < 0) {
			*why = n == -EPROTO ? "it sent a file descriptor where none "
			    "is due" : "it hung up";
			return false;
		}
		f->have += (uint32_t)n;
		if (f->have == head &&
		    !front_reply_ok(&f->header, &f->expect, why))
			return false;
	}
}

static void
conn_ready(struct loop_source *src, uint32_t events)
{
	struct front *f = src->owner;
	const char *why = NULL;
	uint8_t byte;

	(void)events;
	if (!f->waiting) {
		ssize_t n = take_bytes(FD_FRONT_CONN, &byte, 1, NULL);

		if (n != 0)
			front_conn_lose(f, n == -EPIPE ? "it hung up" : n < 0 ?
			    "the connection broke" : "it sent something unasked");
		return;
	}
	if (receive_answer(f, &f->answer_fd, &why)) {
		int taken = f->answer_fd;

		f->answer_fd = -1;
		f->waiting = false;
		f->deadline = 0;
		front_conn_arm(f);
		front_answered(f, taken);
	} else if (why != NULL) {
		front_conn_lose(f, why);
	}
}

/* ---- the back end's own messages ---------------------------------------------- */

/* One message is in f->event_header. */
static void
event_came(struct front *f)
{
	struct vhu_header answer = {
		.request = f->event_header.request,
		.flags = VHU_VERSION | VHU_FLAG_REPLY, .size = 8,
	};
	/* Known or not: success where it asks, and nothing where it is not. */
	uint64_t none = f->event_header.request != VHU_BACKEND_CONFIG_CHANGE;
	struct iovec iov[2] = { { &answer, sizeof(answer) }, { &none, 8 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	f->event_have = 0;
	if (f->event_header.request == VHU_BACKEND_CONFIG_CHANGE &&
	    f->config_at == 0) {
		f->config_at = front_now() + CONFIG_INTERVAL;
		front_ask(f, JOB_CONFIG);
		front_conn_arm(f);
	} else if (f->event_header.request == VHU_BACKEND_CONFIG_CHANGE) {
		/* Too soon after the last: when the time has come. */
		f->config_again = true;
	}
	if ((f->event_header.flags & VHU_FLAG_NEED_REPLY) != 0)
		(void)sendmsg(FD_FRONT_EVENTS, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
events_ready(struct loop_source *src, uint32_t events)
{
	struct front *f = src->owner;
	const char *why = "the back end channel broke";

	(void)events;
	for (unsigned int i = 0; i < EVENTS_A_ROUND; i++) {
		bool head = f->event_have < VHU_HEADER_SIZE;
		size_t left = head ? VHU_HEADER_SIZE - f->event_have :
		    VHU_HEADER_SIZE + f->event_header.size - f->event_have;
		ssize_t n = take_bytes(FD_FRONT_EVENTS, head ?
		    (uint8_t *)&f->event_header + f->event_have : f->event, left,
		    NULL);

		if (n == 0)
			return;
		/* A back end may well close this channel and go on. */
		if (n == -EPIPE) {
			shut(f, &f->events_src);
			return;
		}
		if (n > 0)
			f->event_have += (uint32_t)n;
		if (n < 0 || (f->event_have == VHU_HEADER_SIZE && head &&
		    !front_event_ok(&f->event_header, &why))) {
			front_conn_lose(f, why);
			return;
		}
		if (f->event_have >= VHU_HEADER_SIZE &&
		    f->event_have == VHU_HEADER_SIZE + f->event_header.size)
			event_came(f);
		if (!f->events_src.added)
			return;
	}
}

/* ---- getting one -------------------------------------------------------------- */

static void
begin(struct front *f)
{
	f->retry_at = 0;
	f->began = front_now();
	f->conn = CONN_GREETING;
	f->conn_src = (struct loop_source){
		.fd = FD_FRONT_CONN, .ready = conn_ready, .owner = f,
	};
	if (loop_add(&f->loop, &f->conn_src, EPOLLIN) < 0) {
		hang_up(FD_FRONT_CONN);
		try_later(f);
		return;
	}
	front_greet(f);
}

/* Who has connected: one at a time, the others wait in the socket's queue. */
static void
listen_ready(struct loop_source *src, uint32_t events)
{
	struct front *f = src->owner;
	int fd = accept4(FD_FRONT_LISTEN, NULL, NULL,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	(void)loop_change(&f->loop, src, 0);
	if (front_place(fd, FD_FRONT_CONN))
		begin(f);
}

void
front_conn_want(struct front *f)
{
	f->retry_at = 0;
	if (f->listens) {
		(void)loop_change(&f->loop, &f->listen_src, EPOLLIN);
		return;
	}
	f->conn = CONN_WANTED;
	device_want_connection(f->dev);
}

void
front_conn_given(struct front *f, int error, const int *fds,
    unsigned int nfds)
{
	static const int slots[] = {
		FD_FRONT_CONN, FD_FRONT_EVENTS, FD_FRONT_EVENTS_PEER,
	};
	unsigned int placed = 0;

	if (f->conn == CONN_WANTED && error == 0 && nfds == 3)
		while (placed < 3 &&
		    dup3(fds[placed], slots[placed], O_CLOEXEC) >= 0)
			placed++;
	for (unsigned int i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (f->conn != CONN_WANTED)
		return;
	if (placed < 3) {
		while (placed > 0)
			close(slots[--placed]);
		try_later(f);
		return;
	}
	f->events_open = true;
	f->events_src = (struct loop_source){
		.fd = FD_FRONT_EVENTS, .ready = events_ready, .owner = f,
	};
	if (loop_add(&f->loop, &f->events_src, EPOLLIN) < 0)
		close(FD_FRONT_EVENTS);
	begin(f);
}

/* ---- time --------------------------------------------------------------------- */

static void
timer_ready(struct loop_source *src, uint32_t events)
{
	struct front *f = src->owner;
	uint64_t count, now;

	(void)events;
	if (read(src->fd, &count, sizeof(count)) < 0)
		return;		/* set anew meanwhile */
	now = front_now();
	if (f->deadline != 0 && now >= f->deadline)
		front_conn_lose(f, "it did not answer in time");
	if (f->retry_at != 0 && now >= f->retry_at)
		front_conn_want(f);
	if (f->config_at != 0 && now >= f->config_at) {
		f->config_at = 0;
		if (f->config_again) {
			f->config_again = false;
			f->config_at = now + CONFIG_INTERVAL;
			front_ask(f, JOB_CONFIG);
		}
	}
	front_conn_arm(f);
}

int
front_conn_init(struct front *f)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (fd != FD_TIMER) {
		if (dup3(fd, FD_TIMER, O_CLOEXEC) < 0)
			rc = -errno;
		close(fd);
	}
	if (rc == 0)
		rc = loop_init(&f->loop, FD_FRONT_LOOP);
	if (rc < 0)
		return rc;
	f->answer_fd = -1;
	f->backoff_ms = BACKOFF_FIRST_MS;
	f->timer_src = (struct loop_source){
		.fd = FD_TIMER, .ready = timer_ready, .owner = f,
	};
	rc = loop_add(&f->loop, &f->timer_src, EPOLLIN);
	if (rc < 0 || !f->listens)
		return rc;
	f->listen_src = (struct loop_source){
		.fd = FD_FRONT_LISTEN, .ready = listen_ready, .owner = f,
	};
	return loop_add(&f->loop, &f->listen_src, 0);
}
