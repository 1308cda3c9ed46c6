/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2, versions 2 and 3 (docs/interop/qcow2.txt of QEMU): its state, and what
 * its parts offer to each other. qcow2.c opens, qcow2_map.c reads tables,
 * qcow2_refcount.c counts, qcow2_alloc.c gives clusters out and takes them back,
 * qcow2_write.c changes the disk, qcow2_repair.c rebuilds counts of a dirty
 * image, qcow2_unpack.c decompresses.
 *
 * After a crash at any moment, of this process or of the host, no cluster is in
 * use whose refcount is too low; at worst some are set aside for nobody:
 *   - clusters are set aside in runs, zeroed, counted, and made durable together,
 *     before the first of them is used;
 *   - bytes copied from elsewhere are durable before the table that shows them;
 *   - a cluster is given back after the table that forgot it became durable.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_QCOW2_H
#define BULKHEAD_DEVICE_WORKERS_BLK_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blk_image;
struct layer;
struct image_file;
struct cursor;
struct extent;

struct qcow2 {
	uint32_t version;
	uint32_t cluster_bits;
	uint64_t cluster_size;
	uint64_t l1_offset;
	uint64_t l1_entries;
	uint64_t rt_offset;	/* the refcount table */
	uint64_t rt_entries;
	uint32_t refcount_order;	/* a count has 1 << order bits */
	uint32_t block_bits;	/* log2 of the counts in a refcount block */
	uint64_t incompatible;
	bool zstd;
	bool has_backing;
};

struct qcow2_run {
	uint64_t first;		/* cluster */
	uint64_t count;
};

#define QCOW2_RUNS 16u
#define QCOW2_PENDING 4096u

struct qcow2_alloc {
	unsigned int nset_aside;
	struct qcow2_run set_aside[QCOW2_RUNS];	/* zeros, counted, durable */
	uint64_t scan;		/* no free cluster is below */
	unsigned int npending;
	struct qcow2_run pending[QCOW2_PENDING];	/* to be counted down */
};

#define QCOW2_COPIED (1ull << 63)
#define QCOW2_PACKED (1ull << 62)
#define QCOW2_ZERO 1ull
#define QCOW2_OFFSET 0x00fffffffffffe00ull
#define QCOW2_INCOMPAT_DIRTY 1ull
#define QCOW2_INCOMPAT_CORRUPT 2ull

/* Where a cluster is in its file: bytes. */
uint64_t qcow2_entry_offset(uint64_t entry);

/* ---- qcow2_map.c --------------------------------------------------------------- */

/* Damage was found in @l: -EIO. The guest's own image is marked corrupt. */
int qcow2_damaged(struct blk_image *img, struct layer *l, const char *what);
/*
 * The kind of L2 entry @entry, an enum extent_kind; -EIO: it is not a valid one.
 * EXTENT_ZERO with an offset in it is a zero cluster that has a place.
 */
int qcow2_classify(struct blk_image *img, struct layer *l, uint64_t entry);
/* Of the L2 table for disk offset @off: 0 there is none. */
int qcow2_l2_table(struct blk_image *img, struct layer *l, uint64_t off,
    uint64_t *l1_entry);
/* The entry for disk offset @off; 0 where there is no table. */
int qcow2_entry(struct blk_image *img, struct layer *l, uint64_t off,
    uint64_t *entry);
int qcow2_map(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    struct extent *ext);
/* The clusters that a compressed entry's bytes are in. */
void qcow2_packed_range(const struct layer *l, uint64_t entry, uint64_t *offset,
    uint64_t *len);

/* ---- qcow2_refcount.c ---------------------------------------------------------- */

/* The count at index @i of a block, and into it; @order as in struct qcow2. */
uint64_t qcow2_count_get(const uint8_t *block, uint64_t i, uint32_t order);
void qcow2_count_set(uint8_t *block, uint64_t i, uint32_t order, uint64_t count);
uint64_t qcow2_count_max(uint32_t order);
/* A cluster outside of the table, or of an absent block, has 0. */
int qcow2_refcount(struct blk_image *img, struct layer *l, uint64_t cluster,
    uint64_t *count);
/* Is there a place for the count of @cluster? *block: its offset, or 0. */
int qcow2_block_of(struct blk_image *img, struct layer *l, uint64_t cluster,
    uint64_t *block);
/* Set the counts of clusters that have blocks. */
int qcow2_set_refcounts(struct blk_image *img, struct layer *l, uint64_t first,
    uint64_t n, uint64_t count);
/*
 * Give @cluster, which is free, a block for its count, and the table room for it.
 * The block, and a new table, are at @cluster and after it.
 */
int qcow2_add_block(struct blk_image *img, struct layer *l, uint64_t cluster);
/* The header, and @l, refer to a table of @clusters at @offset: durable. */
int qcow2_move_table(struct layer *l, uint64_t offset, uint64_t clusters);

/* ---- qcow2_alloc.c ------------------------------------------------------------- */

/*
 * Up to @want clusters in a row, at least one: zeros, counted once, durable. They
 * are the caller's to use or to give back.
 */
int qcow2_take(struct blk_image *img, struct layer *l, uint64_t want,
    uint64_t *first, uint64_t *got);
/* One reference less, once what the tables say now is durable. */
int qcow2_give_back(struct blk_image *img, struct layer *l, uint64_t first,
    uint64_t count);
/* What an L2 entry refers to. */
int qcow2_give_entry(struct blk_image *img, struct layer *l, uint64_t entry);
/* Make everything durable, and count down what was given back. */
int qcow2_flush(struct blk_image *img, struct layer *l);
int qcow2_close(struct blk_image *img, struct layer *l);

/* ---- the rest ------------------------------------------------------------------- */

int qcow2_write(struct blk_image *img, struct layer *l, struct cursor *c,
    uint64_t off, uint64_t len);
int qcow2_discard(struct blk_image *img, struct layer *l, uint64_t off,
    uint64_t len);
int qcow2_zero(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    bool unmap);

/* Zeros by writing them, where they are not already. */
int qcow2_zero_bytes(struct blk_image *img, struct layer *l, uint64_t off,
    uint64_t len);
/* Clusters behind the disk's end, whole ones, are given back; no backing file. */
int qcow2_drop(struct blk_image *img, struct layer *l, uint64_t off,
    uint64_t len);
/* The same of all that the L2 table of disk offset @off maps, and the table. */
int qcow2_drop_table(struct blk_image *img, struct layer *l, uint64_t off);

/* Nothing is in flight: as the resize of layer_ops. */
int qcow2_resize(struct blk_image *img, struct layer *l, uint64_t size,
    const char **why);

/* Write new refcounts of everything, by what the L1 and L2 tables refer to. */
int qcow2_rebuild(struct blk_image *img, struct layer *l, const char **why);

/* The whole cluster that @entry holds, into img->packed.data. */
int qcow2_unpack(struct blk_image *img, const struct layer *l,
    struct image_file *file, uint64_t entry);

#endif
