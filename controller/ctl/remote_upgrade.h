/* SPDX-License-Identifier: Apache-2.0 */
/* bulkheadctl upgrade-worker, for remote.c: the one command of several requests. */
#ifndef BULKHEAD_CTL_REMOTE_UPGRADE_H
#define BULKHEAD_CTL_REMOTE_UPGRADE_H

#define UPGRADE_USAGE "<id>|--all [--binary <path>]"

/* At the VMM of @socket, with the command's arguments. The exit status. */
int remote_upgrade(const char *socket, int argc, char **argv);

#endif
