/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of tables, see writer.h. */
#include "controller/loader/writer.h"

#include <errno.h>
#include <string.h>

void
put_bytes(struct writer *w, const void *src, size_t len)
{
	if (len > w->size - w->len) {
		w->error = -ENOSPC;
		return;
	}
	memcpy(w->bytes + w->len, src, len);
	w->len += len;
}

void
put(struct writer *w, uint64_t value, size_t width)
{
	uint8_t le[8];

	for (size_t i = 0; i < width; i++)
		le[i] = (uint8_t)(value >> (8 * i));
	put_bytes(w, le, width);
}

void
put_zeros(struct writer *w, size_t len)
{
	static const uint8_t zeros[64];

	for (; len > sizeof(zeros); len -= sizeof(zeros))
		put_bytes(w, zeros, sizeof(zeros));
	put_bytes(w, zeros, len);
}

void
set(struct writer *w, size_t offset, uint64_t value, size_t width)
{
	if (w->error != 0 || offset + width > w->len - w->start)
		return;
	for (size_t i = 0; i < width; i++)
		w->bytes[w->start + offset + i] = (uint8_t)(value >> (8 * i));
}
