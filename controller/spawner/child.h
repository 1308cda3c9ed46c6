/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a child of the spawner does between clone3 and exec: namespaces, maps,
 * ids, an empty root, fds to their slots. Called by spawner.c alone, in the
 * child, which never returns. It must not allocate, lock or log: it reports
 * through the status socket.
 */
#ifndef BULKHEAD_CONTROLLER_SPAWNER_CHILD_H
#define BULKHEAD_CONTROLLER_SPAWNER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/spawner/passt.h"
#include "ipc/chan.h"

/* The steps that can fail, for the report. */
enum child_step {
	STEP_READY,		/* not a failure: the user namespace waits for maps */
	STEP_NETNS,
	STEP_USERNS,
	STEP_MAPS,
	STEP_IDS,
	STEP_SESSION,
	STEP_ROOT,
	STEP_FDS,
	STEP_CONFINE,
	STEP_EXEC,
	STEP_COUNT,
};

/* A packet on the status socket, child to spawner. */
struct child_report {
	uint32_t step;		/* enum child_step */
	int32_t error;		/* positive errno; 0 with STEP_READY */
};

struct child_plan {
	const char *name;	/* binary, for argv[0] */
	uint32_t instance;
	bool as_user;		/* none of the jail's namespaces and ids */
	int share;		/* index in fds of the directory that becomes its
				 * root, and is an fd of that then; -1: none */
	bool share_readonly;
	uint32_t uid, gid;	/* its own in its user namespace; not 0: those of who
				 * has a share, and capabilities over files with it */
	struct passt_start *passt;	/* NULL, or how to start that */
	int binary;		/* O_PATH fd of what to execute */
	int netns;		/* the VM's network namespace */
	int null;		/* /dev/null, for 0, 1, 2 */
	int status;		/* status socket, close-on-exec */
	unsigned int nfds;
	int fds[CHAN_MAX_FDS];
	uint32_t slots[CHAN_MAX_FDS];
};

/* Words for a step: "entering the network namespace"; static. */
const char *child_step_text(uint32_t step);

/*
 * Become the child. Closes every fd that is not in the plan. Uses @plan's fds as
 * scratch.
 */
_Noreturn void child_run(struct child_plan *plan);

#endif
