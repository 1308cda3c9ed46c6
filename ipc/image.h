/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the program of this process lies in its memory: what an address in a report
 * of its death is relative to (Hello.image_base). For those who say Hello.
 */
#ifndef BULKHEAD_IPC_IMAGE_H
#define BULKHEAD_IPC_IMAGE_H

#include <stdint.h>

/* The linker's: the ELF header, mapped with what is behind it. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static inline uint64_t
image_base(void)
{
	return (uint64_t)(uintptr_t)__ehdr_start;
}

#endif
