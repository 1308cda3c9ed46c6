/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a snapshot, see manifest.h. No stdio: it is made in the jail.
 */
#include "controller/migration/manifest.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define FIRST "bulkhead-snapshot "

static const char hex[] = "0123456789abcdef";

/* ---- write ------------------------------------------------------------------------ */

static char *
put_text(char *to, const char *text)
{
	size_t len = strlen(text);

	memcpy(to, text, len);
	return to + len;
}

static char *
put_number(char *to, uint64_t n)
{
	char digits[20];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	while (len > 0)
		*to++ = digits[--len];
	return to;
}

static char *
put_digest(char *to, const uint8_t digest[HASHED_DIGEST])
{
	for (size_t i = 0; i < HASHED_DIGEST; i++) {
		*to++ = hex[digest[i] >> 4];
		*to++ = hex[digest[i] & 15];
	}
	return to;
}

static void
digest_of(const char *text, size_t len, uint8_t digest[HASHED_DIGEST])
{
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, len, (const uint8_t *)text);
	sha256_digest(&sha, HASHED_DIGEST, digest);
}

/* Three words, two numbers and a digest of each file; and what is around them. */
_Static_assert((MANIFEST_MAX_FILES + 2) *
    (sizeof("file ") + MANIFEST_MAX_NAME + 21 +
    2 * (size_t)HASHED_DIGEST + 1) +
    MANIFEST_MAX_BUILD + 64 <= MANIFEST_MAX_SIZE, "there is room for all");

size_t
manifest_write(const struct manifest *m, char text[MANIFEST_MAX_SIZE])
{
	uint8_t digest[HASHED_DIGEST];
	char *to = put_text(text, FIRST);

	to = put_number(to, m->version);
	to = put_text(to, "\nbuild ");
	to = put_text(to, m->build);
	to = put_text(to, "\n");
	for (uint32_t i = 0; i < m->nfiles; i++) {
		to = put_text(to, "file ");
		to = put_text(to, m->files[i].name);
		to = put_text(to, " ");
		to = put_number(to, m->files[i].size);
		to = put_text(to, " ");
		to = put_digest(to, m->files[i].digest);
		to = put_text(to, "\n");
	}
	digest_of(text, (size_t)(to - text), digest);
	to = put_text(to, "end ");
	to = put_digest(to, digest);
	to = put_text(to, "\n");
	return (size_t)(to - text);
}

/* ---- read ------------------------------------------------------------------------- */

struct reader {
	const char *at, *end;
};

/* Whether @word comes next; then it is taken. */
static bool
take(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

static bool
is_one_of(char c, const char *more)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr(more, c) != NULL);
}

/* A word of one to @most letters, digits and @more. */
static bool
take_word(struct reader *r, char *word, size_t most, const char *more)
{
	size_t len = 0;

	while (r->at < r->end && is_one_of(*r->at, more)) {
		if (len == most)
			return false;
		word[len++] = *r->at++;
	}
	word[len] = '\0';
	return len > 0;
}

/* Decimal, as put_number() writes it: no sign, no zero in front of others. */
static bool
take_number(struct reader *r, uint64_t most, uint64_t *n)
{
	const char *from = r->at;

	for (*n = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
		if (__builtin_mul_overflow(*n, 10u, n) ||
		    __builtin_add_overflow(*n, (uint64_t)(*r->at - '0'), n) ||
		    *n > most)
			return false;
	return r->at > from && (*from != '0' || r->at == from + 1);
}

static bool
take_digest(struct reader *r, uint8_t digest[HASHED_DIGEST])
{
	if ((size_t)(r->end - r->at) < 2 * (size_t)HASHED_DIGEST)
		return false;
	for (size_t i = 0; i < HASHED_DIGEST; i++) {
		const char *high = memchr(hex, *r->at++, 16);
		const char *low = memchr(hex, *r->at++, 16);

		if (high == NULL || low == NULL)
			return false;
		digest[i] = (uint8_t)((high - hex) << 4 | (low - hex));
	}
	return true;
}

static bool
take_file(struct reader *r, struct manifest *m)
{
	struct manifest_file *f = &m->files[m->nfiles];

	if (m->nfiles == MANIFEST_MAX_FILES ||
	    !take_word(r, f->name, MANIFEST_MAX_NAME, "-.") ||
	    f->name[0] < 'a' || f->name[0] > 'z' ||
	    manifest_find(m, f->name) != NULL || !take(r, " ") ||
	    !take_number(r, INT64_MAX, &f->size) || !take(r, " ") ||
	    !take_digest(r, f->digest) || !take(r, "\n"))
		return false;
	m->nfiles++;
	return true;
}

int
manifest_read(struct manifest *m, const char *text, size_t len, const char **why)
{
	struct reader r = { .at = text, .end = text + len };
	uint8_t said[HASHED_DIGEST], digest[HASHED_DIGEST];
	uint64_t version;
	size_t body;

	*m = (struct manifest){ .version = 0 };
	*why = "its manifest is none of a snapshot";
	if (len > MANIFEST_MAX_SIZE || !take(&r, FIRST) ||
	    !take_number(&r, UINT32_MAX, &version) || !take(&r, "\n"))
		return -EINVAL;
	m->version = (uint32_t)version;
	*why = "it is of another version";
	if (version != MANIFEST_VERSION)
		return -EPROTONOSUPPORT;
	*why = "its manifest is damaged";
	if (!take(&r, "build ") ||
	    !take_word(&r, m->build, MANIFEST_MAX_BUILD, "") || !take(&r, "\n"))
		return -EINVAL;
	while (take(&r, "file "))
		if (!take_file(&r, m))
			return -EINVAL;
	body = (size_t)(r.at - text);
	if (!take(&r, "end ") || !take_digest(&r, said) || !take(&r, "\n") ||
	    r.at != r.end)
		return -EINVAL;
	digest_of(text, body, digest);
	return memcmp(said, digest, HASHED_DIGEST) == 0 ? 0 : -EINVAL;
}

const struct manifest_file *
manifest_find(const struct manifest *m, const char *name)
{
	for (uint32_t i = 0; i < m->nfiles; i++)
		if (strcmp(m->files[i].name, name) == 0)
			return &m->files[i];
	return NULL;
}
