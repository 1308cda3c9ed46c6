/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a snapshot: what is written is read, and nothing else is: cut or
 * flipped anywhere, of another version, with names, sizes and digests out of range.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/migration/manifest.h"

static const char *why;

static size_t
example(char text[MANIFEST_MAX_SIZE], uint32_t nfiles)
{
	struct manifest m = { .version = MANIFEST_VERSION, .build = "0123abcd",
	    .nfiles = nfiles };

	for (uint32_t i = 0; i < nfiles; i++) {
		(void)snprintf(m.files[i].name, sizeof(m.files[i].name),
		    "state-%u.pb", i);
		m.files[i].size = i == 0 ? 0 : INT64_MAX - i;
		memset(m.files[i].digest, (int)(i + 0x9a), HASHED_DIGEST);
	}
	return manifest_write(&m, text);
}

/* Exactly @len bytes on the heap, so that one read too far is found. */
static int
read_text(struct manifest *m, const char *text, size_t len)
{
	char *copy = malloc(len + (len == 0));
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	rc = manifest_read(m, copy, len, &why);
	free(copy);
	return rc;
}

/* The text with a last line that is right for it. */
static int
read_signed(struct manifest *m, const char *body)
{
	struct sha256_ctx sha;
	uint8_t digest[HASHED_DIGEST];
	char text[MANIFEST_MAX_SIZE];
	int len = snprintf(text, sizeof(text), "%send ", body);

	sha256_init(&sha);
	sha256_update(&sha, strlen(body), (const uint8_t *)body);
	sha256_digest(&sha, HASHED_DIGEST, digest);
	for (int i = 0; i < HASHED_DIGEST; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%02x",
		    digest[i]);
	len += snprintf(text + len, sizeof(text) - (size_t)len, "\n");
	return read_text(m, text, (size_t)len);
}

static void
what_is_written_is_read(void **state)
{
	char text[MANIFEST_MAX_SIZE], again[MANIFEST_MAX_SIZE];
	struct manifest m;

	(void)state;
	for (uint32_t n = 0; n <= MANIFEST_MAX_FILES; n++) {
		size_t len = example(text, n);

		assert_int_equal(read_text(&m, text, len), 0);
		assert_int_equal(m.nfiles, n);
		assert_string_equal(m.build, "0123abcd");
		assert_int_equal(manifest_write(&m, again), len);
		assert_memory_equal(text, again, len);
	}
	assert_int_equal(manifest_find(&m, "state-7.pb")->size, INT64_MAX - 7);
	assert_null(manifest_find(&m, "state-7"));
}

/* The longest of all there may be fits. */
static void
the_longest_fits(void **state)
{
	struct manifest m = { .version = UINT32_MAX,
	    .nfiles = MANIFEST_MAX_FILES };
	char *text = malloc(MANIFEST_MAX_SIZE);

	(void)state;
	assert_non_null(text);
	memset(m.build, 'b', MANIFEST_MAX_BUILD);
	for (uint32_t i = 0; i < m.nfiles; i++) {
		memset(m.files[i].name, 'n', MANIFEST_MAX_NAME);
		m.files[i].size = UINT64_MAX;
	}
	assert_in_range(manifest_write(&m, text), 1, MANIFEST_MAX_SIZE);
	free(text);
}

static void
damaged_anywhere(void **state)
{
	char text[MANIFEST_MAX_SIZE];
	size_t len = example(text, 3);
	struct manifest m;

	(void)state;
	for (size_t at = 0; at < len; at++) {
		assert_int_equal(read_text(&m, text, at), -EINVAL);
		for (int bit = 0; bit < 8; bit++) {
			text[at] = (char)(text[at] ^ 1 << bit);
			assert_int_not_equal(read_text(&m, text, len), 0);
			text[at] = (char)(text[at] ^ 1 << bit);
		}
	}
	text[len] = '\n';
	assert_int_equal(read_text(&m, text, len + 1), -EINVAL);
	assert_int_equal(read_text(&m, text, len), 0);
}

static void
another_version(void **state)
{
	struct manifest m;

	(void)state;
	assert_int_equal(read_signed(&m, "bulkhead-snapshot 2\nanything"),
	    -EPROTONOSUPPORT);
	assert_int_equal(m.version, 2);
	assert_int_equal(read_signed(&m, "bulkhead-snapshot 4294967296\nbuild 1\n"),
	    -EINVAL);
}

#define HEAD "bulkhead-snapshot 1\nbuild 1\n"
#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void
lines_that_are_none(void **state)
{
	static const char *const refused[] = {
		HEAD "file  1 " DIGEST "\n",
		HEAD "file ../a 1 " DIGEST "\n",
		HEAD "file .a 1 " DIGEST "\n",
		HEAD "file A 1 " DIGEST "\n",
		HEAD "file abcdefghijklmnopqrstuvwxyzabcdef 1 " DIGEST "\n",
		HEAD "file a 01 " DIGEST "\n",
		HEAD "file a -1 " DIGEST "\n",
		HEAD "file a 9223372036854775808 " DIGEST "\n",
		HEAD "file a 18446744073709551617 " DIGEST "\n",
		HEAD "file a 1 " DIGEST "0\n",
		HEAD "file a 1  " DIGEST "\n",
		HEAD "file a 1 0g" DIGEST "\n",
		HEAD "file a 1 " DIGEST "\nfile a 2 " DIGEST "\n",
		HEAD "build 2\n",
		"bulkhead-snapshot 1\nbuild \n",
		"bulkhead-snapshot 1\nbuild A\n",
	};
	struct manifest m;

	(void)state;
	assert_int_equal(read_signed(&m, HEAD), 0);
	assert_int_equal(read_signed(&m, HEAD "file a 1 " DIGEST "\n"), 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (read_signed(&m, refused[i]) != -EINVAL)
			fail_msg("taken: %s", refused[i]);
}

static void
too_many_files(void **state)
{
	static char body[MANIFEST_MAX_SIZE];
	struct manifest m;
	int len = snprintf(body, sizeof(body), "%s", HEAD);

	(void)state;
	for (unsigned int i = 0; i < MANIFEST_MAX_FILES; i++)
		len += snprintf(body + len, sizeof(body) - (size_t)len,
		    "file a%u 1 " DIGEST "\n", i);
	assert_int_equal(read_signed(&m, body), 0);
	(void)snprintf(body + len, sizeof(body) - (size_t)len,
	    "file b 1 " DIGEST "\n");
	assert_int_equal(read_signed(&m, body), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(the_longest_fits),
		cmocka_unit_test(damaged_anywhere),
		cmocka_unit_test(another_version),
		cmocka_unit_test(lines_that_are_none),
		cmocka_unit_test(too_many_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
