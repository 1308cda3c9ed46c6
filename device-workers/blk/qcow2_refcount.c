// SPDX-License-Identifier: Apache-2.0
/*
 * Reference counts of a qcow2 file's clusters: a table of blocks, a block of
 * counts of 1 to 64 bits. Called by qcow2_alloc.c and qcow2.c. Says nothing of
 * who refers to a cluster.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

#define RT_MAX_ENTRIES (((uint64_t)8 << 20) / 8)

uint64_t
qcow2_count_max(uint32_t order)
{
	return order == 6 ? UINT64_MAX : (1ull << (1u << order)) - 1;
}

uint64_t
qcow2_count_get(const uint8_t *block, uint64_t i, uint32_t order)
{
	uint64_t value = 0;
	uint64_t bit = i << order;

	/* Below a byte, the first count is in the lowest bits. */
	if (order < 3)
		return (uint64_t)block[bit / 8] >> (bit % 8) &
		    qcow2_count_max(order);
	for (uint64_t b = 0; b < 1ull << (order - 3); b++)
		value = value << 8 | block[bit / 8 + b];
	return value;
}

void
qcow2_count_set(uint8_t *block, uint64_t i, uint32_t order, uint64_t count)
{
	uint64_t bit = i << order;

	if (order < 3) {
		unsigned int mask = (unsigned int)qcow2_count_max(order) <<
		    (bit % 8);

		block[bit / 8] = (uint8_t)((block[bit / 8] & ~mask) |
		    (unsigned int)count << (bit % 8));
		return;
	}
	for (uint64_t b = 1ull << (order - 3); b-- > 0; count >>= 8)
		block[bit / 8 + b] = (uint8_t)count;
}

int
qcow2_block_of(struct blk_image *img, struct layer *l, uint64_t cluster,
    uint64_t *block)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t i = cluster >> q->block_bits;
	int err;

	*block = 0;
	if (i >= q->rt_entries)
		return 0;
	err = cache_be64(&img->cache, l->file, q->rt_offset + 8 * i, block);
	if (err == 0 && (*block & (q->cluster_size - 1)) != 0)
		return qcow2_damaged(img, l,
		    "qcow2: an impossible refcount block");
	return err;
}

int
qcow2_refcount(struct blk_image *img, struct layer *l, uint64_t cluster,
    uint64_t *count)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t index = cluster & ((1ull << q->block_bits) - 1);
	uint64_t block, bit = index << q->refcount_order;
	const uint8_t *at;
	uint32_t left;
	int err = qcow2_block_of(img, l, cluster, &block);

	*count = 0;
	if (err != 0 || block == 0)
		return err;
	err = cache_get(&img->cache, l->file, block + bit / 8, &at, &left);
	if (err == 0)
		*count = q->refcount_order < 3 ?
		    qcow2_count_get(at, bit % 8 >> q->refcount_order,
		    q->refcount_order) :
		    qcow2_count_get(at, 0, q->refcount_order);
	return err;
}

/* Counts @i to @i + @n of the block at @block, which they are all in. */
static int
set_in_block(struct blk_image *img, struct layer *l, uint64_t block, uint64_t i,
    uint64_t n, uint64_t count)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint32_t order = q->refcount_order;
	uint8_t copy[CACHE_GRANULE];
	uint64_t per = ((uint64_t)img->cache.granule * 8) >> order;

	while (n > 0) {
		uint64_t in = i % per, part = per - in < n ? per - in : n;
		uint64_t base = block + ((i - in) << order) / 8;
		uint64_t first = (in << order) / 8;
		uint64_t last = (((in + part) << order) + 7) / 8;
		const uint8_t *at;
		uint32_t left;
		int err = cache_get(&img->cache, l->file, base, &at, &left);

		if (err != 0)
			return err;
		memcpy(copy, at, left);
		for (uint64_t k = 0; k < part; k++)
			qcow2_count_set(copy, in + k, order, count);
		err = cache_write(&img->cache, l->file, copy + first,
		    (size_t)(last - first), base + first);
		if (err != 0)
			return err;
		i += part;
		n -= part;
	}
	return 0;
}

int
qcow2_set_refcounts(struct blk_image *img, struct layer *l, uint64_t first,
    uint64_t n, uint64_t count)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t per = 1ull << q->block_bits;

	while (n > 0) {
		uint64_t i = first & (per - 1), part = per - i < n ? per - i : n;
		uint64_t block;
		int err = qcow2_block_of(img, l, first, &block);

		if (err == 0 && block == 0)
			err = qcow2_damaged(img, l, "qcow2: a refcount is missing");
		if (err == 0)
			err = set_in_block(img, l, block, i, part, count);
		if (err != 0)
			return err;
		first += part;
		n -= part;
	}
	return 0;
}

