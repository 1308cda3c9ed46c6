/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child's own cgroup, in that of the VM (controller/cgroup.h). Called by the spawner
 * alone.
 */
#ifndef BULKHEAD_CONTROLLER_SPAWNER_GROUP_H
#define BULKHEAD_CONTROLLER_SPAWNER_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/procs.h"

/*
 * Make it, with the limits of its kind, of those whose controller is there; *group is an
 * fd of it, for clone3, or -1 where the VM has none (@vm is -1). 0 or -errno.
 */
int group_enter(int vm, int *group, enum process_kind kind, uint32_t instance);

/*
 * Of a child that is gone: remove it, close *group, make it -1. Whether the kernel has
 * killed what was in it for want of memory.
 */
bool group_leave(int vm, int *group, enum process_kind kind, uint32_t instance);

#endif
