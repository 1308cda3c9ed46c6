/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a snapshot's file: one for each device of a kind, or one alone. Before
 * each are 16 bytes, little-endian: its index (4), zero (4), its length (8). Used by the
 * migration-worker alone. What is read is hostile.
 */
#ifndef BULKHEAD_CONTROLLER_MIGRATION_PARTS_H
#define BULKHEAD_CONTROLLER_MIGRATION_PARTS_H

#include <stdint.h>

#include "controller/migration/hashed.h"

#define PARTS_HEAD 16u		/* bytes before a part */
#define PARTS_MOST (64ull << 20)	/* bytes of one */

/* Append @size bytes of @fd. 0 or -errno of pread, pwrite; EIO: @fd is shorter. */
int parts_write(struct hashed *f, uint32_t index, int fd, uint64_t size);

/*
 * The head of the next part of @f, a file of @end bytes: its index and length, which
 * is in the file. 0; or -EINVAL with *why, static; or -errno of pread.
 */
int parts_head(struct hashed *f, uint64_t end, uint32_t *index, uint64_t *size,
    const char **why);

/*
 * The next part of @f into @fd. It is the one of @index and, but where @size is 0, has
 * @size bytes. As parts_head(), and of pwrite.
 */
int parts_read(struct hashed *f, uint64_t end, uint32_t index, uint64_t size,
    int fd, const char **why);

#endif
