/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be removed when the VM is over, however it ends: files in directories
 * that were passed, tc filters on interfaces. Called by serve.c alone.
 */
#ifndef BULKHEAD_CONTROLLER_SPAWNER_JANITOR_H
#define BULKHEAD_CONTROLLER_SPAWNER_JANITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/chan.h"

#define JANITOR_MAX_FILES 64u
#define JANITOR_MAX_FILTERS 248u	/* one a --net */

struct janitor_file {
	int dir;
	dev_t device;
	ino_t inode;
	char name[256];
};

struct janitor_filter {
	uint32_t ifindex;
	bool egress;
};

struct janitor {
	struct janitor_file file[JANITOR_MAX_FILES];
	unsigned int nfiles;
	struct janitor_filter filter[JANITOR_MAX_FILTERS];
	unsigned int nfilters;
};

/* From Remember, whose fd it takes, or RememberFilter. -ENOSPC. */
int janitor_remember(struct janitor *j, struct chan_msg *msg);
int janitor_remember_filter(struct janitor *j, const Bh__RememberFilter *m);

/* Remove it all: files only if they still are the same. */
void janitor_clean(const struct janitor *j);

#endif