/* [first, first + n) as zeros of the file, and no longer as anything else. */
static int
make_room(struct blk_image *img, struct layer *l, uint64_t first, uint64_t n)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t begin = first << q->cluster_bits;
	uint64_t end = (first + n) << q->cluster_bits, old = l->file->size;
	int err = 0;

	for (uint64_t i = 0; i < n; i++)
		if (map_test(img, first + i))
			return qcow2_damaged(img, l,
			    "qcow2: a table that is not counted");
	if (begin < old)
		err = file_zero(l->file, begin, (end < old ? end : old) - begin,
		    true);
	if (err == 0)
		err = file_extend(l->file, end);
	if (err == 0)
		cache_forget(&img->cache, l->file, begin, end - begin);
	return err;
}

/* A table that has entries for @blocks more blocks from @first_block on. */
static int
write_table(struct blk_image *img, struct layer *l, uint64_t at,
    uint64_t first_block, uint64_t block_at, uint64_t blocks)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t entry, old = q->rt_entries * 8;
	int err = 0;

	for (uint64_t done = 0; err == 0 && done < old;) {
		size_t part = old - done < IMAGE_BOUNCE ? (size_t)(old - done) :
		    IMAGE_BOUNCE;

		err = file_read(l->file, img->fill, part, q->rt_offset + done);
		if (err == 0)
			err = file_write(l->file, img->fill, part, at + done);
		done += part;
	}
	for (uint64_t i = 0; err == 0 && i < blocks; i++) {
		entry = htobe64((block_at + i) << q->cluster_bits);
		err = file_write(l->file, &entry, sizeof(entry),
		    at + 8 * (first_block + i));
	}
	return err;
}

int
qcow2_move_table(struct layer *l, uint64_t offset, uint64_t clusters)
{
	struct qcow2 *q = &l->u.qcow2;
	uint8_t field[12];
	uint64_t off = htobe64(offset);
	uint32_t count = htobe32((uint32_t)clusters);
	int err;

	memcpy(field, &off, 8);
	memcpy(field + 8, &count, 4);
	/* Both in one sector: they change together. */
	err = file_sync(l->file);
	if (err == 0)
		err = file_write(l->file, field, sizeof(field), 48);
	if (err == 0)
		err = file_sync(l->file);
	if (err == 0) {
		q->rt_offset = offset;
		q->rt_entries = clusters << (q->cluster_bits - 3);
	}
	return err;
}

/*
 * The table is full: a larger one at cluster @at, then the blocks that count the
 * new table and themselves. Nothing from @at on is counted, so nothing is used.
 */
static int
grow_table(struct blk_image *img, struct layer *l, uint64_t at)
{
	struct qcow2 *q = &l->u.qcow2;
	uint64_t first_block = at >> q->block_bits;
	uint64_t entries = 2 * q->rt_entries, clusters, blocks = 1;
	uint64_t old = q->rt_offset >> q->cluster_bits;
	uint64_t old_clusters = q->rt_entries >> (q->cluster_bits - 3);
	int err;

	if (entries < first_block + 16)
		entries = first_block + 16;
	clusters = (entries * 8 + q->cluster_size - 1) >> q->cluster_bits;
	while (((at + clusters + blocks - 1) >> q->block_bits) - first_block + 1 >
	    blocks)
		blocks++;
	entries = clusters << (q->cluster_bits - 3);
	if (entries > RT_MAX_ENTRIES || first_block + blocks > entries)
		return -EFBIG;
	err = make_room(img, l, at, clusters + blocks);
	for (uint64_t i = 0; err == 0 && i < blocks; i++) {
		uint64_t from = (first_block + i) << q->block_bits;
		uint64_t to = from + (1ull << q->block_bits);

		if (from < at)
			from = at;
		if (to > at + clusters + blocks)
			to = at + clusters + blocks;
		if (from < to)
			err = set_in_block(img, l,
			    (at + clusters + i) << q->cluster_bits,
			    from & ((1ull << q->block_bits) - 1), to - from, 1);
	}
	if (err == 0)
		err = write_table(img, l, at << q->cluster_bits, first_block,
		    at + clusters, blocks);
	if (err == 0)
		err = qcow2_move_table(l, at << q->cluster_bits, clusters);
	if (err != 0)
		return err;
	(void)map_claim(img, at, clusters + blocks);
	return qcow2_give_back(img, l, old, old_clusters);
}

int
qcow2_add_block(struct blk_image *img, struct layer *l, uint64_t cluster)
{
	struct qcow2 *q = &l->u.qcow2;
	uint64_t i = cluster >> q->block_bits;
	uint64_t entry = htobe64(cluster << q->cluster_bits);
	int err;

	if (i >= q->rt_entries)
		return grow_table(img, l, cluster);
	err = make_room(img, l, cluster, 1);
	if (err == 0)
		err = set_in_block(img, l, cluster << q->cluster_bits,
		    cluster & ((1ull << q->block_bits) - 1), 1, 1);
	if (err == 0)
		err = file_sync(l->file);
	if (err == 0)
		err = cache_write(&img->cache, l->file, &entry, sizeof(entry),
		    q->rt_offset + 8 * i);
	if (err == 0)
		err = file_sync(l->file);
	if (err == 0)
		map_set(img, cluster);
	return err;
}
