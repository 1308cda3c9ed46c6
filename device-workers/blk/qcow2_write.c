// SPDX-License-Identifier: Apache-2.0
/*
 * Changing a qcow2 disk: writes in place, writes to new clusters with what was
 * there around them, zeros and discards. Called through layer_ops. The order of
 * writes in the file is what qcow2.h promises.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

/* Entries that are changed at a time. */
#define CHUNK 512u

struct chunk {
	uint64_t table;		/* offset of its first entry in the file */
	uint64_t n;
	uint64_t old[CHUNK];	/* in our byte order */
	uint64_t new[CHUNK];
};

static uint64_t
min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
l2_index(const struct qcow2 *q, uint64_t off)
{
	return off >> q->cluster_bits & ((q->cluster_size >> 3) - 1);
}

/* May the guest's bytes go to [at, at + len) of the file? */
static int
check_place(struct blk_image *img, struct layer *l, uint64_t at, uint64_t len)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t last = (at + len - 1) >> q->cluster_bits;

	for (uint64_t i = at >> q->cluster_bits; i <= last; i++)
		if (map_test(img, i))
			return qcow2_damaged(img, l,
			    "qcow2: the disk's data on top of a table");
	if (last > (l->file->size - 1) >> q->cluster_bits)
		return qcow2_damaged(img, l, "qcow2: the file is cut off");
	return 0;
}

/* A new L2 table, empty or a copy of one that others may use, into the L1. */
static int
new_table(struct blk_image *img, struct layer *l, uint64_t off, uint64_t old,
    uint64_t *table)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t first, got, entry;
	uint64_t from = old & QCOW2_OFFSET;
	int err = qcow2_take(img, l, 1, &first, &got);

	if (err != 0)
		return err;
	*table = first << q->cluster_bits;
	for (uint64_t at = 0; err == 0 && from != 0 && at < q->cluster_size;) {
		size_t part = (size_t)min64(q->cluster_size - at, IMAGE_BOUNCE);

		err = file_read(l->file, img->fill, part, from + at);
		if (err == 0)
			err = file_write(l->file, img->fill, part, *table + at);
		at += part;
	}
	if (err == 0 && from != 0)
		err = file_sync(l->file);
	entry = htobe64(*table | QCOW2_COPIED);
	if (err == 0)
		err = cache_write(&img->cache, l->file, &entry, sizeof(entry),
		    q->l1_offset + 8 * (off >> (2 * q->cluster_bits - 3)));
	if (err != 0) {
		(void)qcow2_give_back(img, l, first, 1);
		return err;
	}
	map_set(img, first);
	return from == 0 ? 0 :
	    qcow2_give_back(img, l, from >> q->cluster_bits, 1);
}

/* The entries from @off on, up to @want and to the table's end. */
static int
load_chunk(struct blk_image *img, struct layer *l, uint64_t off, uint64_t want,
    struct chunk *c)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t index = l2_index(q, off), table;
	int err = qcow2_l2_table(img, l, off, &table);

	if (err != 0)
		return err;
	if ((table & QCOW2_COPIED) == 0) {
		err = new_table(img, l, off, table, &table);
		if (err != 0)
			return err;
	}
	c->table = (table & QCOW2_OFFSET) + 8 * index;
	c->n = min64(min64(want, CHUNK), (q->cluster_size >> 3) - index);
	for (uint64_t i = 0; i < c->n; i++) {
		err = cache_be64(&img->cache, l->file, c->table + 8 * i,
		    &c->old[i]);
		if (err == 0)
			err = qcow2_classify(img, l, c->old[i]);
		if (err < 0)
			return err;
		c->new[i] = c->old[i];
	}
	return 0;
}

/* What differs goes to the file; what was there before is given back. */
static int
store_chunk(struct blk_image *img, struct layer *l, struct chunk *c)
{
	uint64_t first = c->n, end = 0;
	int err;

	for (uint64_t i = 0; i < c->n; i++) {
		if (c->new[i] == c->old[i])
			continue;
		if (first == c->n)
			first = i;
		end = i + 1;
	}
	if (first >= end)
		return 0;
	for (uint64_t i = first; i < end; i++)
		c->new[i] = htobe64(c->new[i]);
	err = cache_write(&img->cache, l->file, &c->new[first],
	    (size_t)(end - first) * 8, c->table + 8 * first);
	for (uint64_t i = first; err == 0 && i < end; i++)
		if (be64toh(c->new[i]) != c->old[i])
			err = qcow2_give_entry(img, l, c->old[i]);
	return err;
}

