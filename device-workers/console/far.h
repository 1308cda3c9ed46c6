/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The far end of a console: file, terminal, pty or socket client, or nothing.
 * Owns its fds, what is waiting to be written there and what was read and not
 * yet taken. Called by console.c; knows nothing of guests, rings or queues.
 *
 * Nothing here waits. Output goes into a ring: while somebody is there the ring
 * is kept short, and who has bytes for it keeps them until there is room; while
 * nobody is (a socket without a client, a pty or named pipe that nobody has open)
 * it keeps the last FAR_BACKLOG bytes for whoever comes, and forgets older ones.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_CONSOLE_FAR_H
#define BULKHEAD_DEVICE_WORKERS_CONSOLE_FAR_H

#include "device-workers/console/escape.h"
#include "device-workers/lib/device.h"

#define FAR_BACKLOG 65536u	/* bytes; a power of two */
#define FAR_HIGH 4096u		/* kept for a far end that is there */
#define FAR_INPUT 2048u		/* read at once */

struct far {
	struct device *dev;
	const char *name;	/* "serial" */
	Bh__PortKind kind;
	int listen;		/* listening socket, or -1 */
	int rfd, wfd;		/* to read from and write to, or -1; may be one */
	int client_slot;	/* where an accepted client goes */
	bool attached;		/* somebody is there */
	bool waits;		/* wfd can be waited for (not a regular file) */
	bool eager;		/* a write to wfd does not wait */
	bool writable;		/* the loop said so */
	bool lost;		/* the last write to a file failed */
	bool returns;		/* who reads wfd may go and come: pty, named pipe */
	bool in_tty;		/* rfd is a terminal */
	bool in_returns;	/* rfd is a named pipe: writers may go and come */
	bool in_ended;		/* no writer of it now */
	uint32_t chunk;		/* bytes of one write */
	uint32_t rmask, wmask, lmask;	/* what the loop watches for us */

	uint8_t *backlog;
	uint32_t head, tail;	/* free running */

	bool has_escape;
	struct escape escape;
	uint32_t in_pos, in_len;
	uint8_t input[FAR_INPUT + 1];
};

/*
 * Before the jail: take over the fds in the slots (-1: the port has no such).
 * -errno and *why.
 */
int far_start(struct far *f, struct device *dev, const char *name,
    Bh__PortKind kind, int in_slot, int out_slot, bool escape, const char **why);

/* Bytes that far_put takes without losing any that somebody waits for. */
uint32_t far_room(const struct far *f);
void far_put(struct far *f, const uint8_t *buf, uint32_t len);

/* Write what can be written now. */
void far_flush(struct far *f);

/* Bytes that wait for a far end that is there. */
uint32_t far_pending(const struct far *f);

/* What was read: far_input says how much and where, far_taken how much of it is
 * done with. No more is read until all of it is. */
uint32_t far_input(const struct far *f, const uint8_t **buf);
void far_taken(struct far *f, uint32_t len);

bool far_owns(const struct far *f, int fd);
void far_ready(struct far *f, int fd, uint32_t events);

bool far_has_pty_reader(const struct far *f);
/* A pty or named pipe that nobody has open: look again, now and then. */
bool far_wants_probe(const struct far *f);
void far_probe(struct far *f);

#endif
