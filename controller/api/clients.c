// SPDX-License-Identifier: Apache-2.0
//
// Connections, see clients.h. A client is read until it has brought one request,
// then not until that is answered: what it sends meanwhile stays in the socket,
// but for the rest of what was read last.
#include "controller/api/clients.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "controller/api/http.h"
#include "controller/api/request.h"
#include "ipc/slots.h"
#include "proto/limits.h"

#define READ_SIZE 4096u
#define SMALL_ANSWER 2048u
#define LARGE_ROOMS 8u		/* for bodies and answers that are not small */
#define LARGE_SIZE ((size_t)HTTP_MAX_BODY)
#define WINDOW 16u		/* requests at the controller at once */
#define READS 64u		/* of one client before the others' turn */
#define SLOW_SECONDS 30u	/* for a request to come, or an answer to go */
#define PART_BYTES 50000u	/* of a request; the packet's limit is 65536 */
#define REQUEST_BYTES 120000u	/* of all its parts: the socket takes no more */
#define ARENA_SIZE (16u << 20)
#define GIVE_BACK (64u << 10)	/* of an arena that used more than this */

enum client_state {
	CLIENT_FREE,
	CLIENT_READING,
	CLIENT_READY,		/* a request is there, the window is full */
	CLIENT_WAITING,		/* ... and with the controller */
	CLIENT_WRITING,
};

struct client {
	struct http http;
	struct loop_source src;
	struct http_room large;	/* of the answer */
	char *out;
	size_t out_at, out_len;
	size_t rest_at, rest_len;
	uint8_t rest[READ_SIZE];
	char small[SMALL_ANSWER];
	int fds[API_LIMIT_FDS];
	unsigned int nfds;
	enum client_state state;
	unsigned int since;	/* ticks, of the last progress */
	uint32_t seq;
	Bh__ApiVerb verb;
	bool close;		/* after the answer */
	bool continued;		/* 100 Continue was sent */
};

static struct client clients[CLIENTS_MAX];
static uint8_t rooms[LARGE_ROOMS][LARGE_SIZE];
static bool room_taken[LARGE_ROOMS];
static uint8_t arena_bytes[ARENA_SIZE], gather_bytes[1u << 20];
static struct arena arena = { .at = arena_bytes, .size = ARENA_SIZE };
static struct arena gather_arena = { .at = gather_bytes,
    .size = sizeof(gather_bytes) };
static struct gathered gathered;

static struct {
	struct loop *loop;
	struct chan *ctl;
	const struct about *about;
	struct loop_source listener;
	unsigned int ticks, in_use, waiting, top;
	uint32_t info;		/* the vm.info that is with the controller */
	bool ticking, closing;
} all;

/* ---- large rooms ------------------------------------------------------------------ */

static struct http_room
take_room(void)
{
	for (size_t i = 0; i < LARGE_ROOMS; i++)
		if (!room_taken[i]) {
			room_taken[i] = true;
			return (struct http_room){ rooms[i], LARGE_SIZE };
		}
	return (struct http_room){ .at = NULL };
}

static void
give_room(struct http_room *room)
{
	if (room->at == NULL)
		return;
	(void)madvise(room->at, LARGE_SIZE, MADV_DONTNEED);
	room_taken[(size_t)(room->at - rooms[0]) / LARGE_SIZE] = false;
	room->at = NULL;
}

static void
empty_arena(struct arena *a)
{
	if (a->most > GIVE_BACK)
		(void)madvise(a->at + GIVE_BACK, a->size - GIVE_BACK,
		    MADV_DONTNEED);
	a->used = a->most = 0;
}

/* ---- the life of a client ------------------------------------------------------------ */

static void advance(struct client *c);

static void
close_fds(struct client *c)
{
	while (c->nfds > 0)
		close(c->fds[--c->nfds]);
}

