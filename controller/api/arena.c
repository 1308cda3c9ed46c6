// SPDX-License-Identifier: Apache-2.0
//
// Memory from the front, see arena.h.
#include "controller/api/arena.h"

#include <string.h>

void *
arena_take(struct arena *a, size_t n, size_t size)
{
	size_t start = (a->used + 15) & ~(size_t)15;
	size_t bytes, end;

	if (__builtin_mul_overflow(n, size, &bytes) ||
	    __builtin_add_overflow(start, bytes, &end) || end > a->size)
		return NULL;
	a->used = end;
	if (end > a->most)
		a->most = end;
	memset(a->at + start, 0, bytes);
	return a->at + start;
}

void *
arena_pointers(struct arena *a, size_t n)
{
	return arena_take(a, n, sizeof(void *));
}

char *
arena_text(struct arena *a, const char *text, size_t len)
{
	char *copy = arena_take(a, len + 1, 1);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}
