/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of a snapshot, written or read once from its front to its end and hashed on
 * the way. Used by the migration-worker for each file but the manifest. Positional:
 * flags and offset of the fd stay as they are. Allocates nothing, and calls pread64
 * and pwrite64 alone.
 */
#ifndef BULKHEAD_CONTROLLER_MIGRATION_HASHED_H
#define BULKHEAD_CONTROLLER_MIGRATION_HASHED_H

#include <stddef.h>
#include <stdint.h>

#include <nettle/sha2.h>

#define HASHED_DIGEST SHA256_DIGEST_SIZE

struct hashed {
	int fd;
	uint64_t size;		/* bytes so far */
	struct sha256_ctx sha;
};

/* Begin at the front of @fd, which stays the caller's. */
void hashed_begin(struct hashed *f, int fd);

/* All of @len bytes, or -errno: those of pwrite. */
int hashed_write(struct hashed *f, const void *data, size_t len);

/* All of @len bytes, or -errno: those of pread; ENODATA: the file ends before. */
int hashed_read(struct hashed *f, void *data, size_t len);

/* The SHA-256 of what was written or read. @f has to be begun again. */
void hashed_end(struct hashed *f, uint8_t digest[HASHED_DIGEST]);

#endif
