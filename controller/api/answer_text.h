/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from the front, for answer.c and its parts. Not for others.
 */
#ifndef BULKHEAD_API_ANSWER_TEXT_H
#define BULKHEAD_API_ANSWER_TEXT_H

#include "controller/api/answer.h"

void put(struct text *t, const char *s);
void put_number(struct text *t, uint64_t n);
/* In quotation marks. */
void put_text(struct text *t, const char *s);
/* "name": with a comma before all but the first. */
void put_name(struct text *t, bool *first, const char *name);

/* In answer_crashes.c: bulkhead.crashes. */
void print_crashes(struct text *t, const Bh__ApiAnswer *answer);

#endif
