/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a passt is started with, and what is taken from it before: it makes the
 * better part of its sandbox itself (a user namespace, an empty root, a filter),
 * but only after it has read the host's routes and bound the published ports.
 * Called by serve.c (prepare) and child.c (confine).
 */
#ifndef BULKHEAD_CONTROLLER_SPAWNER_PASST_H
#define BULKHEAD_CONTROLLER_SPAWNER_PASST_H

#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "controller/publish.h"

#define PASST_WORDS (8u + USER_NET_LIMIT_PORTS)

struct passt_start {
	uint32_t id;		/* uid and gid; 0: those we have */
	unsigned int nports;
	uint16_t ports[USER_NET_LIMIT_PORTS];	/* of TCP, on the host */
	unsigned int nwords;
	char words[PASST_WORDS][PUBLISH_TEXT];
	unsigned int nargv;
	char *argv[16 + 2 * PASST_WORDS];
};

/* From a message that has passed proto/check.c. No system call. */
void passt_prepare(struct passt_start *start, const Bh__UserNet *config,
    uint32_t id);

/*
 * In the child, with its fds in place: at FD_CTL what it shall speak into, at
 * FD_BACKEND the socket. 0 or -errno.
 */
int passt_confine(const struct passt_start *start);

#endif
