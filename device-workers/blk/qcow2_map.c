// SPDX-License-Identifier: Apache-2.0
/*
 * From an offset of the disk to a place in a qcow2 file: L1 and L2 tables. Called
 * for every request. Changes nothing; every entry is checked each time, since a
 * file's bytes are hostile whenever they were read.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

/*
 * Damage in the guest's own image: mark it, as QEMU does, so that nobody writes
 * to it before it was repaired.
 */
int
qcow2_damaged(struct blk_image *img, struct layer *l, const char *what)
{
	struct qcow2 *q = &l->u.qcow2;
	uint64_t features;

	if (!l->writable || img->broken)
		return -EIO;
	if (q->version >= 3) {
		q->incompatible |= QCOW2_INCOMPAT_CORRUPT;
		features = htobe64(q->incompatible);
		(void)file_write(l->file, &features, sizeof(features), 72);
	}
	return image_broken(img, what);
}

int
qcow2_classify(struct blk_image *img, struct layer *l, uint64_t entry)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t off = entry & QCOW2_OFFSET;

	if ((entry & QCOW2_PACKED) != 0)
		return EXTENT_PACKED;
	if ((entry & ~(QCOW2_COPIED | QCOW2_OFFSET | QCOW2_ZERO)) != 0 ||
	    (off & (q->cluster_size - 1)) != 0 ||
	    ((entry & QCOW2_ZERO) != 0 && q->version < 3))
		return qcow2_damaged(img, l, "qcow2: an impossible L2 entry");
	if ((entry & QCOW2_ZERO) != 0)
		return EXTENT_ZERO;
	return off == 0 ? EXTENT_ABSENT : EXTENT_DATA;
}

int
qcow2_l2_table(struct blk_image *img, struct layer *l, uint64_t off,
    uint64_t *l1_entry)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t i = off >> (2 * q->cluster_bits - 3);
	int err;

	err = cache_be64(&img->cache, l->file, q->l1_offset + 8 * i, l1_entry);
	if (err != 0 || *l1_entry == 0)
		return err;
	if ((*l1_entry & ~(QCOW2_COPIED | QCOW2_OFFSET)) != 0 ||
	    (*l1_entry & QCOW2_OFFSET & (q->cluster_size - 1)) != 0 ||
	    (*l1_entry & QCOW2_OFFSET) == 0)
		return qcow2_damaged(img, l, "qcow2: an impossible L1 entry");
	return 0;
}

static uint64_t
l2_index(const struct qcow2 *q, uint64_t off)
{
	return off >> q->cluster_bits & ((q->cluster_size >> 3) - 1);
}

int
qcow2_entry(struct blk_image *img, struct layer *l, uint64_t off, uint64_t *entry)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t table;
	int err = qcow2_l2_table(img, l, off, &table);

	*entry = 0;
	if (err != 0 || table == 0)
		return err;
	return cache_be64(&img->cache, l->file,
	    (table & QCOW2_OFFSET) + 8 * l2_index(q, off), entry);
}

void
qcow2_packed_range(const struct layer *l, uint64_t entry, uint64_t *offset,
    uint64_t *len)
{
	uint32_t size_bits = l->u.qcow2.cluster_bits - 8;
	uint32_t shift = 62 - size_bits;
	uint64_t sectors = (entry >> shift & ((1ull << size_bits) - 1)) + 1;

	*offset = entry & ((1ull << shift) - 1);
	*len = sectors * 512 - (*offset & 511);
}

/*
 * How far it goes on from @entry as it begins, up to @max clusters of the same
 * table, whose entry after this one is at @at.
 */
static int
run_length(struct blk_image *img, struct layer *l, uint64_t entry, int kind,
    uint64_t at, uint64_t max, uint64_t *count)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t n = 1;

	while (n < max) {
		const uint8_t *p;
		uint32_t left;
		int err = cache_get(&img->cache, l->file, at, &p, &left);

		if (err != 0)
			return err;
		for (; left >= 8 && n < max; left -= 8, p += 8, at += 8, n++) {
			uint64_t next;
			bool same;

			memcpy(&next, p, sizeof(next));
			next = be64toh(next);
			if (kind == EXTENT_DATA)
				same = (next & ~QCOW2_COPIED) ==
				    (entry & ~QCOW2_COPIED) +
				    (n << q->cluster_bits);
			else if (kind == EXTENT_ABSENT)
				same = next == 0;
			else
				same = next == entry;
			if (!same) {
				*count = n;
				return 0;
			}
		}
	}
	*count = n;
	return 0;
}

int
qcow2_map(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    struct extent *ext)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t in = off & (q->cluster_size - 1);
	uint64_t index = l2_index(q, off), table, entry, count = 0, max;
	uint64_t rest = (((q->cluster_size >> 3) - index) << q->cluster_bits) - in;
	int err, kind;

	if (len > rest)
		len = rest;
	*ext = (struct extent){ .kind = EXTENT_ABSENT, .len = len };
	err = qcow2_l2_table(img, l, off, &table);
	if (err != 0 || table == 0)
		return err;
	table = (table & QCOW2_OFFSET) + 8 * index;
	err = cache_be64(&img->cache, l->file, table, &entry);
	if (err != 0)
		return err;
	kind = qcow2_classify(img, l, entry);
	if (kind < 0)
		return kind;
	max = (in + len + q->cluster_size - 1) >> q->cluster_bits;
	if (kind == EXTENT_PACKED)
		max = 1;
	err = run_length(img, l, entry, kind, table + 8, max, &count);
	if (err != 0)
		return err;
	if (len > (count << q->cluster_bits) - in)
		len = (count << q->cluster_bits) - in;
	ext->kind = (enum extent_kind)kind;
	ext->len = len;
	ext->file = l->file;
	ext->at = kind == EXTENT_DATA ? (entry & QCOW2_OFFSET) + in : entry;
	return 0;
}
