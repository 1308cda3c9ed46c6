/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request of HTTP to one for the controller: the table of endpoints, the
 * body parsed as JSON and turned into options. Pure: no fd, no system call; its
 * memory is an arena that the caller empties. Fuzzed as it is.
 */
#ifndef BULKHEAD_API_REQUEST_H
#define BULKHEAD_API_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "controller/api/arena.h"

#define REQUEST_MAX_OPTIONS 1024u
#define REQUEST_MAX_DEPTH 32u

struct request_error {
	unsigned int status;
	const char *texts[2];	/* static, or in detail; the second may be NULL */
	char detail[300];
};

struct request_built {
	Bh__ApiVerb verb;
	Bh__ApiOption **options;
	size_t noptions;
};

/* Once, before the jail: the JSON library's memory and its hash's seed. */
void request_init(struct arena *arena, uint64_t seed);

/*
 * @put or GET of @url with a body of @len bytes. 0, and *out lives in the arena;
 * or -1 with what to answer.
 */
int request_build(struct arena *arena, bool put, const char *url,
    const uint8_t *body, size_t len, struct request_built *out,
    struct request_error *err);

#endif
