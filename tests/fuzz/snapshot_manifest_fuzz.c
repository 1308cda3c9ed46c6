/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a snapshot. Input: its text without the last line, which is put right.
 * What is taken is written again as the very same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/migration/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
sign(char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t digest[HASHED_DIGEST];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, len, (const uint8_t *)text);
	sha256_digest(&sha, HASHED_DIGEST, digest);
	memcpy(text + len, "end ", 4);
	len += 4;
	for (size_t i = 0; i < 2 * (size_t)HASHED_DIGEST; i++)
		text[len++] = hex[digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	text[len++] = '\n';
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char again[MANIFEST_MAX_SIZE], *text;
	const char *why = "";
	struct manifest m;
	size_t len;

	if (size > MANIFEST_MAX_SIZE)
		return -1;
	text = malloc(size + 70);
	if (text == NULL)
		return -1;
	memcpy(text, data, size);
	(void)manifest_read(&m, text, size, &why);
	len = sign(text, size);
	if (manifest_read(&m, text, len, &why) == 0 &&
	    (manifest_write(&m, again) != len || memcmp(text, again, len) != 0))
		abort();
	free(text);
	return 0;
}
