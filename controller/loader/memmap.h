/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's physical memory map: one table made from the memory regions and
 * arch/x86_64/layout.h, from which both the e820 table of a bzImage and the PVH
 * memory map are written. Pure: looks at no guest memory.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_MEMMAP_H
#define BULKHEAD_CONTROLLER_LOADER_MEMMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/gmem.h"

/* Types of ACPI's INT 15 e820 interface (ACPI 6.4 15), the same in PVH. */
enum memmap_type {
	MEMMAP_RAM = 1,
	MEMMAP_RESERVED = 2,
};

/* Every region in two pieces, the legacy hole, ECAM, KVM's pages. */
#define MEMMAP_MAX (GMEM_MAX_REGIONS + 8u)

struct memmap_range {
	uint64_t start;
	uint64_t size;		/* bytes */
	enum memmap_type type;
};

struct memmap {
	struct memmap_range range[MEMMAP_MAX];
	unsigned int count;	/* sorted by start, none overlap */
};

/* Writable regions are RAM; read-only ones are reserved. */
void memmap_build(struct memmap *map, const struct gmem *mem);

/* All of the range is RAM that the guest is told of? False if @len is 0. */
bool memmap_is_ram(const struct memmap *map, uint64_t start, uint64_t len);

/*
 * End of the RAM that begins at LAYOUT_HIGH_RAM and has no hole, at most
 * LAYOUT_LOW_RAM_END; LAYOUT_HIGH_RAM if there is none.
 */
uint64_t memmap_low_end(const struct memmap *map);

/* End of the highest RAM. */
uint64_t memmap_ram_end(const struct memmap *map);

#endif
