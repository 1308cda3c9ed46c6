/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the migration-worker does once it is jailed: writes a snapshot's files, or reads
 * them. Called by its main.c. Reads, writes and fsyncs fds that it was given, and
 * nothing else; what it reads is hostile.
 */
#ifndef BULKHEAD_CONTROLLER_MIGRATION_JOB_H
#define BULKHEAD_CONTROLLER_MIGRATION_JOB_H

#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "controller/migration/manifest.h"
#include "controller/migration/pages.h"
#include "ipc/gmem.h"
#include "proto/limits.h"

struct job_part {
	Bh__SnapshotFile file;
	uint32_t index;
	uint64_t size;
	int fd;
};

struct job {
	int files[SNAPSHOT_LIMIT_FILES];	/* -1: there is none */
	struct pages_region regions[GMEM_LIMIT_REGIONS];
	uint32_t nregions;
	struct job_part parts[SNAPSHOT_LIMIT_PARTS];
	uint32_t nparts;
	struct gmem mem;	/* the regions, where memory is loaded */
	struct manifest manifest;
	char why[200];		/* of a failure: "memory: ..." */
};

/* All files, and fsync. Here and below: 0, or -errno with ->why. */
int job_save(struct job *j);

/* Memory and all parts, from files that are what the manifest says. */
int job_load(struct job *j);

/* Each part of the configuration, in order; @take gives 0 or -errno. */
typedef int job_config_fn(void *arg, Bh__SnapshotConfig *config);
int job_config(struct job *j, job_config_fn *take, void *arg);

#endif