/* The disk's own bytes [off, off + len) to @to of the file; zeros are there. */
static int
copy_disk(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    uint64_t to, bool *copied)
{
	while (len > 0) {
		struct layer *from = NULL;
		struct extent ext;
		size_t part;
		int err = image_resolve(img, off, len, &ext, &from);

		if (err != 0)
			return err;
		part = (size_t)min64(ext.len, IMAGE_BOUNCE);
		if (ext.kind != EXTENT_ZERO) {
			err = image_read_at(img, img->fill, part, off);
			if (err == 0)
				err = file_write(l->file, img->fill, part, to);
			if (err != 0)
				return err;
			*copied = true;
		}
		off += part;
		len -= part;
		to += part;
	}
	return 0;
}

/* The clusters at @at, which are new, get [off, off + len) and what is around. */
static int
fill_new(struct blk_image *img, struct layer *l, struct cursor *c, uint64_t off,
    uint64_t len, uint64_t at)
{
	uint64_t mask = l->u.qcow2.cluster_size - 1, in = off & mask;
	uint64_t end = min64((off + len + mask) & ~mask, l->size);
	bool copied = false;
	unsigned int n;
	int err;

	err = copy_disk(img, l, off - in, in, at, &copied);
	if (err == 0)
		err = copy_disk(img, l, off + len, end - off - len,
		    at + in + len, &copied);
	if (err != 0)
		return err;
	n = cursor_take(c, len, img->part);
	err = file_writev(l->file, img->part, n, at + in);
	/* A copy may be all that is left of what was durable elsewhere. */
	if (err == 0 && copied)
		err = file_sync(l->file);
	return err;
}

/* Is it this layer's alone, and its bytes where the guest's may go? */
static bool
in_place(uint64_t entry)
{
	return (entry & QCOW2_COPIED) != 0 &&
	    (entry & (QCOW2_PACKED | QCOW2_ZERO)) == 0 &&
	    (entry & QCOW2_OFFSET) != 0;
}

static int
write_new(struct blk_image *img, struct layer *l, struct cursor *cur,
    uint64_t off, uint64_t *len)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t in = off & (q->cluster_size - 1), first, got, n = 0;
	struct chunk c;
	int err;

	err = load_chunk(img, l, off,
	    (in + *len + q->cluster_size - 1) >> q->cluster_bits, &c);
	if (err != 0)
		return err;
	while (n < c.n && !in_place(c.old[n]))
		n++;
	if (n == 0)
		return -EIO;
	err = qcow2_take(img, l, n, &first, &got);
	if (err != 0)
		return err;
	*len = min64(*len, (got << q->cluster_bits) - in);
	err = fill_new(img, l, cur, off, *len, first << q->cluster_bits);
	for (uint64_t i = 0; i < got; i++)
		c.new[i] = ((first + i) << q->cluster_bits) | QCOW2_COPIED;
	if (err == 0)
		return store_chunk(img, l, &c);
	(void)qcow2_give_back(img, l, first, got);
	return err;
}

int
qcow2_write(struct blk_image *img, struct layer *l, struct cursor *c,
    uint64_t off, uint64_t len)
{
	const struct qcow2 *q = &l->u.qcow2;

	while (len > 0) {
		uint64_t in = off & (q->cluster_size - 1), part = len, entry, next;
		uint64_t table_end = q->cluster_size >> 3;
		int err = qcow2_entry(img, l, off, &entry);

		if (err == 0)
			err = qcow2_classify(img, l, entry);
		if (err < 0)
			return err;
		if (!in_place(entry)) {
			err = write_new(img, l, c, off, &part);
		} else {
			uint64_t at = (entry & QCOW2_OFFSET) + in, n = 1;
			uint64_t room = table_end - l2_index(q, off);
			uint64_t max = (in + len + q->cluster_size - 1) >>
			    q->cluster_bits;
			unsigned int segs;

			for (; n < max && n < room; n++) {
				err = qcow2_entry(img, l,
				    off + (n << q->cluster_bits), &next);
				if (err != 0)
					return err;
				if (next != entry + (n << q->cluster_bits))
					break;
			}
			part = min64(len, (n << q->cluster_bits) - in);
			err = check_place(img, l, at, part);
			if (err != 0)
				return err;
			segs = cursor_take(c, part, img->part);
			err = file_writev(l->file, img->part, segs, at);
		}
		if (err != 0)
			return err;
		off += part;
		len -= part;
	}
	return 0;
}

/* ---- zeros ------------------------------------------------------------------------- */

/* ZERO_DROP: there is no disk any more. */
enum zero_how { ZERO_KEEP, ZERO_UNMAP, ZERO_DISCARD, ZERO_DROP };

