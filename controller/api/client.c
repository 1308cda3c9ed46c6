// SPDX-License-Identifier: Apache-2.0
//
// The life of one client and what it is sent, see client.h. Sending never waits:
// what the socket does not take is written when it does.
#include "controller/api/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGE_ROOMS 8u		/* for bodies and answers that are not small */
#define LARGE_SIZE ((size_t)HTTP_MAX_BODY)

static uint8_t rooms[LARGE_ROOMS][LARGE_SIZE];
static bool room_taken[LARGE_ROOMS];

/* ---- large rooms ------------------------------------------------------------------ */

struct http_room
client_take_room(void)
{
	for (size_t i = 0; i < LARGE_ROOMS; i++)
		if (!room_taken[i]) {
			room_taken[i] = true;
			return (struct http_room){ rooms[i], LARGE_SIZE };
		}
	return (struct http_room){ .at = NULL };
}

void
client_give_room(struct http_room *room)
{
	if (room->at == NULL)
		return;
	(void)madvise(room->at, LARGE_SIZE, MADV_DONTNEED);
	room_taken[(size_t)(room->at - rooms[0]) / LARGE_SIZE] = false;
	room->at = NULL;
}

/* ---- the life of a client ------------------------------------------------------------ */

void
client_close_fds(struct client *c)
{
	while (c->nfds > 0)
		close(c->fds[--c->nfds]);
}

void
client_forget(struct client *c)
{
	if (c->state == CLIENT_FREE)
		return;
	/* A request that is with the controller is answered to nobody. */
	loop_remove(c->all->loop, &c->src);
	close(c->src.fd);
	client_close_fds(c);
	client_give_room(&c->http.large);
	client_give_room(&c->large);
	if (c->state == CLIENT_WAITING)
		c->all->waiting--;
	c->state = CLIENT_FREE;
	c->seq = 0;
	c->all->in_use--;
}

void
client_watch(struct client *c, uint32_t events)
{
	if (c->src.events != events)
		(void)loop_change(c->all->loop, &c->src, events);
}

void
client_enter(struct client *c, enum client_state state)
{
	c->state = state;
	c->since = c->all->ticks;
	/* A client that waits is watched for its hanging up only. */
	client_watch(c, state == CLIENT_READING ? EPOLLIN :
	    state == CLIENT_WRITING ? EPOLLOUT : EPOLLRDHUP);
}

/* ---- writing ---------------------------------------------------------------------------- */

ssize_t
client_send(int fd, const void *bytes, size_t len)
{
	union { const void *in; void *out; } u = { .in = bytes };
	struct iovec iov = { .iov_base = u.out, .iov_len = len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do
		n = sendmsg(fd, &hdr, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

void
client_write(struct client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = client_send(c->src.fd, c->out + c->out_at,
		    c->out_len - c->out_at);

		if (n < 0 && errno == EAGAIN) {
			client_enter(c, CLIENT_WRITING);
			return;
		}
		if (n < 0) {
			client_forget(c);
			return;
		}
		c->out_at += (size_t)n;
		c->since = c->all->ticks;
	}
	client_give_room(&c->large);
	if (c->close) {
		client_forget(c);
		return;
	}
	http_next(&c->http);
	c->continued = false;
	client_enter(c, CLIENT_READING);
}

static const char *
reason(unsigned int status)
{
	switch (status) {
	case 200: return "OK";
	case 204: return "No Content";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 409: return "Conflict";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 503: return "Service Unavailable";
	default: return "Internal Server Error";
	}
}

/* Head and body lie in one buffer; the body was printed behind the head's room. */
#define HEAD_ROOM 256u

void
client_respond(struct client *c, unsigned int status, struct text *body)
{
	char head[HEAD_ROOM];
	int n;

	client_give_room(&c->http.large);
	client_close_fds(c);
	if (!http_keeps_alive(&c->http) || c->all->closing)
		c->close = true;
	if (status == 204)
		n = snprintf(head, sizeof(head), "HTTP/1.1 204 No Content\r\n"
		    "Server: Bulkhead API\r\nConnection: %s\r\n\r\n",
		    c->close ? "close" : "keep-alive");
	else
		n = snprintf(head, sizeof(head), "HTTP/1.1 %u %s\r\n"
		    "Server: Bulkhead API\r\nConnection: %s\r\n"
		    "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n\r\n", status, reason(status),
		    c->close ? "close" : "keep-alive", body->len);
	c->out = body->at - (size_t)n;
	memcpy(c->out, head, (size_t)n);
	c->out_at = 0;
	c->out_len = (size_t)n + body->len;
	client_write(c);
}

/* Room for a body, small first; what is longer than both is an error. */
struct text
client_small_body(struct client *c)
{
	return (struct text){ .at = c->small + HEAD_ROOM,
	    .size = sizeof(c->small) - HEAD_ROOM };
}

bool
client_large_body(struct client *c, struct text *t)
{
	c->large = client_take_room();
	if (c->large.at == NULL)
		return false;
	*t = (struct text){ .at = (char *)c->large.at + HEAD_ROOM,
	    .size = LARGE_SIZE - HEAD_ROOM };
	return true;
}

void
client_refuse(struct client *c, unsigned int status, const char *const *texts,
    size_t n)
{
	struct text t = client_small_body(c);

	answer_errors(&t, texts, n);
	if (t.full) {
		t.len = 0;
		t.full = false;
		answer_errors(&t, texts, 1);
	}
	client_respond(c, status, &t);
}

/* What is no request any more: say so, and hang up. */
void
client_refuse_http(struct client *c, unsigned int status)
{
	const char *texts[] = { reason(status) };

	c->close = true;
	client_refuse(c, status, texts, 1);
}
