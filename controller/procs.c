/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of process kinds, see procs.h.
 */
#include "controller/procs.h"

#include <assert.h>

const struct process_kind_info process_kinds[] = {
	[PROC_OPENER] = { "opener", "bulkhead-opener", PEER_OPENER, true },
	[PROC_LOADER] = { "loader", "bulkhead-loader", PEER_LOADER, false },
	[PROC_VCPU] = { "vcpu", "bulkhead-vcpu", PEER_VCPU, false },
	[PROC_BLK] = { "blk", "bulkhead-blk", PEER_DEVICE, false },
	[PROC_NET] = { "net", "bulkhead-net", PEER_DEVICE, false },
	[PROC_RNG] = { "rng", "bulkhead-rng", PEER_DEVICE, false },
	[PROC_CONSOLE] = { "console", "bulkhead-console", PEER_DEVICE, false },
};

static_assert(sizeof(process_kinds) / sizeof(process_kinds[0]) == PROC_KIND_COUNT,
    "a process kind has no row");
