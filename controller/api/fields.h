/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the bytes of a body and the options of a request: one value of JSON after
 * the other, by its row in schema.h, into the option that is being built. Called by
 * request.c, which knows bodies and objects. Allocates from the arena alone.
 */
#ifndef BULKHEAD_CONTROLLER_API_FIELDS_H
#define BULKHEAD_CONTROLLER_API_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/api/request.h"

struct field;
struct member;

/* The request that is being built, and where in its JSON we are. */
struct build {
	struct arena *arena;
	struct request_built *out;
	struct request_error *err;
	const struct member *member;
	long index;		/* of a list; -1 */
	Bh__ApiOption *option;
	size_t room;		/* values that fit into option */
};

/* All -1, with the error: @status and @text; that the configuration is too large;
 * "disks[0].FIELD: @what". */
int fields_refuse(struct request_error *err, unsigned int status,
    const char *text);
int fields_too_large(struct build *b);
int fields_bad(struct build *b, const char *field, const char *what);

/* Begin option @name of at most @room values. 0, or -1 and the error. */
int fields_option(struct build *b, const char *name, size_t room);

/* A value of it. 0, or -1 and the error. */
int fields_add_number(struct build *b, const char *name, uint64_t n);
int fields_add_text(struct build *b, const char *name, const char *text,
    size_t len);

/* @value, which @object has for field @f. 0, or -1 and the error. */
int fields_take(struct build *b, const struct field *f, const json_t *object,
    const json_t *value);

/* Does it say nothing, whatever it is called? */
bool fields_say_nothing(const json_t *value);

#endif
