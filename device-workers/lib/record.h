/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record: shared memory of one device's workers, past, present and to come,
 * that tells a successor where its predecessor died. A memfd of the controller's
 * at FD_RECORD; worker_*.c writes and reads it, no device does.
 *
 * Per queue it has the in-flight region (virtq_track) and a mark, the request
 * that was last taken: if it is there after the worker's death, it may be what
 * killed it. Of the device as a whole it has the state that save() writes, and its
 * counters.
 *
 * A worker that was taken over may have written anything there before it was
 * killed: all that is read is copied and checked, and costs this device at most.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_RECORD_H
#define BULKHEAD_DEVICE_WORKERS_LIB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

/* How many deaths on one request until it is answered with an error. */
#define RECORD_DEATHS 2u

/* What was being worked on: the entry of the in-flight region + 1, 0: nothing. */
struct record_mark {
	uint32_t now;
	uint32_t suspect;	/* ... when a predecessor died */
	uint32_t deaths;	/* how many of them did so on it */
};

/*
 * The last requests taken of a queue, for whoever wants to know what a worker died
 * on; number n, from 1, is at n % RECORD_TRAIL. In the queue's part, behind its
 * in-flight region. Read by the controller (deaths.c).
 */
#define RECORD_TRAIL 16u
#define RECORD_TRAIL_AT (RECORD_QUEUE_SIZE - 4096u)
struct record_taken {
	uint32_t number;	/* 0: there is none */
	uint32_t type;		/* as the device counts them + 1; 0: not looked at */
	uint32_t read_len, write_len;
};

struct record {
	uint8_t *base;		/* NULL: there is none */
	unsigned int nqueues;	/* that it has room for */
	uint32_t version;	/* of the state in it */
};

/* Map what is at FD_RECORD, if anything is. Before the jail. -errno. */
int record_open(struct record *r);

/* The device's counters (counters.h), or NULL. They stay when the driver goes. */
uint64_t *record_counters(const struct record *r);

/*
 * From now on what is in it is of version @version. Version 1 said nothing: a
 * record without a word is of that one, or nobody has written to it.
 */
void record_sign(struct record *r, uint32_t version);

/* Of queue @q, below r->nqueues. */
void *record_region(const struct record *r, unsigned int q);
struct record_mark *record_mark(const struct record *r, unsigned int q);
/* ... RECORD_TRAIL of them, all empty. */
struct record_taken *record_trail(const struct record *r, unsigned int q);

/*
 * The driver is gone, and all that it had in flight; with @rings its rings, too. Without,
 * somebody else goes on with them.
 */
void record_clear(struct record *r, bool rings);

/*
 * A successor counts the deaths of queue @q: the entry on which RECORD_DEATHS
 * workers in a row have died, or -1. Not @guilty: the last one was killed from
 * outside, which says nothing of what it was at.
 */
int record_suspect(const struct record *r, unsigned int q, bool guilty);
/* All that a predecessor had in flight is done. */
void record_trust(const struct record *r, unsigned int q);

/*
 * The device's own state: written as a whole or not at all, whenever a writer
 * dies. Read: its length, 0 if none was written, into @buf of at least
 * RECORD_STATE_SIZE bytes.
 */
#define RECORD_STATE_SIZE DEVICE_LIMIT_STATE
void record_write_state(struct record *r, const uint8_t *data, size_t len);
size_t record_read_state(const struct record *r, uint8_t *buf);

#endif
