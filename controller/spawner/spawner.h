/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spawner: a fork of the controller, made before the controller confines
 * itself, that alone keeps the right to make processes. It is init of the VM's
 * pid namespace, starts every child of the process-kind table, tells how each
 * ended, and is the janitor: when the controller is gone it kills what is left,
 * restores the terminal and unlinks what it was told to remember.
 *
 * It takes orders from its channel alone (docs/protocol.md: Spawn, KillChild,
 * Remember, Quit), and of them nothing but a row of the table, fds and slots.
 */
#ifndef BULKHEAD_CONTROLLER_SPAWNER_SPAWNER_H
#define BULKHEAD_CONTROLLER_SPAWNER_SPAWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "controller/cgroup.h"

/* As root: how many uids and gids from uid_base on are this VM's. */
#define SPAWNER_UIDS 512u

struct spawner_config {
	const char *libexec;	/* directory of the child binaries */
	int libexec_fd;		/* ... open already, for @libexec to name; or 0 */
	const char *passt;	/* path of passt, which may be missing; with
				 * libexec_fd it is in there */
	bool rootless;		/* make one user namespace for the VM first */
	uint32_t uid_base;	/* as root: uid and gid of uid_index 0, which the
				 * controller may keep for itself */
	bool share_core;	/* one core-scheduling cookie for the whole VM */
	const struct cgroup *cgroup;	/* of the VM; NULL: it has none */
	int tty;		/* terminal to restore if the controller dies, or -1 */
	const struct termios *saved;	/* ... to this; NULL with -1 */
};

/*
 * Start the spawner. Opens the binaries of all kinds in @libexec first. Waits
 * until the spawner's namespaces are there (about a millisecond).
 *
 * Called once, from a process with one thread, whose memory and program it closes for
 * good on the way (jail_mdwe, jail_mseal): the fork has that from it. On success *chan_fd is the
 * controller's end of the channel (non-blocking, close-on-exec; PEER_CONTROLLER
 * to PEER_SPAWNER) and *pidfd the spawner's; both are the caller's. The tty and
 * whatever else is open stay the caller's: the spawner closes its copies.
 *
 * -errno, with the user's words in @why: ENOENT, EACCES (a binary; @why names
 * it), EPERM, ENOSPC (namespaces), EMFILE, ENOMEM.
 *
 * When the controller closes its end, or dies, the spawner ends everything.
 * Restoring the terminal and unlinking happen then; after Quit only the
 * unlinking does, the controller having given the terminal back itself.
 */
int spawner_start(const struct spawner_config *config, int *chan_fd, int *pidfd,
    char *why, size_t why_size);

#endif
