/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the exhaustive harnesses share: TAP, memory that ends at an inaccessible
 * page, and the regions of guest memory that the bounds speak of (docs/threat-model.md).
 * Each harness is a program: it compares the shipped code, compiled into it, with a
 * second description of what is right, for every input within its bounds.
 */
#ifndef BULKHEAD_TESTS_FORMAL_FORMAL_H
#define BULKHEAD_TESTS_FORMAL_FORMAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE 4096u

static uint64_t cases;

/* @pages of memory with an inaccessible page before and behind. */
static inline uint8_t *
island(size_t pages)
{
	uint8_t *at = mmap(NULL, (pages + 2) * PAGE, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED || mprotect(at + PAGE, pages * PAGE,
	    PROT_READ | PROT_WRITE) != 0)
		abort();
	return at + PAGE;
}

/* The end of a harness: the one TAP line that its mutants have to fail. */
static inline int
verdict(const char *what, bool good)
{
	printf("%sok - %s: %llu cases\n", good ? "" : "not ", what,
	    (unsigned long long)cases);
	return good ? 0 : 1;
}

#endif
