/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device of each kind with its simplest request, one at a time, for guests that
 * drive all of them (steady.c, lies.c).
 */
#ifndef BULKHEAD_TESTS_GUEST_UNITS_H
#define BULKHEAD_TESTS_GUEST_UNITS_H

#include "lib/virtio.h"

#define UNITS 12u
#define UNIT_BUFS 3u		/* of a request */
#define UNIT_QUEUE 16u		/* entries */

enum {
	UNIT_WAITS = -2,	/* nothing has come */
	UNIT_ODD = -1,		/* an answer that is none */
	UNIT_FAILED = 0,
	UNIT_DONE = 1,
};

struct unit {
	const char *name;
	uint16_t kind, nth;
	uint16_t queues, asks;		/* how many, and on which */
	bool lossy;			/* an answer may be lost with a worker */
	struct vdev d;
	struct vq q[4];
	uint8_t *out, *in, *rx;		/* a page each */
	uint32_t done, failed, lost, round, since;
	int id;				/* of the request in flight; -1: none */
	bool there, answered, fuse;
	bool lies;		/* what it is asked is none; vsock: no answer is due */
};

extern struct unit units[UNITS];

/* Is there one? Its pages are allocated. */
bool unit_find(struct unit *u);
/* From a reset to DRIVER_OK, with these features and no others. */
bool unit_start(struct unit *u, uint64_t features);
/* The next request: how many of @v it has. */
unsigned int unit_request(struct unit *u, struct buf v[UNIT_BUFS]);
/* Queue one, or what was made of it; its id is in the unit. */
void unit_send(struct unit *u, const struct buf *v, unsigned int n, bool indirect);
/* Both. */
void unit_ask(struct unit *u);
/* What came of it. */
int unit_look(struct unit *u);
/* ... of an answer of @len bytes (not vsock's, which comes on another queue). */
int unit_judge(struct unit *u, uint32_t len);

#endif
