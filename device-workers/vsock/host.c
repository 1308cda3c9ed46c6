// SPDX-License-Identifier: Apache-2.0
//
// The host's sockets, see vsock_int.h: clients, which say "CONNECT <port>\n" and are
// told "OK <port>\n", and connections that the controller makes for the guest. A client
// that says nothing, half a line or something else costs itself.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "device-workers/vsock/vsock_int.h"
#include "ipc/log.h"

#define ACCEPTS 16u		/* then others get their turn */
#define EVENTS 64
#define LINE 32u		/* more than CONNECT and any port */
#define WATCHED (EPOLLIN | EPOLLRDHUP | EPOLLET)

/* Ticks, of a second, that a state may last. */
#define GREETING_TICKS 5u
#define REQUESTED_TICKS 8u	/* as long as Linux waits for the end of a connection */
#define CLOSING_TICKS 8u
#define DRAINING_TICKS 60u

/* ---- time --------------------------------------------------------------------------- */

void
host_start_ticking(void)
{
	const struct itimerspec once = { .it_value.tv_sec = 1 };

	if (!vsock.ticking && timerfd_settime(FD_TIMER, 0, &once, NULL) == 0)
		vsock.ticking = true;
}

/* How long it may be as it is; 0: for ever. */
static unsigned int
patience(const struct conn *c)
{
	switch (c->state) {
	case CONN_GREETING:
		return GREETING_TICKS;
	case CONN_REQUESTED:
		return REQUESTED_TICKS;
	case CONN_DRAINING:
		return DRAINING_TICKS;
	case CONN_OPEN:
		return c->told == SHUT_F_BOTH ? CLOSING_TICKS : 0;
	default:
		return 0;
	}
}

void
host_tick(void)
{
	uint64_t count;
	bool more = false;

	if (read(FD_TIMER, &count, sizeof(count)) < 0)
		return;
	vsock.ticking = false;
	for (unsigned int i = 0; i < vsock.high; i++) {
		struct conn *c = &conns[i];
		unsigned int ticks = patience(c);

		if (ticks == 0)
			continue;
		if (c->age++ < ticks) {
			more = true;
			continue;
		}
		if (c->state == CONN_GREETING)
			log_guest_at(LOG_WARN, "vsock: a client of the host has not "
			    "said CONNECT and a port: closed");
		conn_reset(c);
	}
	if (more)
		host_start_ticking();
	host_listen();
}

/* ---- watching ------------------------------------------------------------------------- */

static bool
watch(struct conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u32 = conn_index(c) };

	return epoll_ctl(FD_VSOCK_EPOLL, op, conn_fd(c), &ev) == 0;
}

bool
host_watch(struct conn *c)
{
	return watch(c, EPOLL_CTL_ADD, WATCHED);
}

/* Only while there is a backlog: a reader at the other end would wake us each time. */
void
host_watch_out(struct conn *c, bool on)
{
	if (c->watch_out == on || !c->has_fd)
		return;
	c->watch_out = on;
	(void)watch(c, EPOLL_CTL_MOD, on ? WATCHED | EPOLLOUT : WATCHED);
}

void
host_listen(void)
{
	const bool want = vsock.dev->active && vsock.nconns < VSOCK_CONNS &&
	    vsock.ngreeting < VSOCK_GREETING;

	if (want == vsock.listening)
		return;
	vsock.listening = want;
	for (int fd = FD_VSOCK_STREAM; fd <= FD_VSOCK_SEQPACKET; fd++)
		if (want)
			(void)device_watch(vsock.dev, fd, EPOLLIN);
		else
			device_unwatch(vsock.dev, fd);
}

/* @fd to the slot of @c, and watched. @fd is closed. */
static bool
adopt(struct conn *c, int fd)
{
	bool good = dup3(fd, conn_fd(c), O_CLOEXEC) >= 0;

	close(fd);
	c->has_fd = good;
	return good && host_watch(c);
}

/* ---- clients of the host ----------------------------------------------------------------- */

void
host_accept(int listener)
{
	const enum vsock_type type = listener == FD_VSOCK_STREAM ? VSOCK_STREAM :
	    VSOCK_SEQPACKET;

	for (unsigned int i = 0; i < ACCEPTS && vsock.listening; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0) {
			if (errno == EAGAIN || errno == EINTR ||
			    errno == ECONNABORTED)
				return;
			log_guest("vsock: accept: %s", log_errname(errno));
			/* Until the next tick. */
			device_unwatch(vsock.dev, FD_VSOCK_STREAM);
			device_unwatch(vsock.dev, FD_VSOCK_SEQPACKET);
			vsock.listening = false;
			host_start_ticking();
			return;
		}
		c = conn_new(type, false);
		if (c == NULL || (type == VSOCK_SEQPACKET &&
		    (vsock.dev->driver_features >> VSOCK_F_SEQPACKET & 1) == 0)) {
			close(fd);
			if (c != NULL)
				conn_free(c);
		} else if (!adopt(c, fd)) {
			conn_free(c);
		}
		host_listen();
	}
	host_start_ticking();
}

