/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of process kinds, see procs.h.
 */
#include "controller/procs.h"

#include <assert.h>

const struct process_kind_info process_kinds[] = {
	[PROC_OPENER] = { .name = "opener", .binary = "bulkhead-opener",
	    .peer = PEER_OPENER, .as_user = true },
	[PROC_LOADER] = { .name = "loader", .binary = "bulkhead-loader",
	    .peer = PEER_LOADER },
	[PROC_VCPU] = { .name = "vcpu", .binary = "bulkhead-vcpu",
	    .peer = PEER_VCPU },
	[PROC_BLK] = { .name = "blk", .binary = "bulkhead-blk",
	    .peer = PEER_DEVICE, .config_page = true, .replaced = true },
	[PROC_NET] = { .name = "net", .binary = "bulkhead-net",
	    .peer = PEER_DEVICE, .replaced = true },
	[PROC_RNG] = { .name = "rng", .binary = "bulkhead-rng",
	    .peer = PEER_DEVICE, .replaced = true },
	[PROC_CONSOLE] = { .name = "console", .binary = "bulkhead-console",
	    .peer = PEER_DEVICE, .replaced = true },
	[PROC_PASST] = { .name = "passt", .binary = "passt", .foreign = true },
	[PROC_API] = { .name = "api", .binary = "bulkhead-api",
	    .peer = PEER_API },
	[PROC_GUARD] = { .name = "guard", .binary = "bulkhead-guard",
	    .peer = PEER_OPENER, .as_user = true },
	[PROC_FRONT] = { .name = "vhost-user", .binary = "bulkhead-vhost-user-front",
	    .peer = PEER_DEVICE },
};

static_assert(sizeof(process_kinds) / sizeof(process_kinds[0]) == PROC_KIND_COUNT,
    "a process kind has no row");
