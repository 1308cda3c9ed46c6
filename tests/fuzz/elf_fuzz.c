// SPDX-License-Identifier: Apache-2.0
/* ELF kernels: the magic is given, all else is the fuzzer's. */
#include <string.h>

#include "loader_fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[65536];

	if (size < 64 || size > sizeof(file))
		return 0;
	memcpy(file, data, size);
	memcpy(file, "\177ELF\2\1\1", 7);
	loader_fuzz(file, size);
	return 0;
}
