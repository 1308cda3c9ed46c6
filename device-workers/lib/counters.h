/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device has done since the VM was started, numbers in a fixed place of its
 * record (record.h), so that they outlive a worker and are read without asking it.
 * The worker adds; the controller reads with pread, and believes nothing of it but
 * that it is numbers. One writer at a time: no atomic addition.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_COUNTERS_H
#define BULKHEAD_DEVICE_WORKERS_LIB_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#define COUNTERS_AT 1024u	/* bytes into the record */
#define COUNTERS 12u

enum blk_counter {
	BLK_COUNT_READ,		/* of these, and likewise of writes: */
	BLK_COUNT_WRITE = 6,
};

/* From BLK_COUNT_READ and BLK_COUNT_WRITE on. */
enum blk_counter_of {
	BLK_COUNT_BYTES,
	BLK_COUNT_OPS,
	BLK_COUNT_TIMED,	/* how many of them were timed; of these: */
	BLK_COUNT_MIN,		/* microseconds */
	BLK_COUNT_MAX,
	BLK_COUNT_SUM,
};

enum net_counter {
	NET_COUNT_RX_BYTES,
	NET_COUNT_RX_FRAMES,
	NET_COUNT_TX_BYTES,
	NET_COUNT_TX_FRAMES,
};

enum balloon_counter {
	BALLOON_COUNT_UPDATED,	/* when the guest said the rest: seconds since 1970 */
	BALLOON_COUNT_RETURNED,	/* bytes that went back to the host */
	BALLOON_COUNT_STATS,	/* from here on by their tags (virtio 1.2, 5.5.6.4) */
};

enum mem_counter {
	MEM_COUNT_RETURNED,	/* bytes that went back to the host */
	MEM_COUNT_PLUGGED,	/* bytes that the guest has */
};

enum vsock_counter {
	VSOCK_COUNT_RX_BYTES,	/* data that the guest got */
	VSOCK_COUNT_TX_BYTES,	/* ... and sent */
	VSOCK_COUNT_BY_HOST,	/* connections that came about, by who opened them */
	VSOCK_COUNT_BY_GUEST,
	VSOCK_COUNT_REFUSED,	/* ... and that did not */
	VSOCK_COUNT_OPEN,	/* now, those that are about to be, too */
};

/* @counters: the first of them, or NULL: nobody wants to know. */
static inline void
counter_add(uint64_t *counters, unsigned int which, uint64_t n)
{
	if (counters != NULL)
		__atomic_store_n(&counters[which], counters[which] + n,
		    __ATOMIC_RELAXED);
}

static inline void
counter_set(uint64_t *counters, unsigned int which, uint64_t n)
{
	if (counters != NULL)
		__atomic_store_n(&counters[which], n, __ATOMIC_RELAXED);
}

#endif
