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
 * Make it, with the limits of its kind, of those whose controller is there. An fd of
 * it, for clone3, or -errno.
 */
int group_make(int vm, enum process_kind kind, uint32_t instance);

/* Has the kernel killed what was in it, for want of memory? */
bool group_was_oom(int group);

/* Of a child that is gone: remove it, and close @group. */
void group_remove(int vm, int group, enum process_kind kind, uint32_t instance);

#endif
