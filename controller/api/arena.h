/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixed piece of memory that is handed out from the front and taken back as a
 * whole: nothing grows once the jail is closed. The JSON library takes its
 * memory from one; so do the messages that are made of a request.
 */
#ifndef BULKHEAD_API_ARENA_H
#define BULKHEAD_API_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena {
	uint8_t *at;
	size_t size, used;
	size_t most;		/* ever used, since it was last given back */
};

/* Zeroed, aligned to 16 bytes; NULL: there is not that much left. */
void *arena_take(struct arena *a, size_t n, size_t size);

/* Room for @n pointers. */
void *arena_pointers(struct arena *a, size_t n);

/* A copy of a text of @len bytes, ended by a NUL. */
char *arena_text(struct arena *a, const char *text, size_t len);

#endif
