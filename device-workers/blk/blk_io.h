/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that have been taken, from their checked form to their answer. What
 * the page cache has is read and written at once; what may block goes to the ring
 * (blk_ring.h), where there is one, and is answered when it comes back, in any
 * order. Disk images and kernels without io_uring: one after the other, at once.
 * Called by blk.c, which owns features and configuration.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_BLK_IO_H
#define BULKHEAD_DEVICE_WORKERS_BLK_BLK_IO_H

#include "device-workers/blk/backend.h"
#include "device-workers/blk/blk_count.h"
#include "device-workers/blk/blk_image.h"
#include "device-workers/blk/blk_req.h"
#include "device-workers/blk/blk_ring.h"
#include "device-workers/lib/device.h"
#include "device-workers/lib/limit.h"

/* Requests in flight at a time; then queues wait. */
#define BLK_POOL 256u

/* What a request does next in the ring. */
enum blk_step {
	BLK_STEP_DATA,
	BLK_STEP_RANGE,		/* the next range, in the best way there is */
	BLK_STEP_PUNCH,
	BLK_STEP_ZERO,
	BLK_STEP_WRITE_ZEROES,	/* 64 KiB of them at a time */
	BLK_STEP_FLUSH,
};

/*
 * One request. Small and first what each needs, so that a slot which never held
 * a long chain costs two pages, and one that was never used none.
 */
struct blk_io {
	uint16_t queue;
	bool write;
	bool durable;		/* done when flushed, too */
	uint8_t tries;		/* of an operation that the kernel put off */
	enum blk_step step;
	unsigned int at, n;	/* chain.iov[at] and n - 1 after it: to be done */
	size_t cut;		/* of the first of them: bytes done */
	uint64_t done;		/* bytes of data, or of the range */
	unsigned int range;
	struct iovec zeroes;
	uint64_t began;		/* us, if it is timed; 0 */
	uint8_t *status;
	uint64_t status_addr;	/* the same, guest-physical */
	struct blk_request req;
	struct virtq_chain chain;
};

/* Reads without the ring. */
enum blk_reads {
	BLK_READS_NOT,
	BLK_READS_CACHED,	/* what the page cache has, by RWF_NOWAIT */
	BLK_READS_PLAIN,	/* all */
};

struct blk {
	struct device *dev;
	struct blk_backend be;
	struct blk_image_disk image;	/* .img NULL: a raw disk */
	struct blk_limits limits;
	bool limited;
	struct device_limit rate;
	bool flushes;		/* the driver can flush */
	bool sets_cache;	/* ... and can say that it does not */
	bool dirty;		/* written to since the last flush */
	char id[VIRTIO_BLK_ID_BYTES];

	bool memory;		/* the file is in memory: nothing blocks */
	bool quick;		/* so its data is had without further ado */
	enum blk_reads reads;
	unsigned int misses;	/* one after the other, of RWF_NOWAIT */
	struct blk_ring ring;
	unsigned int turn;	/* of BLK_TIMED: when it is 0 */
	uint64_t starved;	/* queues that found no slot free, a bit each */
	unsigned int nfree;
	uint16_t free[BLK_POOL];	/* slots; the last is the next */
	struct iovec iov[VIRTQ_MAX_SEGS];	/* for who changes it */
	struct blk_io pool[BLK_POOL];
};

/* Before the jail: the ring, unless the user wants none or the kernel gives none. */
void blk_io_start(struct blk *b, bool no_ring);
/* In the jail: what the file can do. */
void blk_io_probe(struct blk *b);

/* The slot that the next request is popped into, or NULL: all are in flight. */
static inline struct blk_io *
blk_io_slot(struct blk *b)
{
	return b->nfree > 0 ? &b->pool[b->free[b->nfree - 1]] : NULL;
}

/*
 * Carry out the request that was popped into the slot, from queue @q: it is
 * answered, or in flight. False: it cannot be answered, the driver must reset.
 */
bool blk_io_take(struct blk *b, struct blk_io *io, unsigned int q);

/* Hand what is queued to the ring, and answer what is done. */
void blk_io_turn(struct blk *b);

static inline unsigned int
blk_io_inflight(const struct blk *b)
{
	return BLK_POOL - b->nfree;
}

/* At once, nothing being in flight: what was written is durable. */
int blk_io_flush(struct blk *b);

#endif
