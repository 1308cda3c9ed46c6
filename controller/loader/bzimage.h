/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux bzImage by the x86 boot protocol (Documentation/arch/x86/boot.rst), 2.06
 * or later, at its 32-bit entry point.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_BZIMAGE_H
#define BULKHEAD_CONTROLLER_LOADER_BZIMAGE_H

#include <stdbool.h>
#include <stdint.h>

struct load;
struct boot;

/* Do the first @len bytes of a file look like one? */
bool bzimage_probe(const uint8_t *head, uint64_t len);

/* Load kernel, initramfs, command line and zero page. -errno with a report. */
int bzimage_load(struct load *ld, struct boot *boot);

#endif
