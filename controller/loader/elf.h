/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64-bit x86 ELF files with a PVH entry point (System V ABI; Xen's
 * docs/misc/pvh.pandoc): vmlinux, PVH firmware, bare-metal test guests.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_ELF_H
#define BULKHEAD_CONTROLLER_LOADER_ELF_H

#include <stdint.h>

struct load;

/*
 * Read the segments into guest memory at their physical addresses; *entry is the
 * note's, inside a segment, below 4 GiB. Sets kernel_end. -errno with a report.
 */
int elf_load(struct load *ld, uint64_t *entry);

#endif
