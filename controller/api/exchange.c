// SPDX-License-Identifier: Apache-2.0
//
// Between a client and the controller, see client.h: requests out, with the fds that
// came along, and answers back. What a body says is request.c's to know, what an
// answer looks like answer.c's.
#include "controller/api/client.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "controller/api/request.h"

#define WINDOW 16u		/* requests at the controller at once */
#define PART_BYTES 50000u	/* of a request; the packet's limit is 65536 */
#define REQUEST_BYTES 120000u	/* of all its parts: the socket takes no more */
#define ARENA_SIZE (16u << 20)
#define GIVE_BACK (64u << 10)	/* of an arena that used more than this */

static uint8_t arena_bytes[ARENA_SIZE], gather_bytes[1u << 20];
static struct arena arena = { .at = arena_bytes, .size = ARENA_SIZE };
static struct arena gather_arena = { .at = gather_bytes,
    .size = sizeof(gather_bytes) };
static struct gathered gathered;

static void
empty_arena(struct arena *a)
{
	if (a->most > GIVE_BACK)
		(void)madvise(a->at + GIVE_BACK, a->size - GIVE_BACK,
		    MADV_DONTNEED);
	a->used = a->most = 0;
}

void
exchange_init(uint64_t seed)
{
	request_init(&arena, seed);
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
		client_close_fds(c);
	p.seq = c->seq;
	req.verb = r->verb;
	at = 0;
	do {
		req.n_options = fit(r, at, &bytes);
		req.options = r->options + at;
		at += req.n_options;
		req.more = at < r->noptions;
		rc = chan_send(c->all->ctl, &p, c->fds, req.more ? 0 : c->nfds);
	} while (rc == 0 && req.more);
	return rc;
}

/* The request is whole: say what is wrong with it, or pass it on. */
void
exchange_request(struct client *c)
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
		client_refuse(c, err.status, err.texts, 2);
		return;
	}
	c->verb = built.verb;
	c->seq = chan_next_seq(c->all->ctl);
	rc = send_request(c, &built);
	if (rc == -E2BIG) {
		client_refuse(c, 400, too_large, 2);
		return;
	}
	if (rc < 0) {		/* nobody is there to serve */
		c->all->loop->stop = true;
		return;
	}
	client_give_room(&c->http.large);
	client_close_fds(c);
	if (c->verb == BH__API_VERB__API_VERB_INFO ||
	    c->verb == BH__API_VERB__API_VERB_COUNTERS ||
	    c->verb == BH__API_VERB__API_VERB_TIMELINE)
		c->all->info = c->seq;
	c->all->waiting++;
	client_enter(c, CLIENT_WAITING);
}

/* vm.info and vm.counters may be long: the socket surely holds one at a time. */
bool
exchange_must_wait(const struct client *c)
{
	return c->all->waiting >= WINDOW ||
	    (c->all->info != 0 && (strstr(c->http.url, "vm.info") != NULL ||
	    strstr(c->http.url, "vm.counters") != NULL));
}

/* ---- answers -------------------------------------------------------------------------------- */

static void
print_answer(struct client *c, const Bh__ApiAnswer *answer)
{
	static const char *const too_large[] = { "Error from API",
	    "the answer is too large" };
	struct text t = client_small_body(c);

	if (!gathered.full)
		answer_print(&t, c->verb, &gathered, answer, c->all->about);
	if (t.full && client_large_body(c, &t))
		answer_print(&t, c->verb, &gathered, answer, c->all->about);
	c->all->waiting--;
	c->seq = 0;
	c->state = CLIENT_WRITING;
	if (gathered.full || t.full) {
		client_give_room(&c->large);
		client_refuse(c, 500, too_large, 2);
		return;
	}
	client_respond(c, answer->status, &t);
}

struct client *
exchange_answer(struct clients *all, uint32_t seq, const Bh__ApiAnswer *answer,
    bool *whole)
{
	static uint32_t gathering;
	struct client *c = NULL;

	for (unsigned int i = 0; i < all->top && c == NULL; i++)
		if (all->of[i].state == CLIENT_WAITING && all->of[i].seq == seq)
			c = &all->of[i];
	if (gathering != seq)
		gather_begin(&gathered, &gather_arena);
	gathering = seq;
	gather(&gathered, answer);
	*whole = !answer->more;
	if (answer->more)
		return c;
	gathering = 0;
	if (seq == all->info)
		all->info = 0;
	if (c != NULL)
		print_answer(c, answer);
	empty_arena(&gather_arena);
	return c;
}
