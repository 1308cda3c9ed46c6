/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of single values from the command line: numbers, sizes, addresses,
 * and the splitting of lists. Each takes a span, reads all of it or fails, and
 * knows nothing of options. Called by the option parser alone.
 */
#ifndef BULKHEAD_CONTROLLER_VALUES_H
#define BULKHEAD_CONTROLLER_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALUE_SIZE_TEXT 24u	/* 20 digits, a unit, the end */

struct span {
	const char *at;
	size_t len;
};

struct span span_of(const char *text);
bool span_is(struct span s, const char *word);

/*
 * Cut the next item off *rest at a @separator that is outside of quotes and
 * brackets. 1: *item is it; 0: nothing was left; -EINVAL: quotes or brackets do
 * not pair.
 */
int value_next(struct span *rest, char separator, struct span *item);

/* The inside of [..]; false if it is not such. */
bool value_list(struct span s, struct span *inside);

/* Copy without quotes ("" in quotes is a quote) into @dst of @size bytes; -E2BIG. */
int value_unquote(struct span s, char *dst, size_t size);

/* All: 0, -EINVAL (not such a value) or -ERANGE (does not fit). */
int value_u64(struct span s, uint64_t *out);		/* decimal, or 0x.. */
int value_size(struct span s, uint64_t *out);		/* K, M, G, T behind it */
int value_toggle(struct span s, bool *out);
int value_mac(struct span s, uint8_t out[6]);
/* The largest unit that says it exactly: "512M", "1000001". */
void value_size_text(uint64_t bytes, char text[static VALUE_SIZE_TEXT]);
/* IPv4 or IPv6; *len is 4 or 16. */
int value_address(struct span s, uint8_t out[16], uint8_t *len);
/* "3" or "1-3". */
int value_range(struct span s, uint64_t *first, uint64_t *last);

/* Printable UTF-8, one line: what may go into a message or onto a terminal. */
bool value_printable(struct span s);

#endif