static void
forget(struct client *c)
{
	if (c->state == CLIENT_FREE)
		return;
	/* A request that is with the controller is answered to nobody. */
	loop_remove(all.loop, &c->src);
	close(c->src.fd);
	close_fds(c);
	give_room(&c->http.large);
	give_room(&c->large);
	if (c->state == CLIENT_WAITING)
		all.waiting--;
	c->state = CLIENT_FREE;
	c->seq = 0;
	all.in_use--;
}

static void
watch(struct client *c, uint32_t events)
{
	if (c->src.events != events)
		(void)loop_change(all.loop, &c->src, events);
}

static void
go(struct client *c, enum client_state state)
{
	c->state = state;
	c->since = all.ticks;
	/* A client that waits is watched for its hanging up only. */
	watch(c, state == CLIENT_READING ? EPOLLIN :
	    state == CLIENT_WRITING ? EPOLLOUT : EPOLLRDHUP);
}

/* ---- writing ---------------------------------------------------------------------------- */

static ssize_t
send_bytes(int fd, const void *bytes, size_t len)
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

static void
write_some(struct client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send_bytes(c->src.fd, c->out + c->out_at,
		    c->out_len - c->out_at);

		if (n < 0 && errno == EAGAIN) {
			go(c, CLIENT_WRITING);
			return;
		}
		if (n < 0) {
			forget(c);
			return;
		}
		c->out_at += (size_t)n;
		c->since = all.ticks;
	}
	give_room(&c->large);
	if (c->close) {
		forget(c);
		return;
	}
	http_next(&c->http);
	c->continued = false;
	go(c, CLIENT_READING);
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

static void
respond(struct client *c, unsigned int status, struct text *body)
{
	char head[HEAD_ROOM];
	int n;

	give_room(&c->http.large);
	close_fds(c);
	if (!http_keeps_alive(&c->http) || all.closing)
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
	write_some(c);
}

/* Room for a body, small first; what is longer than both is an error. */
static struct text
small_body(struct client *c)
{
	return (struct text){ .at = c->small + HEAD_ROOM,
	    .size = sizeof(c->small) - HEAD_ROOM };
}

static bool
large_body(struct client *c, struct text *t)
{
	c->large = take_room();
	if (c->large.at == NULL)
		return false;
	*t = (struct text){ .at = (char *)c->large.at + HEAD_ROOM,
	    .size = LARGE_SIZE - HEAD_ROOM };
	return true;
}

static void
refuse(struct client *c, unsigned int status, const char *const *texts,
    size_t n)
{
	struct text t = small_body(c);

	answer_errors(&t, texts, n);
	if (t.full) {
		t.len = 0;
		t.full = false;
		answer_errors(&t, texts, 1);
	}
	respond(c, status, &t);
}

/* What is no request any more: say so, and hang up. */
static void
refuse_http(struct client *c, unsigned int status)
{
	const char *texts[] = { reason(status) };

	c->close = true;
	refuse(c, status, texts, 1);
}

/* ---- to the controller --------------------------------------------------------------------- */

/* Options from *@from on that fit into one packet; how many. */
static size_t
fit(const struct request_built *r, size_t from, size_t *bytes)
{
	size_t n = 0;

	*bytes = 0;
	while (from + n < r->noptions) {
		size_t more = 8 + bh__api_option__get_packed_size(
		    r->options[from + n]);

		if (n > 0 && *bytes + more > PART_BYTES)
			break;
		*bytes += more;
		n++;
	}
	return n;
}

