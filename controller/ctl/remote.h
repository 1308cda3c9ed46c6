/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of Cloud Hypervisor's ch-remote: one request to a VMM's API socket
 * each. Called by main.c. What follows an add-* command is read by the table of
 * bulkhead's own options.
 */
#ifndef BULKHEAD_CTL_REMOTE_H
#define BULKHEAD_CTL_REMOTE_H

#include <stdbool.h>

/* Is it one of these commands, or an option that comes before one? */
bool remote_takes(const char *word);

/* Do it: @argv[0] is the program. The exit status: 0, 1 refused, 2 usage. */
int remote_main(int argc, char **argv);

/* Its part of --help, to standard output. */
void remote_help(void);

#endif
