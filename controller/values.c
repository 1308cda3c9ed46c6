// SPDX-License-Identifier: Apache-2.0
//
// Readers of single values, see values.h. Pure functions over spans; nothing
// here allocates, and every loop is bounded by the length of its span.
#include "controller/values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

struct span
span_of(const char *text)
{
	return (struct span){ .at = text, .len = strlen(text) };
}

bool
span_is(struct span s, const char *word)
{
	return strlen(word) == s.len && memcmp(s.at, word, s.len) == 0;
}

int
value_next(struct span *rest, char separator, struct span *item)
{
	bool quoted = false;
	size_t depth = 0;
	size_t i;

	if (rest->at == NULL)
		return 0;
	for (i = 0; i < rest->len; i++) {
		char c = rest->at[i];

		if (c == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '[')
			depth++;
		else if (c == ']' && depth-- == 0)
			return -EINVAL;
		else if (c == separator && depth == 0)
			break;
	}
	if (quoted || depth != 0)
		return -EINVAL;
	*item = (struct span){ .at = rest->at, .len = i };
	if (i == rest->len)
		*rest = (struct span){ .at = NULL };
	else
		*rest = (struct span){ .at = rest->at + i + 1,
				       .len = rest->len - i - 1 };
	return 1;
}

bool
value_list(struct span s, struct span *inside)
{
	if (s.len < 2 || s.at[0] != '[' || s.at[s.len - 1] != ']')
		return false;
	*inside = (struct span){ .at = s.at + 1, .len = s.len - 2 };
	return true;
}

int
value_unquote(struct span s, char *dst, size_t size)
{
	bool quoted = false;
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"') {
			bool doubled = quoted && i + 1 < s.len &&
			    s.at[i + 1] == '"';

			if (!doubled) {
				quoted = !quoted;
				continue;
			}
			i++;
		}
		if (n + 1 >= size)
			return -E2BIG;
		dst[n++] = s.at[i];
	}
	dst[n] = '\0';
	return 0;
}

static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

int
value_u64(struct span s, uint64_t *out)
{
	unsigned int base = 10;
	uint64_t v = 0;
	bool wraps = false;

	if (s.len > 2 && s.at[0] == '0' && (s.at[1] == 'x' || s.at[1] == 'X')) {
		base = 16;
		s.at += 2;
		s.len -= 2;
	}
	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		unsigned int d = (unsigned int)digit_of(s.at[i]);

		if (d >= base)
			return -EINVAL;
		wraps |= __builtin_mul_overflow(v, base, &v);
		wraps |= __builtin_add_overflow(v, d, &v);
	}
	if (wraps)
		return -ERANGE;
	*out = v;
	return 0;
}

int
value_size(struct span s, uint64_t *out)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	int err;

	if (s.len > 1) {
		char last = s.at[s.len - 1];
		const char *unit = strchr(units, last >= 'a' ? last - 32 : last);

		if (unit != NULL && *unit != '\0') {
			shift = 10u * (unsigned int)(unit - units + 1);
			s.len--;
		}
	}
	err = value_u64(s, out);
	if (err == 0 && shift != 0 && *out > UINT64_MAX >> shift)
		err = -ERANGE;
	if (err == 0)
		*out <<= shift;
	return err;
}

void
value_size_text(uint64_t bytes, char text[static VALUE_SIZE_TEXT])
{
	static const char units[] = { '\0', 'K', 'M', 'G', 'T' };
	char digits[VALUE_SIZE_TEXT];
	size_t i = sizeof(digits), unit = 0;

	while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < sizeof(units)) {
		bytes /= 1024;
		unit++;
	}
	digits[--i] = '\0';
	if (units[unit] != '\0')
		digits[--i] = units[unit];
	do {
		digits[--i] = (char)('0' + bytes % 10);
		bytes /= 10;
	} while (bytes != 0);
	memcpy(text, digits + i, sizeof(digits) - i);
}

int
value_toggle(struct span s, bool *out)
{
	*out = span_is(s, "on") || span_is(s, "true");
	return *out || span_is(s, "off") || span_is(s, "false") ? 0 : -EINVAL;
}

int
value_mac(struct span s, uint8_t out[6])
{
	if (s.len != 17)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++) {
		int high = digit_of(s.at[i * 3]);
		int low = digit_of(s.at[i * 3 + 1]);

		if (high > 15 || low > 15 || (i < 5 && s.at[i * 3 + 2] != ':'))
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int
value_address(struct span s, uint8_t out[16], uint8_t *len)
{
	char text[INET6_ADDRSTRLEN];

	if (s.len >= sizeof(text))
		return -EINVAL;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	if (inet_pton(AF_INET, text, out) == 1)
		*len = 4;
	else if (inet_pton(AF_INET6, text, out) == 1)
		*len = 16;
	else
		return -EINVAL;
	return 0;
}

int
value_range(struct span s, uint64_t *first, uint64_t *last)
{
	const char *dash = memchr(s.at, '-', s.len);
	struct span low = s, high = s;
	int err;

	if (dash != NULL) {
		low.len = (size_t)(dash - s.at);
		high.at = dash + 1;
		high.len = s.len - low.len - 1;
	}
	err = value_u64(low, first);
	if (err == 0)
		err = value_u64(high, last);
	if (err == 0 && *first > *last)
		err = -EINVAL;
	return err;
}

/* Length of the well-formed UTF-8 sequence at @s of at most @n bytes, or 0. */
static size_t
utf8_len(const unsigned char *s, size_t n)
{
	size_t len = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 :
	    s[0] < 0xf5 ? 4 : 0;

	if (len == 0 || n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* C1 controls, overlong forms, surrogates, beyond Unicode */
	if ((s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xe0 && s[1] < 0xa0) ||
	    (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] >= 0x90))
		return 0;
	return len;
}

bool
value_printable(struct span s)
{
	for (size_t i = 0; i < s.len;) {
		unsigned char c = (unsigned char)s.at[i];
		size_t len = 1;

		if (c < 0x20 || c == 0x7f)
			return false;
		if (c >= 0x80)
			len = utf8_len((const unsigned char *)s.at + i,
			    s.len - i);
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}
