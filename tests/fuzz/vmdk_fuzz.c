// SPDX-License-Identifier: Apache-2.0
/* A hostile vmdk image. */
#include "tests/fuzz/image_fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return image_fuzz_one(data, size, BLK_FORMAT_VMDK);
}
