/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of a snapshot's files, by SnapshotFile. Read by the migration-worker, which
 * knows them from the manifest, and the opener, which makes and opens them.
 */
#ifndef BULKHEAD_CONTROLLER_MIGRATION_FILES_H
#define BULKHEAD_CONTROLLER_MIGRATION_FILES_H

#include "proto/limits.h"

extern const char *const snapshot_names[SNAPSHOT_LIMIT_FILES];

#endif
