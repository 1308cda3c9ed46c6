/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory in a snapshot: two files. "memory" has the pages that are not zero, one
 * behind the other; "memory-ranges" says where they belong, 16 bytes a range: guest
 * address and length, both little-endian and of whole pages, by rising address. Used by
 * the migration-worker alone. What is read is hostile; what is saved is a guest's that
 * stands still.
 */
#ifndef BULKHEAD_CONTROLLER_MIGRATION_PAGES_H
#define BULKHEAD_CONTROLLER_MIGRATION_PAGES_H

#include <stdint.h>

#include "controller/migration/hashed.h"
#include "ipc/gmem.h"

#define PAGES_RANGE 16u		/* bytes of a range */

/* A region of guest memory: @size bytes at @gpa, which lie in @fd from @offset on. */
struct pages_region {
	uint64_t gpa, size, offset;
	int fd;
};

/*
 * Write all that is not zero in @regions, which rise by address, are of whole pages and
 * lie in their files. Holes are not read, where the file system can name them (hugetlbfs
 * cannot), and none is filled. 0 or -errno of lseek, pread, pwrite.
 */
int pages_save(const struct pages_region *regions, uint32_t nregions,
    struct hashed *memory, struct hashed *ranges);

/*
 * Fill @mem, which is all zero, from both files, of @ranges_size and @memory_size bytes.
 * Who calls compares the digests before anybody looks at the memory. 0 or -errno of
 * pread, or with *why: EINVAL (a range that is none of this VM's, or lengths that do
 * not add up), ENODATA (a file is shorter than said).
 */
int pages_load(const struct gmem *mem, struct hashed *memory,
    uint64_t memory_size, struct hashed *ranges, uint64_t ranges_size,
    const char **why);

#endif
