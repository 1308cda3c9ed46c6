/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a client, in pieces: what comes out is bounded and the same however
 * the pieces are cut, and each whole request goes on to the reader of requests.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/api/http.h"
#include "controller/api/request.h"
#include "proto/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t room[HTTP_MAX_BODY], arena_bytes[4u << 20];
static struct arena arena = { .at = arena_bytes, .size = sizeof(arena_bytes) };

static struct http_room
take_large(void)
{
	return (struct http_room){ room, sizeof(room) };
}

/* A request that was built may be sent: its packet passes the validators. */
static void
try_request(const struct http *h)
{
	struct request_built built;
	struct request_error err = { .status = 0 };
	Bh__ApiRequest req = BH__API_REQUEST__INIT;
	Bh__Packet packet = BH__PACKET__INIT;
	bool put = h->parser.method == HTTP_PUT;

	arena.used = 0;
	if (request_build(&arena, put, h->url, http_body(h), h->body_len, &built,
	    &err) != 0) {
		if (err.status < 400 || err.texts[0] == NULL)
			abort();
		return;
	}
	req.verb = built.verb;
	req.n_options = built.noptions;
	req.options = built.options;
	packet.body_case = BH__PACKET__BODY_API_REQUEST;
	packet.api_request = &req;
	packet.seq = 1;
	if (proto_check(&packet) != NULL)
		abort();
}

/* How many requests, and how it ended. */
static unsigned int
feed(const uint8_t *data, size_t size, size_t piece)
{
	static struct http h;
	unsigned int n = 0;
	size_t at = 0;

	http_init(&h, take_large);
	while (at < size && h.status == 0) {
		size_t len = size - at < piece ? size - at : piece;
		size_t used = http_feed(&h, data + at, len);

		if (used > len || h.body_len > HTTP_MAX_BODY ||
		    h.url_len > HTTP_MAX_URL)
			abort();
		at += used;
		if (h.complete) {
			n++;
			if (piece == 4096)
				try_request(&h);
			(void)http_keeps_alive(&h);
			h.large.at = NULL;
			http_next(&h);
		} else if (used < len && h.status == 0) {
			abort();
		}
	}
	/* Which of two mistakes is seen first, the pieces decide. */
	return n << 1 | (h.status != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;

	if (!ready)
		request_init(&arena, 1);
	ready = true;
	if (feed(data, size, 4096) != feed(data, size, 1))
		abort();
	return 0;
}
