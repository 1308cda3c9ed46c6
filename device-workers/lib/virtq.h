/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtqueues, device side: split and packed (virtio 1.2, 2.7 and 2.8), indirect
 * descriptors, event index. The only reader of rings: a device sees chains of
 * bounded, checked spans.
 *
 * Owns the ring indices; every value from the ring is read once into private
 * memory and checked there. A ring that breaks the rules makes the queue broken:
 * virtq_pop() returns -EPROTO from then on, and the library reports
 * DEVICE_NEEDS_RESET. Nothing here ends the process. No allocation.
 *
 * Of the sources, virtq.c has the rings, virtq_chain.c what a chain consists of,
 * virtq_inflight.c the region that tells a successor what was in flight.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_VIRTQ_H
#define BULKHEAD_DEVICE_WORKERS_LIB_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "device-workers/lib/record.h"
#include "ipc/gmem.h"

#define VIRTQ_MAX_SIZE 1024u	/* entries a queue may have */
#define VIRTQ_MAX_SEGS 256u	/* descriptors of one chain, indirect ones too */

#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX 29
#define VIRTIO_F_VERSION_1 32
#define VIRTIO_F_RING_PACKED 34

/*
 * What the driver chose, from Activate. Addresses are guest-physical.
 */
struct virtq_layout {
	uint32_t size;
	uint64_t desc;
	uint64_t avail;		/* driver area */
	uint64_t used;		/* device area */
};

/*
 * One request. The first nread segments are for the device to read, the nwrite
 * after them to write (virtio 1.2, 2.6.4.2: readable come first). Bytes behind
 * them change while they are read.
 */
struct virtq_chain {
	/*
	 * Names the request to the driver. Split: the head, below the queue's
	 * size, never in flight twice. Packed: the buffer id, any number the
	 * driver likes, the same one twice too: not an index for a device.
	 */
	uint16_t id;
	uint16_t descs;		/* ring slots it takes (packed) */
	uint16_t entry;		/* of the in-flight region */
	bool again;		/* a predecessor had taken it, too */
	uint16_t nread;
	uint16_t nwrite;
	uint64_t read_len;	/* bytes in all */
	uint64_t write_len;
	struct iovec iov[VIRTQ_MAX_SEGS];
	uint64_t addr[VIRTQ_MAX_SEGS];	/* guest address of each segment */
};

struct virtq {
	struct gmem *mem;
	struct virtq_layout layout;
	bool enabled;
	bool broken;
	bool packed, event_idx, indirect;
	int call;			/* eventfd to interrupt the driver, or -1 */

	uint16_t next_avail;		/* split: index; packed: slot */
	uint16_t next_used;
	bool avail_wrap, used_wrap;	/* packed */
	uint16_t signalled;		/* used index when last signalled */
	bool signalled_valid;
	bool pending;			/* something used since the last virtq_flush */
	uint16_t inflight;		/* popped and not pushed */
	const char *why;		/* of broken: static text */

	/*
	 * The areas of the ring in host memory, NULL where they are no longer.
	 * virtq_memory_changed() looks them up again.
	 */
	void *desc_area;
	const void *avail_area;
	void *used_area;

	bool held;			/* virtq_hold */
	bool kicks_off;			/* virtq_no_kicks */
	bool armed;			/* the driver has been told to kick ... */
	uint16_t armed_at;		/* ... from here on */
	uint16_t avail_seen;		/* split: driver's index when last read */
	uint16_t inflight_descs;	/* packed: slots of what is in flight */
	uint16_t first_slot;		/* packed: not yet shown to the driver, */
	uint16_t first_flags;		/* since the flags are stored last */
	/* Split: heads in flight; with a region, entries that are not free. */
	uint64_t taken[VIRTQ_MAX_SIZE / 64];

	/* virtq_track(): NULL, or where is written down what is in flight. */
	void *region;
	uint32_t *mark;			/* NULL, or where the last one taken is noted */
	struct record_taken *trail;	/* set if mark is: record.h */
	bool keep_taken;		/* before virtq_track(): nothing goes back */
	uint64_t counter;		/* of the next request taken */
	uint16_t resubmit;		/* predecessor's, not popped again yet */
	uint16_t resubmit_descs;	/* packed: their slots */
	uint16_t batch, batch_head;	/* pushed since virtq_flush: their number */
	uint16_t batch_tail;		/* packed: last entry of the first of them */
	uint16_t free_entry;		/* packed: head of the free list */
	uint16_t noted;			/* packed: last entry of what is being taken */
	uint16_t noted_next;		/* packed: the one behind it */
};

/*
 * Make the queue ready from a layout of the driver's: size within 1 and
 * VIRTQ_MAX_SIZE (split: a power of two), alignments of 2.7.1 and 2.8, areas
 * inside guest memory, each in one region. -EINVAL, -EFAULT.
 */
