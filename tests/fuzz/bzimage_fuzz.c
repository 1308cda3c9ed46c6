// SPDX-License-Identifier: Apache-2.0
/*
 * bzImage: the input is the setup header from 0x1f1 on, and what follows it; the
 * magic numbers are given. The empty boot sector before it is not fuzzed.
 */
#include <string.h>

#include "loader_fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[65536];

	if (size < 0x20 || size > sizeof(file) - 0x1f1)
		return 0;
	memcpy(file + 0x1f1, data, size);
	memcpy(file + 0x1fe, "\x55\xaa", 2);
	memcpy(file + 0x202, "HdrS", 4);
	loader_fuzz(file, 0x1f1 + size);
	return 0;
}
