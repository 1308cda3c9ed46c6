/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the spawner is told of a shared directory, and whether this host has the ids
 * that the guest is to have there. Called by supervise.c and host.c.
 */
#ifndef BULKHEAD_CONTROLLER_SHARE_H
#define BULKHEAD_CONTROLLER_SHARE_H

#include "controller/plan.h"
#include "controller/spec.h"
#include "bulkhead.pb-c.h"

/* What share_fill() points into; the caller's, as long as @spawn. */
struct share_message {
	Bh__IdRange ranges[2 * FS_LIMIT_ID_RANGES];
	Bh__IdRange *pointers[2 * FS_LIMIT_ID_RANGES];
};

void share_fill(const struct fs_spec *fs, Bh__Spawn *spawn, struct share_message *m);

/*
 * Root gives what it likes but the ids that VMs have ([@first, @first + @count)); anyone
 * else has one, its own. 0, or -EPERM with the line.
 */
int share_check(const struct vm_spec *spec, const struct plan_host *host, uint32_t first,
    uint32_t count, struct spec_error *err);

#endif