/* 0; -E2BIG; or the channel's. */
static int
send_request(struct client *c, const struct request_built *r)
{
	Bh__ApiRequest req = BH__API_REQUEST__INIT;
	CHAN_PACKET(p, API_REQUEST, api_request, &req);
	size_t at = 0, bytes, all_bytes = 0;
	bool takes = r->verb == BH__API_VERB__API_VERB_CREATE ||
	    r->verb == BH__API_VERB__API_VERB_ADD ||
	    r->verb == BH__API_VERB__API_VERB_UPGRADE_WORKER ||
	    r->verb == BH__API_VERB__API_VERB_RESTORE;
	int rc;

	for (size_t i = 0; i < r->noptions; i += bytes) {
		bytes = fit(r, i, &at);
		all_bytes += at;
		if (at > 64000 || all_bytes > REQUEST_BYTES)
			return -E2BIG;
	}
	if (!takes)
		close_fds(c);
	p.seq = c->seq;
	req.verb = r->verb;
	at = 0;
	do {
		req.n_options = fit(r, at, &bytes);
		req.options = r->options + at;
		at += req.n_options;
		req.more = at < r->noptions;
		rc = chan_send(all.ctl, &p, c->fds, req.more ? 0 : c->nfds);
	} while (rc == 0 && req.more);
	return rc;
}

/* The request is whole: say what is wrong with it, or pass it on. */
static void
dispatch(struct client *c)
{
	static const char *const too_large[] = { "Failed to deserialize JSON",
	    "the configuration is too large" };
	struct request_error err = { .status = 0 };
	struct request_built built;
	bool put = c->http.parser.method == HTTP_PUT;
	int rc = -1;

	empty_arena(&arena);
	err.texts[0] = "Bad Request";
	err.status = 400;
	if (put || c->http.parser.method == HTTP_GET)
		rc = request_build(&arena, put, c->http.url, http_body(&c->http),
		    c->http.body_len, &built, &err);
	if (rc != 0) {
		refuse(c, err.status, err.texts, 2);
		return;
	}
	c->verb = built.verb;
	c->seq = chan_next_seq(all.ctl);
	rc = send_request(c, &built);
	if (rc == -E2BIG) {
		refuse(c, 400, too_large, 2);
		return;
	}
	if (rc < 0) {		/* nobody is there to serve */
		all.loop->stop = true;
		return;
	}
	give_room(&c->http.large);
	close_fds(c);
	if (c->verb == BH__API_VERB__API_VERB_INFO ||
	    c->verb == BH__API_VERB__API_VERB_COUNTERS)
		all.info = c->seq;
	all.waiting++;
	go(c, CLIENT_WAITING);
}

/* vm.info and vm.counters may be long: the socket surely holds one at a time. */
static bool
must_wait(const struct client *c)
{
	return all.waiting >= WINDOW ||
	    (all.info != 0 && (strstr(c->http.url, "vm.info") != NULL ||
	    strstr(c->http.url, "vm.counters") != NULL));
}

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
		forget(c);
		return false;
	}
	take_fds(c, &hdr);
	if ((hdr.msg_flags & MSG_CTRUNC) != 0) {
		refuse_http(c, 400);
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
	(void)send_bytes(c->src.fd, go_on, sizeof(go_on) - 1);
}

/* Go on with a client, until it has nothing more or has to wait. */
static void
advance(struct client *c)
{
	unsigned int reads = 0;

	while (c->state == CLIENT_READING || c->state == CLIENT_READY) {
		if (c->state == CLIENT_READY || c->http.complete) {
			if (must_wait(c)) {
				if (c->state != CLIENT_READY)
					go(c, CLIENT_READY);
				return;
			}
			dispatch(c);
			continue;
		}
		/* The others' turn, when all that was read is dealt with. */
		if (c->rest_at == c->rest_len &&
		    (++reads > READS || !receive(c)))
			return;
		c->rest_at += http_feed(&c->http, c->rest + c->rest_at,
		    c->rest_len - c->rest_at);
		if (c->http.status != 0)
			refuse_http(c, c->http.status);
		else
			say_continue(c);
	}
}

/* Those whose requests were kept back. */
static void
advance_ready(void)
{
	for (unsigned int i = 0; i < all.top && all.waiting < WINDOW; i++)
		if (clients[i].state == CLIENT_READY && !must_wait(&clients[i]))
			advance(&clients[i]);
}

