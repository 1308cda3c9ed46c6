// SPDX-License-Identifier: Apache-2.0
//
// Input of a connection, see http.h. The library splits; what is kept of a
// request is copied into bounds of ours.
#include "controller/api/http.h"

#include <string.h>
#include <strings.h>

static int
fail(struct http *h, unsigned int status)
{
	if (h->status == 0)
		h->status = status;
	return -1;
}

static int
on_begin(http_parser *p)
{
	struct http *h = p->data;

	h->begun = true;
	return 0;
}

static int
on_url(http_parser *p, const char *at, size_t len)
{
	struct http *h = p->data;

	if (len > HTTP_MAX_URL - h->url_len)
		return fail(h, 414);
	memcpy(h->url + h->url_len, at, len);
	h->url_len += len;
	h->url[h->url_len] = '\0';
	return 0;
}

/* "Expect" is the one header that the parser leaves to us. */
static void
end_header(struct http *h)
{
	if (h->header_len == 6 && strncasecmp(h->header, "expect", 6) == 0 &&
	    h->value_len == 12 &&
	    strncasecmp(h->value, "100-continue", 12) == 0)
		h->expects = true;
	h->header_len = h->value_len = 0;
	h->in_value = false;
}

/* Keep the beginning; *have counts on, so that a longer one is no match. */
static void
keep(char *dst, size_t size, size_t *have, const char *at, size_t len)
{
	size_t room = *have < size ? size - *have : 0;

	memcpy(dst + (*have < size ? *have : 0), at, len < room ? len : room);
	*have += len;
}

static int
on_header_field(http_parser *p, const char *at, size_t len)
{
	struct http *h = p->data;

	if (h->in_value)
		end_header(h);
	keep(h->header, sizeof(h->header), &h->header_len, at, len);
	return 0;
}

static int
on_header_value(http_parser *p, const char *at, size_t len)
{
	struct http *h = p->data;

	h->in_value = true;
	keep(h->value, sizeof(h->value), &h->value_len, at, len);
	return 0;
}

static int
on_headers_complete(http_parser *p)
{
	struct http *h = p->data;

	end_header(h);
	/* Two lengths are how one request is smuggled in another. */
	if ((p->flags & F_CHUNKED) != 0 && (p->flags & F_CONTENTLENGTH) != 0)
		return fail(h, 400);
	if ((p->flags & F_CONTENTLENGTH) != 0 &&
	    p->content_length > HTTP_MAX_BODY)
		return fail(h, 413);
	if (p->upgrade)
		return fail(h, 400);
	return 0;
}

static int
on_body(http_parser *p, const char *at, size_t len)
{
	struct http *h = p->data;

	if (len > HTTP_MAX_BODY - h->body_len)
		return fail(h, 413);
	if (h->large.at == NULL && h->body_len + len > sizeof(h->small)) {
		h->large = h->take_large();
		if (h->large.at == NULL)
			return fail(h, 503);
		memcpy(h->large.at, h->small, h->body_len);
	}
	memcpy((h->large.at != NULL ? h->large.at : h->small) + h->body_len, at,
	    len);
	h->body_len += len;
	return 0;
}

static int
on_complete(http_parser *p)
{
	struct http *h = p->data;

	h->complete = true;
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

void
http_init(struct http *h, struct http_room (*take_large)(void))
{
	h->take_large = take_large;
	h->large = (struct http_room){ .at = NULL };
	http_parser_init(&h->parser, HTTP_REQUEST);
	h->parser.data = h;
	h->status = 0;
	http_next(h);
}

size_t
http_feed(struct http *h, const uint8_t *bytes, size_t len)
{
	size_t used;

	if (h->status != 0 || h->complete)
		return 0;
	used = http_parser_execute(&h->parser, &settings, (const char *)bytes,
	    len);
	if (h->complete) {
		http_parser_pause(&h->parser, 0);
		return used;
	}
	if (h->parser.http_errno != HPE_OK) {
		if (h->parser.http_errno == HPE_HEADER_OVERFLOW)
			(void)fail(h, 431);
		(void)fail(h, 400);
	}
	return used;
}

const uint8_t *
http_body(const struct http *h)
{
	return h->large.at != NULL ? h->large.at : h->small;
}

void
http_next(struct http *h)
{
	h->url_len = h->body_len = h->header_len = h->value_len = 0;
	h->url[0] = '\0';
	h->in_value = h->expects = h->begun = h->complete = false;
}

bool
http_keeps_alive(const struct http *h)
{
	return h->status == 0 && http_should_keep_alive(&h->parser) != 0;
}
