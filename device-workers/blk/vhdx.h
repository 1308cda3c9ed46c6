/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VHDX ([MS-VHDX] 4.0): its state, and what vhdx.c (opening), vhdx_log.c (replay)
 * and vhdx_map.c (blocks) offer to each other.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_VHDX_H
#define BULKHEAD_DEVICE_WORKERS_BLK_VHDX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blk_image;
struct layer;
struct cursor;
struct extent;

#define VHDX_UNIT ((uint64_t)1 << 20)	/* everything is at multiples of it */

struct vhdx {
	unsigned int header;	/* 0 or 1: the current one */
	uint64_t sequence;
	uint8_t log_guid[16];
	uint64_t log_offset, log_size;
	uint64_t bat_offset, bat_size;
	uint64_t meta_offset, meta_size;
	uint32_t block_bits;
	uint32_t ratio_bits;	/* log2 of the payload entries between bitmaps */
	uint64_t nblocks;
};

uint32_t vhdx_crc32c(uint32_t crc, const void *buf, size_t len);
/* Checksum of @buf, whose bytes [at, at + 4) count as zeros. */
uint32_t vhdx_checksum(const uint8_t *buf, size_t len, size_t at);

/* Write the older header as the newer one, with an empty log. */
int vhdx_update_header(struct blk_image *img, struct layer *l, bool data);
int vhdx_replay(struct blk_image *img, struct layer *l, const char **why);

int vhdx_check_bat(struct blk_image *img, struct layer *l, const char **why);
int vhdx_map(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    struct extent *ext);
int vhdx_write(struct blk_image *img, struct layer *l, struct cursor *c,
    uint64_t off, uint64_t len);

#endif
