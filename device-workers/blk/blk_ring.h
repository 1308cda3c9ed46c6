/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk's io_uring: made before the jail, restricted to four operations, if it can
 * be on one registered file, and used under the filter by io_uring_enter alone. Knows
 * nothing of requests: what is queued has a tag, and comes back with a result.
 * Called by blk_io.c. Registers no buffers: those would pin guest memory.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_BLK_RING_H
#define BULKHEAD_DEVICE_WORKERS_BLK_BLK_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Threads that the kernel may make for what blocks; part of RLIMIT_NPROC. */
#define BLK_RING_THREADS 8u

struct blk_ring {
	struct io_uring ring;
	bool open;
	bool passing;		/* holds the disk only while it works on it */
	int disk;
	unsigned int queued;	/* not yet seen by the kernel */
};

/*
 * Make the ring at FD_BLK_RING, its bell at FD_BLK_DONE, with room for @entries
 * operations at a time on @disk, which stays the caller's. Before the jail. -errno:
 * the kernel has no io_uring, or not for us.
 *
 * The open file is kept for as long as an operation is under way, the process' end
 * included: a lock on it says when the last has ended. A file that is registered is
 * kept longer, until the kernel has taken the dead process' ring apart (two grace
 * periods of RCU, some 40 ms). For whom that is waited for, @passing: the file is not
 * registered, each operation holds it for itself, and the four are possible on any
 * fd that the worker has.
 */
int blk_ring_open(struct blk_ring *r, int disk, unsigned int entries, bool passing);
/* Is it waited for, of a disk that is O_DIRECT or not? */
bool blk_ring_awaited(bool direct);
void blk_ring_close(struct blk_ring *r);
/*
 * The last call, nothing being under way: the ring keeps the disk no longer. Else
 * the kernel would, and a lock on it, for some milliseconds after the process.
 */
void blk_ring_let_go(struct blk_ring *r);
/* Under the filter: there shall be none after all. Its memory stays mapped. */
void blk_ring_drop(struct blk_ring *r);

/*
 * Queue an operation; at most @entries are queued or under way. What @iov points
 * to stays until it is done, @iov itself until blk_ring_submit().
 */
void blk_ring_data(struct blk_ring *r, void *tag, bool write,
    const struct iovec *iov, unsigned int n, uint64_t offset);
void blk_ring_flush(struct blk_ring *r, void *tag);
void blk_ring_allocate(struct blk_ring *r, void *tag, int mode, uint64_t offset,
    uint64_t len);

/*
 * Hand over what is queued and take in what is done: one system call. -errno: the
 * kernel could not take all of it now; call again.
 */
int blk_ring_submit(struct blk_ring *r);

/*
 * Have FD_BLK_DONE say it when something is done (an edge, it is never read), until
 * the next blk_ring_submit(). False: something is done already, submit again.
 */
bool blk_ring_sleep(struct blk_ring *r);

/* The tag of an operation that is done, and its result; NULL: none. */
void *blk_ring_next(struct blk_ring *r, int *result);

#endif
