/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/1.1 connection's input: bytes in, requests out, one at a time. Holds
 * the parser of libhttp-parser; owns no fd and does no input or output, so that
 * it can be fuzzed as it is. Called by clients.c.
 */
#ifndef BULKHEAD_API_HTTP_H
#define BULKHEAD_API_HTTP_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MAX_BODY (4u << 20)	/* bytes */
#define HTTP_MAX_HEAD (16u << 10)	/* request line and headers */
#define HTTP_MAX_URL 255u
#define HTTP_SMALL_BODY 4096u

/* A body's place. The large ones are few, and shared by all connections. */
struct http_room {
	uint8_t *at;
	size_t size;
};

struct http {
	http_parser parser;
	char url[HTTP_MAX_URL + 1];
	size_t url_len;
	uint8_t small[HTTP_SMALL_BODY];
	struct http_room large;		/* at NULL: not taken */
	size_t body_len;
	char header[8];			/* the name of a header, its first letters */
	size_t header_len;
	char value[16];
	size_t value_len;
	bool in_value;
	bool expects;			/* Expect: 100-continue */
	bool begun;			/* the first byte of a request was there */
	bool complete;
	unsigned int status;		/* of what is wrong with it; 0: nothing */
	/* Of the owner: a large room; {NULL} when there is none. */
	struct http_room (*take_large)(void);
};

void http_init(struct http *h, struct http_room (*take_large)(void));

/*
 * Parse up to @len bytes; returns how many were used. It stops behind a complete
 * request (h->complete), or at what cannot be one (h->status: 400, 413, 431 or
 * 503; the connection is of no more use).
 */
size_t http_feed(struct http *h, const uint8_t *bytes, size_t len);

/* The body of the complete request. */
const uint8_t *http_body(const struct http *h);

/* On to the next request. The large room must have been given back. */
void http_next(struct http *h);

/* May another request follow this one? */
bool http_keeps_alive(const struct http *h);

#endif
