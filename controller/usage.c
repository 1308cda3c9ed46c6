// SPDX-License-Identifier: Apache-2.0
//
// The user's line, see usage.h. A formatter of its own, because what it prints is
// foreign bytes that printf would pass through to the terminal.
#include "controller/usage.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define MAX_VALUE 160u	/* bytes of a value that are shown */

struct line {
	char *at;
	size_t size, used;
};

static void
put(struct line *line, const char *text, size_t len)
{
	if (len > line->size - line->used - 1)
		len = line->size - line->used - 1;
	memcpy(line->at + line->used, text, len);
	line->used += len;
	line->at[line->used] = '\0';
}

static void
put_foreign(struct line *line, struct span s)
{
	bool good = value_printable(s);
	bool cut = s.len > MAX_VALUE;

	/* Where one byte is bad all but ASCII is suspect; a cut may split a
	 * character. */
	for (size_t i = 0; i < s.len && i < MAX_VALUE; i++) {
		unsigned char c = (unsigned char)s.at[i];
		bool plain = c >= 0x20 && c < 0x7f;

		put(line, plain || (good && !cut) ? s.at + i : "?", 1);
	}
	if (cut)
		put(line, "...", 3);
}

static void
put_number(struct line *line, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	put(line, digits + i, sizeof(digits) - i);
}

int
usage(struct spec_error *err, const char *fmt, ...)
{
	struct line line = { .at = err->line, .size = sizeof(err->line) };
	va_list ap;

	err->line[0] = '\0';
	va_start(ap, fmt);
	for (const char *p = fmt; *p != '\0'; p++) {
		if (*p != '%') {
			put(&line, p, 1);
			continue;
		}
		switch (*++p) {
		case 'S':
			put_foreign(&line, *va_arg(ap, const struct span *));
			break;
		case 's': {
			const char *s = va_arg(ap, const char *);

			put(&line, s, strlen(s));
			break;
		}
		case 'u':
			put_number(&line, va_arg(ap, unsigned int));
			break;
		case 'l':
			put_number(&line, va_arg(ap, uint64_t));
			break;
		case 'z': {
			char text[VALUE_SIZE_TEXT];

			value_size_text(va_arg(ap, uint64_t), text);
			put(&line, text, strlen(text));
			break;
		}
		default:
			put(&line, p, 1);
			break;
		}
	}
	va_end(ap);
	return -EINVAL;
}