/* "CONNECT 52\n", and how long it is; 0: there is no end yet; -1: it is not that. */
static int
parse(const char *line, size_t len, uint32_t *port)
{
	static const char word[] = "CONNECT ";
	const size_t at = sizeof(word) - 1;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < len && i < at; i++)
		if (line[i] != word[i])
			return -1;
	for (; i < len && line[i] >= '0' && line[i] <= '9'; i++) {
		n = 10 * n + (uint64_t)(line[i] - '0');
		if (n >= UINT32_MAX)
			return -1;
	}
	if (i == len)
		return len < LINE ? 0 : -1;
	if (i == at || line[i] != '\n')
		return -1;
	*port = (uint32_t)n;
	return (int)i + 1;
}

static void
refuse_client(struct conn *c)
{
	log_guest_at(LOG_WARN, "vsock: a client of the host has not said CONNECT and "
	    "a port: closed");
	conn_free(c);
}

static void
greet(struct conn *c)
{
	char line[LINE];
	struct iovec iov = { line, sizeof(line) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint32_t port;
	ssize_t n = recvmsg(conn_fd(c), &msg, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	int len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	len = n <= 0 ? -1 : parse(line, (size_t)n < LINE ? (size_t)n : LINE, &port);
	/* Of messages, it is one. */
	if (len < 0 || (len == 0 && (c->ended || c->type == VSOCK_SEQPACKET)) ||
	    (c->type == VSOCK_SEQPACKET && len != n)) {
		refuse_client(c);
		return;
	}
	if (len == 0)
		return;
	iov.iov_len = (size_t)len;
	if (recvmsg(conn_fd(c), &msg, MSG_DONTWAIT) != len) {
		refuse_client(c);
		return;
	}
	backlog_reserve(c, vsock.buffer);
	conn_name(c, port, conn_free_port(c->type, port));
	c->state = CONN_REQUESTED;
	c->age = 0;
	c->readable = true;
	c->owed = OWE_REQUEST;
	vsock.ngreeting--;
	conn_ready(c);
	host_listen();
}

/* ---- events ------------------------------------------------------------------------------- */

static void
on_event(struct conn *c, uint32_t events)
{
	/* It may be another by now, which then finds nothing. */
	if (!c->has_fd)
		return;
	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		c->hung_up = c->ended = true;
	if ((events & EPOLLRDHUP) != 0)
		c->ended = true;
	if (c->watch_out && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
		conn_flushed(c, backlog_flush(c));
		if (!c->has_fd)
			return;
	}
	if ((events & ~(uint32_t)EPOLLOUT) == 0)
		return;
	if (c->state == CONN_GREETING) {
		greet(c);
		return;
	}
	c->readable = true;
	if (c->hung_up && (c->told & SHUT_F_SEND) != 0)
		conn_tell(c, SHUT_F_BOTH);
	else
		conn_ready(c);
}

void
host_events(void)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(FD_VSOCK_EPOLL, ev, EVENTS, 0);

	for (int i = 0; i < n; i++)
		if (ev[i].data.u32 < VSOCK_CONNS)
			on_event(&conns[ev[i].data.u32], ev[i].events);
}

/* ---- the host's ports ------------------------------------------------------------------------ */

void
host_want_next(void)
{
	while (!vsock.asking && vsock.wanted.first != VSOCK_NONE) {
		struct conn *c = &conns[vsock.wanted.first];

		list_remove(&vsock.wanted, c);
		vsock.asked = conn_index(c);
		vsock.asking = true;
		if (device_want_port(vsock.dev, c->host_port,
		    c->type == VSOCK_SEQPACKET) == 0)
			return;
		vsock.asking = false;
		conn_reset(c);
	}
}

void
host_connected(int error, int fd)
{
	struct conn *c = vsock.asked == VSOCK_NONE ? NULL : &conns[vsock.asked];

	vsock.asking = false;
	if (c == NULL) {
		if (fd >= 0)
			close(fd);
	} else if (error != 0 || !adopt(c, fd)) {
		conn_reset(c);
	} else {
		vsock.asked = VSOCK_NONE;
		backlog_reserve(c, vsock.buffer);
		c->state = CONN_OPEN;
		vsock_count(VSOCK_COUNT_BY_GUEST, 1);
		c->owed = OWE_RESPONSE;
		c->readable = true;
		conn_ready(c);
	}
	host_want_next();
}
