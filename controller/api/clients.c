// SPDX-License-Identifier: Apache-2.0
//
// Who is connected, and what they send, see clients.h. A client is read until it has brought one request,
// then not until that is answered: what it sends meanwhile stays in the socket,
// but for the rest of what was read last.
#include "controller/api/clients.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "controller/api/client.h"
#include "controller/api/http.h"
#include "ipc/slots.h"
#include "proto/limits.h"

#define READS 64u		/* of one client before the others' turn */
#define SLOW_SECONDS 30u	/* for a request to come, or an answer to go */

static struct clients all;

/* ---- reading ------------------------------------------------------------------------------ */

static void
take_fds(struct client *c, struct msghdr *hdr)
{
	struct cmsghdr *m;

	for (m = CMSG_FIRSTHDR(hdr); m != NULL; m = CMSG_NXTHDR(hdr, m)) {
		size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(int), sizeof(fd));
			if (c->nfds < API_LIMIT_FDS) {
				c->fds[c->nfds++] = fd;
			} else {
				close(fd);
				hdr->msg_flags |= MSG_CTRUNC;
			}
		}
	}
}

/* Some more bytes into c->rest; false: there are none now, or the client went. */
static bool
receive(struct client *c)
{
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(API_LIMIT_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = c->rest, .iov_len = sizeof(c->rest) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	do
		n = recvmsg(c->src.fd, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		client_forget(c);
		return false;
	}
	take_fds(c, &hdr);
	if ((hdr.msg_flags & MSG_CTRUNC) != 0) {
		client_refuse_http(c, 400);
		return false;
	}
	/* Who sends a byte a minute has no more time for it. */
	if (!c->http.begun)
		c->since = all.ticks;
	c->rest_at = 0;
	c->rest_len = (size_t)n;
	return true;
}

static void
say_continue(struct client *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!c->http.expects || c->continued || c->http.body_len > 0)
		return;
	c->continued = true;
	(void)client_send(c->src.fd, go_on, sizeof(go_on) - 1);
}

/* Go on with a client, until it has nothing more or has to wait. */
static void
advance(struct client *c)
{
	unsigned int reads = 0;

	while (c->state == CLIENT_READING || c->state == CLIENT_READY) {
		if (c->state == CLIENT_READY || c->http.complete) {
			if (exchange_must_wait(c)) {
				if (c->state != CLIENT_READY)
					client_enter(c, CLIENT_READY);
				return;
			}
			exchange_request(c);
			continue;
		}
		/* The others' turn, when all that was read is dealt with. */
		if (c->rest_at == c->rest_len &&
		    (++reads > READS || !receive(c)))
			return;
		c->rest_at += http_feed(&c->http, c->rest + c->rest_at,
		    c->rest_len - c->rest_at);
		if (c->http.status != 0)
			client_refuse_http(c, c->http.status);
		else
			say_continue(c);
	}
}

/* Those whose requests were kept back. */
static void
advance_ready(void)
{
	for (unsigned int i = 0; i < all.top; i++)
		if (all.of[i].state == CLIENT_READY && !exchange_must_wait(&all.of[i]))
			advance(&all.of[i]);
}

static void
client_ready(struct loop_source *src, uint32_t events)
{
	struct client *c = src->owner;

	if (c->state == CLIENT_WRITING) {
		if ((events & (EPOLLERR | EPOLLHUP)) != 0 &&
		    (events & EPOLLOUT) == 0)
			client_forget(c);
		else
			client_write(c);
	} else if (c->state == CLIENT_WAITING || c->state == CLIENT_READY) {
		/* It does not want the answer. Half a close is none: the other
		 * half may still read. */
		if ((events & (EPOLLERR | EPOLLHUP)) != 0)
			client_forget(c);
		else
			client_watch(c, 0);
		return;
	}
	if (c->state == CLIENT_READING)
		advance(c);
	advance_ready();
}

/* ---- accepting ------------------------------------------------------------------------------ */

static void
start_ticking(void)
{
	static const struct itimerspec second = {
		.it_interval = { .tv_sec = 1 }, .it_value = { .tv_sec = 1 },
	};

	if (!all.ticking)
		(void)timerfd_settime(FD_TIMER, 0, &second, NULL);
	all.ticking = true;
}

/* A place: a free one, or that of who has been idle or slow for longest. */
static struct client *
make_place(void)
{
	struct client *oldest = NULL;

	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &all.of[i];

		if (c->state == CLIENT_FREE)
			return c;
		if (c->state != CLIENT_WAITING && (oldest == NULL ||
		    all.ticks - c->since > all.ticks - oldest->since))
			oldest = c;
	}
	if (oldest != NULL)
		client_forget(oldest);
	return oldest;
}

static void
accept_ready(struct loop_source *src, uint32_t events)
{
	(void)events;
	for (unsigned int i = 0; i < 64; i++) {
		int fd = accept4(src->fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct client *c;

		if (fd < 0)
			return;
		c = make_place();
		if (c == NULL) {
			close(fd);
			return;
		}
		c->all = &all;
		c->state = CLIENT_READING;
		c->close = c->continued = false;
		c->since = all.ticks;
		c->rest_at = c->rest_len = 0;
		c->nfds = 0;
		c->seq = 0;
		http_init(&c->http, client_take_room);
		c->src = (struct loop_source){ .fd = fd, .ready = client_ready,
		    .owner = c };
		all.in_use++;
		if ((unsigned int)(c - all.of) >= all.top)
			all.top = (unsigned int)(c - all.of) + 1;
		if (loop_add(all.loop, &c->src, EPOLLIN) != 0)
			client_forget(c);
		start_ticking();
	}
}

void
clients_init(struct loop *loop, struct chan *ctl, const struct about *about,
    uint64_t seed)
{
	all.loop = loop;
	all.ctl = ctl;
	all.about = about;
	exchange_init(seed);
}

int
clients_listen(void)
{
	all.listener = (struct loop_source){ .fd = FD_API,
	    .ready = accept_ready };
	return loop_add(all.loop, &all.listener, EPOLLIN);
}

/* ---- answers -------------------------------------------------------------------------------- */

void
clients_answer(uint32_t seq, const Bh__ApiAnswer *answer)
{
	bool whole;
	struct client *c = exchange_answer(&all, seq, answer, &whole);

	if (!whole)
		return;
	if (c != NULL && c->state == CLIENT_READING)
		advance(c);
	advance_ready();
}

/* ---- time --------------------------------------------------------------------------------------- */

bool
clients_tick(void)
{
	all.ticks++;
	for (unsigned int i = 0; i < all.top; i++) {
		struct client *c = &all.of[i];

		if (all.ticks - c->since < SLOW_SECONDS)
			continue;
		if (c->state == CLIENT_WRITING)
			client_forget(c);
		else if (c->state == CLIENT_READING && (c->http.begun ||
		    c->nfds > 0))
			client_refuse_http(c, 408);
	}
	return all.in_use > 0;
}

bool
clients_finish(void)
{
	bool done = true;

	if (!all.closing && all.listener.added)
		loop_remove(all.loop, &all.listener);
	all.closing = true;
	for (unsigned int i = 0; i < all.top; i++)
		if (all.of[i].state == CLIENT_WRITING)
			done = false;
	return done;
}