int virtq_enable(struct virtq *vq, struct gmem *mem,
    const struct virtq_layout *layout, uint64_t features, int call);

/* Let go of the ring. Requests still in flight are forgotten. */
void virtq_disable(struct virtq *vq);

/*
 * Take the next request. 1: *chain is filled; 0: none there, or the queue is
 * held; -EPROTO: the ring is broken. Takes no more than the ring holds
 * (in-flight ones included). When it returns 0 for an empty ring the driver will
 * kick for the next request, unless virtq_no_kicks() was called. Descriptors of
 * length 0 are legal and leave no segment: a chain may have none at all.
 */
int virtq_pop(struct virtq *vq, struct virtq_chain *chain);

/*
 * Take the request of @entry of the in-flight region, if a predecessor had taken
 * it and keep_taken was set: 1; 0: there is none such; -EPROTO.
 */
int virtq_pop_entry(struct virtq *vq, unsigned int entry,
    struct virtq_chain *chain);

/* Of which type the request is that was taken last, for reports of crashes. */
static inline void
virtq_note_type(struct virtq *vq, uint32_t type)
{
	if (vq->mark != NULL)
		vq->trail[vq->counter % RECORD_TRAIL].type = type + 1;
}

/*
 * Put the request that virtq_pop took last back, as if it had not been taken.
 * Several go back in the reverse of the order in which they were taken.
 */
void virtq_unpop(struct virtq *vq, const struct virtq_chain *chain);

/*
 * Return a request to the driver, @written bytes written into its writable
 * segments from their start. Marks those dirty: @written must cover the last
 * byte that was written, gaps included (or the device marks by itself). The
 * driver sees it after virtq_flush, which the library calls after queue_ready for
 * that queue and after every other call of a device's ops for all.
 */
void virtq_push(struct virtq *vq, const struct virtq_chain *chain,
    uint32_t written);

/*
 * Return @n requests that make one message (virtio-net's merged receive buffers,
 * 5.1.6.3.2): the driver sees all of them or none yet.
 */
void virtq_push_group(struct virtq *vq, const struct virtq_chain *chains,
    const uint32_t *written, unsigned int n);

/* Show the driver what was pushed, and interrupt it if it wants to know. */
void virtq_flush(struct virtq *vq);

/* Interrupt the driver in any case: after a load, when one may be lost. */
void virtq_signal(struct virtq *vq);

/* Let virtq_pop find nothing (true), or go on (false). For the library. */
void virtq_hold(struct virtq *vq, bool hold);

/* A region of memory went: a ring that was in it is broken from now on. */
void virtq_memory_changed(struct virtq *vq);

/*
 * Ring positions as QueueState has them (packed: slot | wrap counter << 15).
 * Saved when nothing is in flight and all is flushed; loaded right after
 * virtq_enable: -EINVAL if they cannot be.
 */
void virtq_save(const struct virtq *vq, uint16_t *next_avail,
    uint16_t *next_used);
int virtq_load(struct virtq *vq, uint32_t next_avail, uint32_t next_used);

/*
 * In-flight region of a queue: vhost-user's layout (virtq_inflight.h), in shared
 * memory that outlives the process. Bytes that a queue of @size entries needs:
 */
uint64_t virtq_region_size(uint32_t size, bool packed);

/*
 * Write down in @region (of virtq_region_size(), 64 bytes aligned, zero when new)
 * what is in flight, right after virtq_enable. One that is in use, by a
 * predecessor that died, says where in the ring it was, and virtq_pop returns
 * first what it had taken and not finished, in the same order. Otherwise the ring
 * begins at the position of virtq_load. -EINVAL: not such a region.
 *
 * Whoever shares the region may write anything at any time: it costs this queue,
 * at most.
 */
int virtq_track(struct virtq *vq, void *region);

/* Is @region in use, so that a ring's position comes from there? */
bool virtq_region_in_use(const void *region);

/* Nothing is in flight any more, and the driver's rings are gone: a reset. */
void virtq_region_clear(void *region);

/*
 * Ask for (or do without) kicks. virtq_want_kicks returns true if requests came
 * in meanwhile: look again before sleeping.
 */
bool virtq_want_kicks(struct virtq *vq);
void virtq_no_kicks(struct virtq *vq);

/*
 * Copy between a chain and a buffer, from byte @offset of its readable
 * (virtq_copy_out_of) or writable (virtq_copy_into) part. Returns the number of
 * bytes copied, less than @len where the chain ends.
 */
uint64_t virtq_copy_out_of(const struct virtq_chain *chain, uint64_t offset,
    void *dst, uint64_t len);
uint64_t virtq_copy_into(const struct virtq_chain *chain, uint64_t offset,
    const void *src, uint64_t len);

#endif
