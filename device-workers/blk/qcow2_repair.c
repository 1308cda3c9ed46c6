// SPDX-License-Identifier: Apache-2.0
/*
 * New refcounts for a qcow2 image whose dirty bit says that its own are not to be
 * trusted (lazy refcounts, and no orderly end). Called once, when such an image
 * is opened for writing. Believes the L1 and L2 tables only; writes the counts
 * beside the old ones, behind all that is in use, and switches over at the end.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

/* Counts in memory at a time; the tables are read once for each such window. */
#define WINDOW (PACKED_CLUSTER_MAX / sizeof(uint16_t))

struct rebuild {
	uint16_t *counts;
	uint64_t base;		/* cluster of counts[0] */
	uint64_t clusters;	/* of the file, before the new counts */
	uint64_t table, ntable;	/* the new refcount table */
	uint64_t nblocks;	/* right after it */
};

static void
refer(struct rebuild *r, uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n; i++) {
		if (i >= r->base && i - r->base < WINDOW &&
		    r->counts[i - r->base] < UINT16_MAX)
			r->counts[i - r->base]++;
	}
}

static int
refer_l2(struct blk_image *img, struct layer *l, struct rebuild *r,
    uint64_t table)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t entries = q->cluster_size >> 3;

	for (uint64_t i = 0; i < entries; i++) {
		uint64_t entry, off, len = 1;
		int err = cache_be64(&img->cache, l->file, table + 8 * i, &entry);

		if (err != 0)
			return err;
		if (entry == 0)
			continue;
		err = qcow2_classify(img, l, entry);
		if (err < 0)
			return err;
		off = entry & QCOW2_OFFSET;
		if ((entry & QCOW2_PACKED) != 0)
			qcow2_packed_range(l, entry, &off, &len);
		else if (off == 0)
			continue;
		if (off >> q->cluster_bits >= r->clusters)
			return -EINVAL;
		/* The last sector of a compressed one need not be there. */
		refer(r, off >> q->cluster_bits, ((off + len - 1) >>
		    q->cluster_bits) - (off >> q->cluster_bits) + 1);
	}
	return 0;
}

/* All that refers to clusters of the window. */
static int
refer_all(struct blk_image *img, struct layer *l, struct rebuild *r)
{
	const struct qcow2 *q = &l->u.qcow2;

	memset(r->counts, 0, WINDOW * sizeof(uint16_t));
	refer(r, 0, 1);
	refer(r, q->l1_offset >> q->cluster_bits,
	    (q->l1_entries * 8 + q->cluster_size - 1) >> q->cluster_bits);
	refer(r, r->table, r->ntable + r->nblocks);
	for (uint64_t i = 0; i < q->l1_entries; i++) {
		uint64_t entry;
		int err = cache_be64(&img->cache, l->file, q->l1_offset + 8 * i,
		    &entry);

		if (err != 0)
			return err;
		/* Where the tables are was checked before. */
		if ((entry & QCOW2_OFFSET) == 0)
			continue;
		refer(r, (entry & QCOW2_OFFSET) >> q->cluster_bits, 1);
		err = refer_l2(img, l, r, entry & QCOW2_OFFSET);
		if (err != 0)
			return err;
	}
	return 0;
}

/* The window's counts into the new blocks. */
static int
write_counts(struct blk_image *img, struct layer *l, struct rebuild *r)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint32_t order = q->refcount_order;
	uint64_t per = ((uint64_t)img->cache.granule * 8) >> order;
	uint64_t end = r->nblocks << q->block_bits;
	uint64_t at;
	int err;

	for (uint64_t i = 0; i < WINDOW && r->base + i < end; i += per) {
		uint64_t index = (r->base + i) & ((1ull << q->block_bits) - 1);

		memset(img->fill, 0, img->cache.granule);
		for (uint64_t k = 0; k < per && i + k < WINDOW; k++) {
			if (r->counts[i + k] > qcow2_count_max(order))
				return -EOVERFLOW;
			qcow2_count_set(img->fill, k, order, r->counts[i + k]);
		}
		at = ((r->table + r->ntable +
		    ((r->base + i) >> q->block_bits)) << q->cluster_bits) +
		    (index << order) / 8;
		err = file_write(l->file, img->fill, img->cache.granule, at);
		if (err != 0)
			return err;
	}
	return 0;
}

/* Where the new counts go: the table, and blocks for all there will be. */
static int
lay_out(struct layer *l, struct rebuild *r)
{
	const struct qcow2 *q = &l->u.qcow2;

	r->table = r->clusters;
	r->ntable = r->nblocks = 1;
	for (;;) {
		uint64_t total = r->clusters + r->ntable + r->nblocks;
		uint64_t blocks = (total + (1ull << q->block_bits) - 1) >>
		    q->block_bits;
		uint64_t table = (blocks * 8 + q->cluster_size - 1) >>
		    q->cluster_bits;

		if (table << q->cluster_bits > (uint64_t)8 << 20)
			return -EFBIG;
		if (blocks <= r->nblocks && table <= r->ntable)
			return 0;
		r->nblocks = blocks;
		r->ntable = table;
	}
}

static int
write_new_table(struct layer *l, struct rebuild *r)
{
	uint32_t bits = l->u.qcow2.cluster_bits;
	uint64_t entry;
	int err = 0;

	for (uint64_t i = 0; err == 0 && i < r->nblocks; i++) {
		entry = htobe64((r->table + r->ntable + i) << bits);
		err = file_write(l->file, &entry, sizeof(entry),
		    (r->table << bits) + 8 * i);
	}
	return err;
}

int
qcow2_rebuild(struct blk_image *img, struct layer *l, const char **why)
{
	struct qcow2 *q = &l->u.qcow2;
	struct rebuild r = {
		/* Nothing has been decompressed yet. */
		.counts = (uint16_t *)(void *)img->packed.data,
		.clusters = (l->file->size + q->cluster_size - 1) >>
		    q->cluster_bits,
	};
	uint64_t features;
	int err;

	*why = "the qcow2 image was not closed in order, and its refcounts cannot "
	    "be rebuilt: qemu-img check -r all";
	err = lay_out(l, &r);
	/* Once without writing, since the tables may be damaged, too. */
	if (err == 0)
		err = refer_all(img, l, &r);
	if (err == 0)
		err = file_extend(l->file, (r.table + r.ntable + r.nblocks) <<
		    q->cluster_bits);
	/* Blocks for what comes after the counts themselves are holes: zeros. */
	while (err == 0 && r.base < r.clusters + r.ntable + r.nblocks) {
		err = refer_all(img, l, &r);
		if (err == 0)
			err = write_counts(img, l, &r);
		r.base += WINDOW;
	}
	if (err == 0)
		err = write_new_table(l, &r);
	if (err == 0)
		err = qcow2_move_table(l, r.table << q->cluster_bits, r.ntable);
	if (err != 0)
		return err;
	q->incompatible &= ~QCOW2_INCOMPAT_DIRTY;
	features = htobe64(q->incompatible);
	err = file_write(l->file, &features, sizeof(features), 72);
	return err != 0 ? err : file_sync(l->file);
}
