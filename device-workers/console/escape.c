// SPDX-License-Identifier: Apache-2.0
/* The escape in terminal input, see escape.h. */
#include "device-workers/console/escape.h"

#define CTRL_BRACKET 0x1d

size_t
escape_filter(struct escape *esc, uint8_t *out, const uint8_t *in, size_t len,
    bool *stop)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = in[i];

		if (!esc->seen) {
			if (c == CTRL_BRACKET)
				esc->seen = true;
			else
				out[n++] = c;
			continue;
		}
		esc->seen = false;
		if (c == 'x') {
			*stop = true;
			continue;
		}
		out[n++] = CTRL_BRACKET;
		if (c != CTRL_BRACKET)
			out[n++] = c;
	}
	return n;
}
