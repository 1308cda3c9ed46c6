/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spawner's own life after its start: spawner.c makes the process and its
 * namespaces, serve.c serves the channel until the VM is over.
 */
#ifndef BULKHEAD_CONTROLLER_SPAWNER_SERVE_H
#define BULKHEAD_CONTROLLER_SPAWNER_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "controller/procs.h"

/* What the spawner was started with. The fds are its own. */
struct spawner_start {
	int chan;			/* to the controller */
	int controller;			/* pidfd of it */
	int null;			/* /dev/null */
	int proc;			/* the host's /proc */
	int tty;			/* or -1 */
	int groups, groups_parent;	/* the VM's cgroup, or -1 */
	char groups_name[40];
	struct termios saved;
	bool rootless;
	uint32_t uid_base;
	int binaries[PROC_KIND_COUNT];	/* O_PATH */
};

/* The VM's one network namespace, an fd or -errno. In spawner.c. */
int spawner_netns(const struct spawner_start *start);

/* Serve, then clean up, then exit. */
_Noreturn void spawner_serve(const struct spawner_start *start);

#endif
