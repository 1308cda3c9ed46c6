/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a snapshot: which files it has, and of which program it is. A text,
 * one line each, one space between words:
 *
 *	bulkhead-snapshot VERSION
 *	build BUILD-ID
 *	file NAME BYTES SHA-256		(up to MANIFEST_MAX_FILES)
 *	end SHA-256			(of all before this line)
 *
 * Its last line makes it whole or none; hashes find what was damaged, not who lies.
 * Written and read by the migration-worker alone; depends on nothing but its bytes.
 */
#ifndef BULKHEAD_CONTROLLER_MIGRATION_MANIFEST_H
#define BULKHEAD_CONTROLLER_MIGRATION_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "controller/migration/hashed.h"

#define MANIFEST_VERSION 1u	/* what is written, and the only one read */
#define MANIFEST_MAX_FILES 32u
#define MANIFEST_MAX_NAME 31u	/* of a-z, 0-9, '-' and '.', a letter first */
#define MANIFEST_MAX_BUILD 64u	/* of 0-9 and a-z */
#define MANIFEST_MAX_SIZE 8192u	/* bytes of the text */

struct manifest_file {
	char name[MANIFEST_MAX_NAME + 1];
	uint64_t size;		/* at most INT64_MAX */
	uint8_t digest[HASHED_DIGEST];
};

struct manifest {
	uint32_t version;
	char build[MANIFEST_MAX_BUILD + 1];
	uint32_t nfiles;
	struct manifest_file files[MANIFEST_MAX_FILES];
};

/* The text of @m, which is valid. Its length, without a 0 behind it. */
size_t manifest_write(const struct manifest *m, char text[MANIFEST_MAX_SIZE]);

/*
 * Read @len bytes of @text. 0; or -errno with *why, static: EINVAL;
 * EPROTONOSUPPORT: of another version, which is in m->version, and nothing else is.
 */
int manifest_read(struct manifest *m, const char *text, size_t len,
    const char **why);

/* The file of this name, or NULL. */
const struct manifest_file *manifest_find(const struct manifest *m,
    const char *name);

#endif
