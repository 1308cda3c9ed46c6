/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loader is told of the guest's NUMA nodes. Called by config.c. A pure
 * function; what is of which node is numa.h's.
 */
#ifndef BULKHEAD_CONTROLLER_NUMA_MESSAGE_H
#define BULKHEAD_CONTROLLER_NUMA_MESSAGE_H

#include "controller/plan.h"
#include "controller/spec.h"
#include "bulkhead.pb-c.h"

/* What the message of numa_fill() points to. */
struct numa_message {
	Bh__Numa numa;
	Bh__NumaMemory memory[PLAN_MAX_REGIONS + 1];
	Bh__NumaMemory *list[PLAN_MAX_REGIONS + 1];
	uint8_t vcpus[SPEC_MAX_VCPUS];
	uint8_t distances[SPEC_MAX_NODES * SPEC_MAX_NODES];
};

/* Fill in @m; NULL where the guest has no nodes. */
Bh__Numa *numa_fill(const struct vm_spec *spec, const struct vm_plan *plan,
    struct numa_message *m);

#endif
