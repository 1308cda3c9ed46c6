/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the controller's answers and events to JSON. Pure, as request.h: parts of
 * an answer are gathered in an arena, and printed when the last is there.
 */
#ifndef BULKHEAD_API_ANSWER_H
#define BULKHEAD_API_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "bulkhead.pb-c.h"
#include "controller/api/arena.h"

/* Text that is written from the front; what does not fit is noticed. */
struct text {
	char *at;
	size_t size, len;
	bool full;
};

#define ANSWER_MAX_OPTIONS 2048u

/* The options of an answer so far. */
struct gathered {
	struct arena *arena;
	Bh__ApiOption **options;
	size_t noptions;
	bool full;
};

/* What only this process knows, for vmm.ping. */
struct about {
	char version[64], build[64];
	uint32_t pid;
};

void gather_begin(struct gathered *g, struct arena *arena);
void gather(struct gathered *g, const Bh__ApiAnswer *part);

/* The body of an answer to @verb; none for a status that has none. */
void answer_print(struct text *out, Bh__ApiVerb verb,
    const struct gathered *g, const Bh__ApiAnswer *last,
    const struct about *about);

/* ["Bad Request"], and up to two more; NULL ends the list. */
void answer_errors(struct text *out, const char *const *texts, size_t n);

/* The JSON object of one option: of a disk. Nothing, if it is in no table. */
void answer_option(struct text *out, const Bh__ApiOption *option);

/* One object of the event monitor, as Cloud Hypervisor prints it. */
void answer_event(struct text *out, const Bh__ApiEvent *event);

#endif
