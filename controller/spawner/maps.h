/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ids of a child's user namespace: which it has, and which the child is in there.
 * Made by the spawner when the child starts, written when its namespace is there.
 */
#ifndef BULKHEAD_CONTROLLER_SPAWNER_MAPS_H
#define BULKHEAD_CONTROLLER_SPAWNER_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "proto/limits.h"

/* Inside, outside, how many; as /proc/PID/uid_map has it. */
struct id_range {
	uint32_t inside, outside, count;
};

struct id_map {
	struct id_range range[FS_LIMIT_ID_RANGES + 1];
	uint32_t n;
	uint32_t own;		/* the child's id inside */
};

struct child_maps {
	struct id_map uids, gids;
};

/*
 * One id: 0 inside, and outside @own, which is the uid that is the child's alone (root)
 * or the VM's user namespace's 0, which is the user. Who has a share, started by root:
 * all of them, as they are, or those that @spawn says and its own, so that it can give
 * a file to the guest's user; what it can do with them is bounded by its root. Rootless
 * one of @spawn may say what the user is called inside.
 */
void maps_make(struct child_maps *maps, const Bh__Spawn *spawn, bool shared,
    bool rootless, uint32_t own);

/* Write both, by /proc at @proc, into the namespace of @pid. 0 or -errno. */
int maps_write(const struct child_maps *maps, int proc, uint32_t pid);

#endif
