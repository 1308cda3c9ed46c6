/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of process kinds, see procs.h.
 */
#include "controller/procs.h"

#include <assert.h>

#include "ipc/slots.h"

#define MIB (1ull << 20)

const struct process_kind_info process_kinds[] = {
	[PROC_OPENER] = { .name = "opener", .binary = "bulkhead-opener",
	    .peer = PEER_OPENER, .as_user = true,
	    .limits = { .pids = 2, .memory = 64 * MIB, .cpu_weight = 50 } },
	[PROC_LOADER] = { .name = "loader", .binary = "bulkhead-loader",
	    .peer = PEER_LOADER,
	    .limits = { .pids = 2, .cpu_weight = 100 } },
	[PROC_VCPU] = { .name = "vcpu", .binary = "bulkhead-vcpu",
	    .peer = PEER_VCPU,
	    .limits = { .pids = FD_VCPU_COUNT + 8, .cpu_weight = 100 } },
	[PROC_BLK] = { .name = "blk", .binary = "bulkhead-blk",
	    .peer = PEER_DEVICE, .config_page = true, .replaced = true,
	    .limits = { .pids = 64, .cpu_weight = 100, .io_weight = 100 } },
	[PROC_NET] = { .name = "net", .binary = "bulkhead-net",
	    .peer = PEER_DEVICE, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 100, .io_weight = 10 } },
	[PROC_RNG] = { .name = "rng", .binary = "bulkhead-rng",
	    .peer = PEER_DEVICE, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 50, .io_weight = 10 } },
	[PROC_CONSOLE] = { .name = "console", .binary = "bulkhead-console",
	    .peer = PEER_DEVICE, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 50, .io_weight = 10 } },
	[PROC_PASST] = { .name = "passt", .binary = "passt", .foreign = true,
	    .limits = { .pids = 16, .memory = 128 * MIB, .cpu_weight = 100, .io_weight = 10 } },
	[PROC_API] = { .name = "api", .binary = "bulkhead-api",
	    .peer = PEER_API,
	    .limits = { .pids = 4, .memory = 64 * MIB, .cpu_weight = 20, .io_weight = 10 } },
	[PROC_GUARD] = { .name = "guard", .binary = "bulkhead-guard",
	    .peer = PEER_OPENER, .as_user = true,
	    .limits = { .pids = 2, .memory = 128 * MIB, .cpu_weight = 50 } },
	[PROC_FRONT] = { .name = "vhost-user", .binary = "bulkhead-vhost-user-front",
	    .peer = PEER_DEVICE, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 100, .io_weight = 10 } },
	[PROC_FS] = { .name = "fs", .binary = "bulkhead-fs",
	    .peer = PEER_DEVICE, .replaced = true, .share = true,
	    .limits = { .pids = 4, .cpu_weight = 100, .io_weight = 100 } },
	[PROC_BALLOON] = { .name = "balloon", .binary = "bulkhead-balloon",
	    .peer = PEER_DEVICE, .config_page = true, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 50, .io_weight = 10 } },
	[PROC_PMEM] = { .name = "pmem", .binary = "bulkhead-pmem",
	    .peer = PEER_DEVICE, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 50, .io_weight = 100 } },
	[PROC_MEM] = { .name = "mem", .binary = "bulkhead-mem",
	    .peer = PEER_DEVICE, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 50, .io_weight = 10 } },
	[PROC_VSOCK] = { .name = "vsock", .binary = "bulkhead-vsock",
	    .peer = PEER_DEVICE, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 100, .io_weight = 10 } },
	[PROC_WATCHDOG] = { .name = "watchdog", .binary = "bulkhead-watchdog",
	    .peer = PEER_DEVICE, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 100, .io_weight = 10 } },
	[PROC_RTC] = { .name = "rtc", .binary = "bulkhead-rtc",
	    .peer = PEER_DEVICE, .replaced = true,
	    .limits = { .pids = 4, .cpu_weight = 50, .io_weight = 10 } },
	[PROC_MIGRATION] = { .name = "migration", .binary = "bulkhead-migration",
	    .peer = PEER_MIGRATION,
	    .limits = { .pids = 2, .cpu_weight = 100, .io_weight = 100 } },
	[PROC_SNAPSHOT] = { .name = "snapshot", .binary = "bulkhead-snapshot",
	    .peer = PEER_OPENER, .as_user = true,
	    .limits = { .pids = 2, .memory = 64 * MIB, .cpu_weight = 50 } },
};

static_assert(sizeof(process_kinds) / sizeof(process_kinds[0]) == PROC_KIND_COUNT,
    "a process kind has no row");
