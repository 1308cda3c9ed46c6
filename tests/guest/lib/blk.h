/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk on one queue: what several guests use. */
#ifndef BULKHEAD_TESTS_GUEST_BLK_H
#define BULKHEAD_TESTS_GUEST_BLK_H

#include "lib/virtio.h"

#define BLK_F_SIZE_MAX (1ull << 1)
#define BLK_F_SEG_MAX (1ull << 2)
#define BLK_F_RO (1ull << 5)
#define BLK_F_BLK_SIZE (1ull << 6)
#define BLK_F_FLUSH (1ull << 9)
#define BLK_F_TOPOLOGY (1ull << 10)
#define BLK_F_CONFIG_WCE (1ull << 11)
#define BLK_F_MQ (1ull << 12)
#define BLK_F_DISCARD (1ull << 13)
#define BLK_F_WRITE_ZEROES (1ull << 14)

enum blk_type {
	BLK_IN = 0,
	BLK_OUT = 1,
	BLK_FLUSH = 4,
	BLK_GET_ID = 8,
	BLK_DISCARD = 11,
	BLK_WRITE_ZEROES = 13,
};

#define BLK_OK 0
#define BLK_IOERR 1
#define BLK_UNSUPP 2

struct blk_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

struct blk_range {
	uint64_t sector;
	uint32_t num_sectors;
	uint32_t flags;
};

struct blk {
	struct vdev d;
	struct vq q;
	struct blk_header *header;
	volatile uint8_t *status;
	bool indirect;
	uint64_t capacity;	/* sectors */
};

/* Find the @nth disk; start it with those of @features that it offers. */
bool blk_open(struct blk *b, unsigned int nth, uint64_t features);
/* Reset and start it again. */
bool blk_restart(struct blk *b, uint64_t features);
/* One request: its status, or -1 when it did not come back. */
int blk_do(struct blk *b, uint32_t type, uint64_t sector, void *data,
    uint32_t len);
/* Does a write and a read back of sector @sector succeed? */
bool blk_works(struct blk *b, uint64_t sector);
/* Fill with what names the sector and the @seed. */
void blk_pattern(void *data, uint32_t len, uint32_t seed);

#endif
