/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validators of what the migration-worker is told, see check.h.
 */
#include "ipc/slots.h"
#include "proto/check_inside.h"
#include "proto/limits.h"

_Static_assert(SNAPSHOT_LIMIT_FILES == BH__SNAPSHOT_FILE__SNAPSHOT_FILE_VSOCK + 1,
    "one of each");

const char *
check_snapshot_files(const Bh__SnapshotFiles *m)
{
	uint32_t seen = 0;

	REQUIRE(m->n_files >= 1 && m->n_files <= SNAPSHOT_LIMIT_FILES,
	    "number of files");
	for (size_t i = 0; i < m->n_files; i++) {
		REQUIRE((seen & 1u << m->files[i]) == 0, "a file twice");
		seen |= 1u << m->files[i];
	}
	return NULL;
}

const char *
check_snapshot_part(const Bh__SnapshotPart *m)
{
	REQUIRE(m->file != BH__SNAPSHOT_FILE__SNAPSHOT_FILE_MANIFEST &&
	    m->file != BH__SNAPSHOT_FILE__SNAPSHOT_FILE_MEMORY &&
	    m->file != BH__SNAPSHOT_FILE__SNAPSHOT_FILE_MEMORY_RANGES,
	    "a file that has no parts");
	REQUIRE(m->index < FD_DEVICE_COUNT, "device index");
	REQUIRE(m->size <= INT64_MAX, "size");
	return NULL;
}
