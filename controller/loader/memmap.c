/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's memory map, see memmap.h. */
#include "controller/loader/memmap.h"

#include "arch/x86_64/layout.h"

/*
 * Append, joining what touches. Callers add in ascending order; what the table
 * has already stays as it is.
 */
static void
add(struct memmap *map, uint64_t start, uint64_t end, enum memmap_type type)
{
	struct memmap_range *last;

	last = map->count > 0 ? &map->range[map->count - 1] : NULL;
	if (last != NULL && start < last->start + last->size)
		start = last->start + last->size;
	if (start >= end)
		return;
	if (last != NULL && last->type == type &&
	    last->start + last->size == start) {
		last->size += end - start;
		return;
	}
	if (map->count < MEMMAP_MAX)
		map->range[map->count++] = (struct memmap_range){
			.start = start, .size = end - start, .type = type,
		};
}

/* The region with the lowest address of at least @from, or NULL. */
static const struct gmem_region *
next_region(const struct gmem *mem, uint64_t from)
{
	const struct gmem_region *best = NULL;

	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct gmem_region *r = &mem->region[i];

		if (r->size != 0 && r->gpa >= from &&
		    (best == NULL || r->gpa < best->gpa))
			best = r;
	}
	return best;
}

/* What no driver may use though it looks free. */
static void
add_reserved(struct memmap *map, uint64_t from, uint64_t until)
{
	static const struct { uint64_t start, end; } reserved[] = {
		/* EBDA, ACPI tables and SMBIOS. */
		{ LAYOUT_EBDA, LAYOUT_HIGH_RAM },
		/* PCI firmware specification 3.0 4.1.2 wants this one in ACPI,
		 * and Linux looks for it here too before it trusts MCFG. */
		{ LAYOUT_ECAM, LAYOUT_ECAM + LAYOUT_ECAM_SIZE },
		{ LAYOUT_KVM_TSS, LAYOUT_KVM_IDENTITY_MAP + GMEM_PAGE_SIZE },
	};

	for (unsigned int i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (reserved[i].start >= from && reserved[i].start < until)
			add(map, reserved[i].start, reserved[i].end,
			    MEMMAP_RESERVED);
}

void
memmap_build(struct memmap *map, const struct gmem *mem)
{
	const struct gmem_region *r;
	uint64_t at = 0;	/* all below is in the table */

	map->count = 0;
	while ((r = next_region(mem, at)) != NULL) {
		enum memmap_type type =
		    r->readonly ? MEMMAP_RESERVED : MEMMAP_RAM;
		uint64_t start = r->gpa, end = r->gpa + r->size;

		add_reserved(map, at, start);
		at = end;
		if (start < LAYOUT_HIGH_RAM && end > LAYOUT_EBDA) {
			add(map, start, LAYOUT_EBDA, type);
			add(map, LAYOUT_EBDA, LAYOUT_HIGH_RAM, MEMMAP_RESERVED);
			start = LAYOUT_HIGH_RAM;
		}
		add(map, start, end, type);
	}
	add_reserved(map, at, UINT64_MAX);
}

bool
memmap_is_ram(const struct memmap *map, uint64_t start, uint64_t len)
{
	for (unsigned int i = 0; i < map->count; i++) {
		const struct memmap_range *r = &map->range[i];

		if (r->type == MEMMAP_RAM && start - r->start < r->size)
			return len != 0 &&
			    len <= r->size - (start - r->start);
	}
	return false;
}

uint64_t
memmap_low_end(const struct memmap *map)
{
	for (unsigned int i = 0; i < map->count; i++) {
		const struct memmap_range *r = &map->range[i];

		if (r->type == MEMMAP_RAM && r->start == LAYOUT_HIGH_RAM)
			return r->start + r->size < LAYOUT_LOW_RAM_END ?
			    r->start + r->size : LAYOUT_LOW_RAM_END;
	}
	return LAYOUT_HIGH_RAM;
}

uint64_t
memmap_ram_end(const struct memmap *map)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < map->count; i++)
		if (map->range[i].type == MEMMAP_RAM)
			end = map->range[i].start + map->range[i].size;
	return end;
}