static void
client_ready(struct loop_source *src, uint32_t events)
{
	struct client *c = src->owner;

	if (c->state == CLIENT_WRITING) {
		if ((events & (EPOLLERR | EPOLLHUP)) != 0 &&
		    (events & EPOLLOUT) == 0)
			forget(c);
		else
			write_some(c);
	} else if (c->state == CLIENT_WAITING || c->state == CLIENT_READY) {
		/* It does not want the answer. Half a close is none: the other
		 * half may still read. */
		if ((events & (EPOLLERR | EPOLLHUP)) != 0)
			forget(c);
		else
			watch(c, 0);
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
		struct client *c = &clients[i];

		if (c->state == CLIENT_FREE)
			return c;
		if (c->state != CLIENT_WAITING && (oldest == NULL ||
		    all.ticks - c->since > all.ticks - oldest->since))
			oldest = c;
	}
	if (oldest != NULL)
		forget(oldest);
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
		c->state = CLIENT_READING;
		c->close = c->continued = false;
		c->since = all.ticks;
		c->rest_at = c->rest_len = 0;
		c->nfds = 0;
		c->seq = 0;
		http_init(&c->http, take_room);
		c->src = (struct loop_source){ .fd = fd, .ready = client_ready,
		    .owner = c };
		all.in_use++;
		if ((unsigned int)(c - clients) >= all.top)
			all.top = (unsigned int)(c - clients) + 1;
		if (loop_add(all.loop, &c->src, EPOLLIN) != 0)
			forget(c);
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
	request_init(&arena, seed);
}

int
clients_listen(void)
{
	all.listener = (struct loop_source){ .fd = FD_API,
	    .ready = accept_ready };
	return loop_add(all.loop, &all.listener, EPOLLIN);
}

/* ---- answers -------------------------------------------------------------------------------- */

static void
print_answer(struct client *c, const Bh__ApiAnswer *answer)
{
	static const char *const too_large[] = { "Error from API",
	    "the answer is too large" };
	struct text t = small_body(c);

	if (!gathered.full)
		answer_print(&t, c->verb, &gathered, answer, all.about);
	if (t.full && large_body(c, &t))
		answer_print(&t, c->verb, &gathered, answer, all.about);
	all.waiting--;
	c->seq = 0;
	c->state = CLIENT_WRITING;
	if (gathered.full || t.full) {
		give_room(&c->large);
		refuse(c, 500, too_large, 2);
		return;
	}
	respond(c, answer->status, &t);
}

void
clients_answer(uint32_t seq, const Bh__ApiAnswer *answer)
{
	static uint32_t gathering;
	struct client *c = NULL;

	for (unsigned int i = 0; i < all.top && c == NULL; i++)
		if (clients[i].state == CLIENT_WAITING && clients[i].seq == seq)
			c = &clients[i];
	if (gathering != seq)
		gather_begin(&gathered, &gather_arena);
	gathering = seq;
	gather(&gathered, answer);
	if (answer->more)
		return;
	gathering = 0;
	if (seq == all.info)
		all.info = 0;
	if (c != NULL) {
		print_answer(c, answer);
		if (c->state == CLIENT_READING)
			advance(c);
	}
	empty_arena(&gather_arena);
	advance_ready();
}

/* ---- time --------------------------------------------------------------------------------------- */

bool
clients_tick(void)
{
	all.ticks++;
	for (unsigned int i = 0; i < all.top; i++) {
		struct client *c = &clients[i];

		if (all.ticks - c->since < SLOW_SECONDS)
			continue;
		if (c->state == CLIENT_WRITING)
			forget(c);
		else if (c->state == CLIENT_READING && (c->http.begun ||
		    c->nfds > 0))
			refuse_http(c, 408);
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
		if (clients[i].state == CLIENT_WRITING)
			done = false;
	return done;
}
