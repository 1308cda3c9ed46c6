/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup (v2) of a VM: made before the spawner is, below the one that we were
 * started in or that --cgroup names. The spawner makes one for each worker in it and
 * removes it; what nobody is left to remove, the next start does, or `bulkheadctl gc`.
 *
 *	PARENT/bulkhead-PID		memory.max: guest memory and what it takes
 *	PARENT/bulkhead-PID/blk-4	limits of controller/procs.h
 *	PARENT/bulkhead			where PARENT has to be empty: who was in it
 *
 * Controller and spawner are in none of the first two: they stay where they were.
 */
#ifndef BULKHEAD_CONTROLLER_CGROUP_H
#define BULKHEAD_CONTROLLER_CGROUP_H

#include <stddef.h>
#include <stdint.h>

#include "controller/spec.h"

#define CGROUP_PREFIX "bulkhead-"

struct cgroup {
	int parent;		/* -1: there is none */
	int dir;		/* locked (flock) as long as the VM lives; or -1 */
	int memory_max;		/* of dir; -1: no such controller */
	char name[40];		/* of dir, in parent */
	char lacks[160];	/* what the host does not give, in words; "": nothing */
};

/*
 * Make it. Where @place says nothing and the host gives none, 0 with dir -1 and
 * g->lacks; where it says something and that cannot be had, -errno and g->lacks.
 */
int cgroup_make(const struct place_spec *place, struct cgroup *g);

/* Once the spawner has it: close all but memory_max. */
void cgroup_leave(struct cgroup *g);

/* Set the VM's memory.max for @ram bytes of guest memory. -errno. */
int cgroup_limit(const struct cgroup *g, uint64_t ram);

/* Remove what VMs that are gone have left in @parent: how many of them. */
unsigned int cgroup_collect(int parent);

/* An fd of our own cgroup, or -errno. */
int cgroup_own(void);

/* Where cgroup v2 is mounted, into @path: 0 or -ENOENT. */
int cgroup_mount(char *path, size_t size);

#endif
