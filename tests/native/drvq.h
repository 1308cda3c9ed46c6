/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver's side of a virtqueue, split and packed, for tests: it plays by the
 * rules (virtio 1.2, 2.7 and 2.8), and lets a test break them by hand. Guest
 * memory is @ram, and guest address 0 is its first byte.
 */
#ifndef BULKHEAD_TESTS_NATIVE_DRVQ_H
#define BULKHEAD_TESTS_NATIVE_DRVQ_H

#include <stdbool.h>
#include <stdint.h>

#define DRVQ_MAX_SIZE 1024u

struct drvq_buf {
	uint64_t addr;
	uint32_t len;
	bool write;		/* the device writes it */
};

struct drvq {
	uint8_t *ram;
	uint16_t size;
	uint64_t desc, avail, used;	/* guest addresses, for Activate */
	uint64_t end;			/* first byte behind the ring */
	bool packed, event_idx;

	uint16_t nfree;			/* descriptors */
	uint16_t free_head;		/* split: chained by next */
	uint16_t next_avail, next_used;
	bool avail_wrap, used_wrap;
	uint16_t published;		/* next_avail at the last drvq_publish */
	uint16_t unpublished;		/* packed: descriptors since then */
	bool head_held;			/* packed: flags of the first, kept back */
	uint16_t head_slot, head_flags;
	struct {
		bool busy;
		uint16_t descs;
		uint64_t cookie;
	} request[DRVQ_MAX_SIZE];	/* by id */
};

/*
 * Lay the ring out at guest address @at (page aligned), and clear it. @features
 * are virtio's bits.
 */
void drvq_init(struct drvq *q, uint8_t *ram, uint64_t at, uint16_t size,
    uint64_t features);

/*
 * Queue a request: @n buffers, readable ones first; @table: guest address of
 * room for an indirect table of n entries, or 0: direct. -1: the ring is full.
 * Returns the id. The device sees it after drvq_publish().
 */
int drvq_add(struct drvq *q, const struct drvq_buf *bufs, unsigned int n,
    uint64_t table, uint64_t cookie);

/* Show the device what was added. True: it wants a kick. */
bool drvq_publish(struct drvq *q);

/* Take a used request: true, its cookie and the length. */
bool drvq_get(struct drvq *q, uint64_t *cookie, uint32_t *len);

/*
 * Ask for an interrupt when the next request is used (or ask for none). True:
 * something is used already.
 */
bool drvq_want_calls(struct drvq *q, bool want);

/*
 * Has the device taken all that was published? It shows with the event index
 * alone: it asks for a kick for the next one.
 */
bool drvq_all_taken(struct drvq *q);

/* Ill-behaved: used something that was not in flight. */
extern unsigned int drvq_errors;

#endif
