/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of child process, as one const table: what the spawner executes and
 * how it confines it. Owned by the controller's folder; read by the controller
 * (which asks for a kind) and the spawner (which alone starts it).
 */
#ifndef BULKHEAD_CONTROLLER_PROCS_H
#define BULKHEAD_CONTROLLER_PROCS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/table.h"

enum process_kind {
	PROC_OPENER,
	PROC_LOADER,
	PROC_VCPU,
	PROC_BLK,
	PROC_NET,
	PROC_RNG,
	PROC_CONSOLE,
	PROC_PASST,
	PROC_API,
	PROC_FRONT,
	PROC_GUARD,
	PROC_FS,
	PROC_BALLOON,
	PROC_PMEM,
	PROC_VSOCK,
	PROC_MEM,
	PROC_WATCHDOG,
	PROC_RTC,
	PROC_MIGRATION,
	PROC_SNAPSHOT,
	PROC_KIND_COUNT,
};

/*
 * Of a child's cgroup, where there is one; 0: none. Guest memory is charged to whoever
 * touches a page first, so that memory is limited here only of those who map none of
 * it, and for all together by the VM's memory.max.
 */
struct process_limits {
	uint32_t pids;		/* tasks, those included that the kernel makes in it */
	uint64_t memory;	/* bytes */
	uint32_t cpu_weight;	/* of 100 that others have, to 10000 */
	uint32_t io_weight;
};

struct process_kind_info {
	const char *name;	/* "blk", for people */
	const char *binary;	/* "bulkhead-blk", in the libexec directory */
	enum proto_peer peer;
	bool as_user;		/* opener, guard: host root, namespaces and ids of the
				 * user who started the VM; all others: jailed */
	bool config_page;	/* its driver may write to the configuration space */
	bool replaced;		/* when it dies, another can go on: it keeps a record */
	bool share;		/* the fd at FD_BACKEND becomes its root, if it has one */
	bool foreign;		/* not ours: confined as spawner/passt.h says, no
				 * channel, may be missing */
	struct process_limits limits;
};

extern const struct process_kind_info process_kinds[PROC_KIND_COUNT];

#endif