static int
zero_entry(struct blk_image *img, struct layer *l, struct chunk *c, uint64_t i,
    enum zero_how how)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t old = c->old[i], at = old & QCOW2_OFFSET;
	uint64_t none = q->has_backing ? QCOW2_ZERO : 0;
	int kind = qcow2_classify(img, l, old), err;

	if (kind < 0)
		return kind;
	if (how == ZERO_DROP) {
		c->new[i] = 0;
		return 0;
	}
	if (kind == EXTENT_ABSENT) {
		/* Discarded, a backing file's bytes may show. */
		if (how != ZERO_DISCARD)
			c->new[i] = none;
		return 0;
	}
	if (kind == EXTENT_ZERO) {
		if (at != 0 && how != ZERO_KEEP)
			c->new[i] = QCOW2_ZERO;
		return 0;
	}
	if (in_place(old) && how == ZERO_KEEP) {
		err = check_place(img, l, at, q->cluster_size);
		return err != 0 ? err : file_zero(l->file, at,
		    min64(q->cluster_size, l->file->size - at), false);
	}
	c->new[i] = none;
	return 0;
}

/* [off, off + len) is whole clusters, the disk's end apart. */
static int
zero_clusters(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    enum zero_how how)
{
	const struct qcow2 *q = &l->u.qcow2;
	struct chunk c;

	while (len > 0) {
		uint64_t want = (len + q->cluster_size - 1) >> q->cluster_bits;
		uint64_t table, part;
		int err = qcow2_l2_table(img, l, off, &table);

		if (err != 0)
			return err;
		part = ((q->cluster_size >> 3) - l2_index(q, off)) <<
		    q->cluster_bits;
		/* Without a table nothing is here: zeros, or what is below. */
		if (table != 0 || (q->has_backing && how < ZERO_DISCARD)) {
			err = load_chunk(img, l, off, want, &c);
			if (err != 0)
				return err;
			for (uint64_t i = 0; err == 0 && i < c.n; i++)
				err = zero_entry(img, l, &c, i, how);
			if (err == 0)
				err = store_chunk(img, l, &c);
			if (err != 0)
				return err;
			part = c.n << q->cluster_bits;
		}
		part = min64(part, len);
		off += part;
		len -= part;
	}
	return 0;
}

int
qcow2_zero_bytes(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len)
{
	while (len > 0) {
		struct layer *from = NULL;
		struct extent ext;
		int err = image_resolve(img, off, len, &ext, &from);

		if (err != 0)
			return err;
		if (ext.kind != EXTENT_ZERO) {
			struct iovec one = { img->work, 0 };
			struct cursor c = { &one, 1 };

			ext.len = min64(ext.len, IMAGE_BOUNCE);
			one.iov_len = (size_t)ext.len;
			memset(img->work, 0, one.iov_len);
			err = qcow2_write(img, l, &c, off, ext.len);
			if (err != 0)
				return err;
		}
		off += ext.len;
		len -= ext.len;
	}
	return 0;
}

/* The whole clusters in [off, off + len): the disk's end counts as one's end. */
static void
whole(const struct layer *l, uint64_t off, uint64_t len, uint64_t *first,
    uint64_t *end)
{
	uint64_t mask = l->u.qcow2.cluster_size - 1;

	*first = (off + mask) & ~mask;
	*end = off + len == l->size ? off + len : (off + len) & ~mask;
	if (*end < *first)
		*end = *first = off + len;
}

int
qcow2_discard(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len)
{
	uint64_t first, end;

	/* Version 2 cannot hide a backing file's bytes: a hint is not needed. */
	if (l->u.qcow2.version < 3 && l->u.qcow2.has_backing)
		return 0;
	whole(l, off, len, &first, &end);
	return zero_clusters(img, l, first, end - first, ZERO_DISCARD);
}

int
qcow2_zero(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    bool unmap)
{
	uint64_t first, end;
	int err;

	if (l->u.qcow2.version < 3 && l->u.qcow2.has_backing)
		return qcow2_zero_bytes(img, l, off, len);
	whole(l, off, len, &first, &end);
	err = qcow2_zero_bytes(img, l, off, min64(first - off, len));
	if (err == 0)
		err = zero_clusters(img, l, first, end - first,
		    unmap ? ZERO_UNMAP : ZERO_KEEP);
	if (err == 0)
		err = qcow2_zero_bytes(img, l, end, off + len - end);
	return err;
}

/* ---- what is behind the disk's end ---------------------------------------------------- */

int
qcow2_drop(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len)
{
	return zero_clusters(img, l, off, len, ZERO_DROP);
}

int
qcow2_drop_table(struct blk_image *img, struct layer *l, uint64_t off)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint32_t table_bits = 2 * q->cluster_bits - 3;
	const uint64_t none = 0;
	uint64_t table = 0;
	int err = qcow2_drop(img, l, off, 1ull << table_bits);

	if (err == 0)
		err = qcow2_l2_table(img, l, off, &table);
	if (err == 0)
		err = cache_write(&img->cache, l->file, &none, sizeof(none),
		    q->l1_offset + 8 * (off >> table_bits));
	return err != 0 ? err : qcow2_give_back(img, l,
	    (table & QCOW2_OFFSET) >> q->cluster_bits, 1);
}
