/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory ranges of a snapshot. Input: what to add to the sizes that are said (2
 * bytes), number of ranges, the ranges; the rest is memory, over and over. What is taken
 * is saved again as the same ranges, less pages that are zero.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controller/migration/pages.h"

#define PAGE 4096ull
#define HIGH 0x100000000ull
#define PAGES 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ram = -1, files[4];
static struct gmem mem;
static struct pages_region regions[] = {
	{ .gpa = 0, .size = 8 * PAGE },
	{ .gpa = 8 * PAGE, .size = 4 * PAGE, .offset = 8 * PAGE },
	{ .gpa = HIGH, .size = 4 * PAGE, .offset = 12 * PAGE },
};

static void
set_up(void)
{
	ram = memfd_create("ram", 0);
	for (int i = 0; i < 4; i++)
		files[i] = memfd_create("file", 0);
	if (gmem_init(&mem, PAGES * PAGE) != 0 ||
	    ftruncate(ram, PAGES * PAGE) != 0)
		abort();
	for (uint32_t i = 0; i < 3; i++) {
		regions[i].fd = ram;
		if (gmem_add(&mem, i, regions[i].gpa, regions[i].size, ram,
		    regions[i].offset, false) != 0)
			abort();
	}
}

static void
put(int fd, const void *data, size_t len)
{
	if (ftruncate(fd, 0) != 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t pages[PAGES * PAGE];
	struct hashed memory, ranges, memory2, ranges2;
	size_t nranges, rest;
	uint64_t said;
	const char *why = "";

	if (ram < 0)
		set_up();
	if (size < 3 || (nranges = data[2]) * PAGES_RANGE > size - 3)
		return -1;
	rest = size - 3 - nranges * PAGES_RANGE;
	for (size_t i = 0; i < sizeof(pages); i++)
		pages[i] = rest == 0 ? 1 : data[3 + nranges * PAGES_RANGE + i % rest];
	put(files[0], pages, sizeof(pages));
	put(files[1], data + 3, nranges * PAGES_RANGE);
	if (ftruncate(ram, 0) != 0 || ftruncate(ram, PAGES * PAGE) != 0)
		abort();
	hashed_begin(&memory, files[0]);
	hashed_begin(&ranges, files[1]);
	said = (data[0] % (PAGES + 2)) * PAGE;
	if (pages_load(&mem, &memory, said, &ranges,
	    nranges * PAGES_RANGE + data[1] % 32, &why) != 0)
		return 0;
	if (memory.size != said || said > sizeof(pages))
		abort();
	hashed_begin(&memory2, files[2]);
	hashed_begin(&ranges2, files[3]);
	if (pages_save(regions, 3, &memory2, &ranges2) != 0 ||
	    memory2.size > memory.size)
		abort();
	return 0;
}
