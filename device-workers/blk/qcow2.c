// SPDX-License-Identifier: Apache-2.0
/*
 * Opening a qcow2 image: header, features, header extensions, and a check of
 * where its tables are. Called through layer_ops. The rest of the format is in
 * the files that qcow2.h names.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

#define HEADER_V2 72u
#define HEADER_V3 104u
#define INCOMPAT_COMPRESSION 8ull
#define INCOMPAT_KNOWN							\
	(QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT | INCOMPAT_COMPRESSION)
#define EXT_END 0u
#define EXT_BACKING_FORMAT 0xe2792acau
#define EXT_FEATURE_NAMES 0x6803f857u
#define EXT_MAX 64u
#define L1_MAX ((uint64_t)32 << 20)	/* bytes, as QEMU's limits */
#define RT_MAX ((uint64_t)8 << 20)

struct header {
	uint8_t b[112];
};

uint64_t
qcow2_entry_offset(uint64_t entry)
{
	return entry & QCOW2_OFFSET;
}

/* Is [off, off + len) a table that can be: aligned, inside the file? */
static bool
table_ok(const struct layer *l, uint64_t off, uint64_t len)
{
	return (off & (l->u.qcow2.cluster_size - 1)) == 0 &&
	    off >= l->u.qcow2.cluster_size && off <= l->file->size &&
	    len <= l->file->size - off;
}

static int
check_basics(struct layer *l, const struct header *h, const char **why)
{
	struct qcow2 *q = &l->u.qcow2;

	q->version = be32(h->b + 4);
	q->cluster_bits = be32(h->b + 20);
	l->size = be64(h->b + 24);
	*why = NULL;
	if (be32(h->b) != 0x514649fbu)
		*why = "not a qcow2 image";
	else if (q->version == 1)
		*why = "qcow (version 1) images are not supported";
	else if (q->version != 2 && q->version != 3)
		*why = "qcow2 image of an unknown version";
	else if (q->cluster_bits < 9 || q->cluster_bits > 21)
		*why = "qcow2 image with a cluster size not of 512 to 2 MiB";
	else if (be32(h->b + 32) != 0)
		*why = "encrypted qcow2 images are not supported";
	else if (be32(h->b + 60) != 0)
		*why = "qcow2 images with internal snapshots are not supported";
	else if (l->size > INT64_MAX || l->size % 512 != 0)
		*why = "qcow2 image of an impossible size";
	return *why != NULL ? -EINVAL : 0;
}

/* A name from the feature name table, for bit @bit of the incompatible ones. */
static int
unknown_feature(struct blk_image *img, struct layer *l, uint64_t at,
    uint64_t end, unsigned int bit, const char **why)
{
	uint8_t row[48];
	char name[47], number[3];

	for (; at + sizeof(row) <= end; at += sizeof(row)) {
		if (file_read(l->file, row, sizeof(row), at) != 0)
			break;
		if (row[0] != 0 || row[1] != bit)
			continue;
		memcpy(name, row + 2, 46);
		name[46] = '\0';
		return image_fail(img, why,
		    "qcow2 image with a feature that is not supported: ", name,
		    NULL);
	}
	number[0] = (char)('0' + bit / 10);
	number[1] = (char)('0' + bit % 10);
	number[2] = '\0';
	return image_fail(img, why,
	    "qcow2 image with an unknown incompatible feature, bit ", number,
	    NULL);
}

static int
check_features(struct layer *l, const struct header *h, uint32_t *length,
    const char **why)
{
	struct qcow2 *q = &l->u.qcow2;
	uint32_t compression;

	*length = HEADER_V2;
	q->refcount_order = 4;
	if (q->version < 3)
		return 0;
	q->incompatible = be64(h->b + 72);
	q->refcount_order = be32(h->b + 96);
	*length = be32(h->b + 100);
	compression = *length > HEADER_V3 ? h->b[104] : 0;
	q->zstd = compression == 1;
	*why = NULL;
	if (*length < HEADER_V3 || *length % 8 != 0 ||
	    *length > q->cluster_size)
		*why = "qcow2 image with an impossible header length";
	else if (q->refcount_order > 6)
		*why = "qcow2 image with refcounts of more than 64 bits";
	else if ((q->incompatible & 4) != 0)
		*why = "qcow2 images with an external data file are not supported";
	else if ((q->incompatible & 16) != 0)
		*why = "qcow2 images with extended L2 entries are not supported";
	else if (compression > 1 ||
	    ((q->incompatible & INCOMPAT_COMPRESSION) != 0) != (compression != 0))
		*why = "qcow2 image with an unknown compression type";
	else if ((q->incompatible & QCOW2_INCOMPAT_CORRUPT) != 0 && l->writable)
		*why = "the qcow2 image is marked corrupt: it can only be read, "
		    "until qemu-img check has repaired it";
	return *why != NULL ? -EINVAL : 0;
}

/* The extensions up to @end: names of features, the backing file's format. */
static int
read_extensions(struct blk_image *img, struct layer *l, uint64_t at,
    uint64_t end, char format[16], const char **why)
{
	uint64_t unknown = l->u.qcow2.incompatible & ~INCOMPAT_KNOWN;
	unsigned int bit = unknown != 0 ? (unsigned int)__builtin_ctzll(unknown) :
	    0;
	uint64_t names = 0, names_end = 0;
	uint8_t ext[8];

	for (unsigned int i = 0; i < EXT_MAX && at + sizeof(ext) <= end; i++) {
		uint32_t type, len;

		if (file_read(l->file, ext, sizeof(ext), at) != 0)
			break;
		type = be32(ext);
		len = be32(ext + 4);
		at += sizeof(ext);
		if (type == EXT_END)
			break;
		if (len > end - at) {
			*why = "qcow2 image with a header extension that is too long";
			return -EINVAL;
		}
		if (type == EXT_FEATURE_NAMES) {
			names = at;
			names_end = at + len;
		} else if (type == EXT_BACKING_FORMAT && len < 16 && len > 0) {
			if (file_read(l->file, format, len, at) != 0)
				return -EIO;
		}
		at += (len + 7u) & ~7u;
		if (at > end)
			break;
	}
	if (unknown != 0)
		return unknown_feature(img, l, names, names_end, bit, why);
	return 0;
}

/* The backing file, as img->want. */
static int
want_backing(struct blk_image *img, struct layer *l, const struct header *h,
    const char *format, const char **why)
{
	uint64_t off = be64(h->b + 8);
	uint32_t len = be32(h->b + 16);
	struct image_want *w = &img->want;

	if (off > l->u.qcow2.cluster_size ||
	    len > l->u.qcow2.cluster_size - off || len >= IMAGE_NAME_MAX) {
		*why = "qcow2 image with a backing file name out of place";
		return -EINVAL;
	}
	memset(w, 0, sizeof(*w));
	if (file_read(l->file, w->name, len, off) != 0 ||
	    !image_name_ok(w->name, len)) {
		*why = "qcow2 image with an impossible backing file name";
		return -EINVAL;
	}
	if (!img->how.backing)
		return image_fail(img, why, "the image has a backing file, which "
		    "takes backing_files=on: ", w->name, NULL);
	if (strcmp(format, "raw") == 0)
		w->format = BLK_FORMAT_RAW;
	else if (strcmp(format, "qcow2") == 0)
		w->format = BLK_FORMAT_QCOW2;
	else if (format[0] == '\0')
		return image_fail(img, why, "the format of the backing file is not "
		    "named in the image (qemu-img rebase -u -F): ", w->name, NULL);
	else
		return image_fail(img, why, "a backing file of this format is not "
		    "supported: ", format, NULL);
	w->readonly = true;
	w->wanted = true;
	l->u.qcow2.has_backing = true;
	return 1;
}

static int
find_tables(struct layer *l, const struct header *h, const char **why)
{
	struct qcow2 *q = &l->u.qcow2;
	uint32_t table_bits = 2 * q->cluster_bits - 3;	/* of disk, for an L2 */
	uint64_t needed = (l->size >> table_bits) +
	    ((l->size & ((1ull << table_bits) - 1)) != 0);

	q->l1_entries = be32(h->b + 36);
	q->l1_offset = be64(h->b + 40);
	q->rt_offset = be64(h->b + 48);
	q->rt_entries = (uint64_t)be32(h->b + 56) << (q->cluster_bits - 3);
	q->block_bits = q->cluster_bits + 3 - q->refcount_order;
	*why = NULL;
	if (q->l1_entries > L1_MAX / 8 || needed > L1_MAX / 8)
		*why = "qcow2 image with too large an L1 table";
	else if (q->l1_entries < needed)
		*why = "qcow2 image with too small an L1 table";
	else if (q->l1_entries > 0 &&
	    !table_ok(l, q->l1_offset, q->l1_entries * 8))
		*why = "qcow2 image with its L1 table out of place or cut off";
	else if (q->rt_entries == 0 || q->rt_entries > RT_MAX / 8)
		*why = "qcow2 image with an impossible refcount table";
	else if (!table_ok(l, q->rt_offset, q->rt_entries * 8))
		*why = "qcow2 image with its refcount table out of place or cut off";
	return *why != NULL ? -EINVAL : 0;
}

/* ---- no table may lie on another, and each is counted ------------------------------- */

/* Claim the tables that @entries words at @off refer to: @what, for the error. */
static int
claim_tables(struct blk_image *img, struct layer *l, uint64_t off,
    uint64_t entries, uint64_t offset_mask, const char *what, const char **why)
{
	struct qcow2 *q = &l->u.qcow2;

	for (uint64_t i = 0; i < entries; i++) {
		uint64_t entry;
		int err = cache_be64(&img->cache, l->file, off + 8 * i, &entry);

		if (err != 0)
			return err;
		if (entry == 0)
			continue;
		if ((entry & ~offset_mask & ~QCOW2_COPIED) != 0 ||
		    !table_ok(l, entry & offset_mask, q->cluster_size))
			return image_fail(img, why, "qcow2 image with ", what,
			    " out of place or cut off");
		if (!map_claim(img, (entry & offset_mask) >> q->cluster_bits, 1))
			return image_fail(img, why, "qcow2 image with ", what,
			    " on top of another table");
	}
	return 0;
}

static int
claim_l1_l2(struct blk_image *img, struct layer *l, const char **why)
{
	struct qcow2 *q = &l->u.qcow2;
	uint64_t clusters = (q->l1_entries * 8 + q->cluster_size - 1) >>
	    q->cluster_bits;

	map_set(img, 0);
	if (!map_claim(img, q->l1_offset >> q->cluster_bits, clusters)) {
		*why = "qcow2 image with its L1 table on top of its header";
		return -EINVAL;
	}
	return claim_tables(img, l, q->l1_offset, q->l1_entries, QCOW2_OFFSET,
	    "an L2 table", why);
}

static int
claim_refcounts(struct blk_image *img, struct layer *l, const char **why)
{
	struct qcow2 *q = &l->u.qcow2;

	if (!map_claim(img, q->rt_offset >> q->cluster_bits,
	    q->rt_entries >> (q->cluster_bits - 3))) {
		*why = "qcow2 image with its refcount table on top of another table";
		return -EINVAL;
	}
	return claim_tables(img, l, q->rt_offset, q->rt_entries, ~511ull,
	    "a refcount block", why);
}

/* Are the tables counted? What is not could be given out as free. */
static int
check_counted(struct blk_image *img, struct layer *l, const char **why)
{
	uint64_t clusters = (l->file->size + l->u.qcow2.cluster_size - 1) >>
	    l->u.qcow2.cluster_bits;

	for (uint64_t i = 0; i < clusters && i < MAP_BITS; i++) {
		uint64_t count;
		int err;

		if (i % 64 == 0) {
			uint64_t word;

			memcpy(&word, img->map + i / 8, sizeof(word));
			if (word == 0) {
				i += 63;
				continue;
			}
		}
		if (!map_test(img, i))
			continue;
		err = qcow2_refcount(img, l, i, &count);
		if (err == 0 && count == 0) {
			*why = "qcow2 image with wrong refcounts: "
			    "qemu-img check -r all repairs it";
			return -EINVAL;
		}
		if (err != 0)
			return err;
	}
	return 0;
}

/* What a program that writes and does not know a feature has to forget. */
static int
clear_autoclear(struct layer *l, const struct header *h)
{
	uint64_t none = 0;
	int err;

	if (l->u.qcow2.version < 3 || be64(h->b + 88) == 0)
		return 0;
	err = file_write(l->file, &none, sizeof(none), 88);
	return err != 0 ? err : file_sync(l->file);
}

static int
check_tables(struct blk_image *img, struct layer *l, const struct header *h,
    const char **why)
{
	struct qcow2 *q = &l->u.qcow2;
	bool dirty = (q->incompatible & QCOW2_INCOMPAT_DIRTY) != 0;
	int err;

	err = claim_l1_l2(img, l, why);
	if (err != 0 || (dirty && !l->writable))
		return err;
	if (l->writable) {
		err = clear_autoclear(l, h);
		if (err != 0)
			return err;
	}
	/* Counts of a dirty image mean nothing: QEMU rebuilds them, too. */
	if (dirty) {
		err = qcow2_rebuild(img, l, why);
		if (err != 0)
			return err;
	}
	err = claim_refcounts(img, l, why);
	if (err == 0 && l->writable)
		err = check_counted(img, l, why);
	return err;
}

static int
qcow2_open(struct blk_image *img, struct layer *l, const char **why)
{
	struct qcow2 *q = &l->u.qcow2;
	char format[16] = "";
	uint64_t end, backing;
	struct header h = { { 0 } };
	uint32_t length;
	int err;

	if (l->file->size < HEADER_V2) {
		*why = "qcow2 image without a whole header";
		return -EINVAL;
	}
	err = file_read(l->file, h.b, sizeof(h.b), 0);
	if (err == 0)
		err = check_basics(l, &h, why);
	if (err != 0)
		return err;
	q->cluster_size = 1ull << q->cluster_bits;
	err = check_features(l, &h, &length, why);
	if (err != 0)
		return err;
	backing = be64(h.b + 8);
	end = backing != 0 && backing < q->cluster_size ? backing :
	    q->cluster_size;
	err = read_extensions(img, l, length, end, format, why);
	if (err == 0)
		err = find_tables(l, &h, why);
	if (err != 0)
		return err;
	if (l == &img->layer[0]) {
		memset(&img->alloc, 0, sizeof(img->alloc));
		cache_init(&img->cache, q->cluster_size < CACHE_GRANULE ?
		    (uint32_t)q->cluster_size : CACHE_GRANULE);
		*why = "the tables of the qcow2 image cannot be read or written";
		err = check_tables(img, l, &h, why);
		if (err != 0)
			return err;
	}
	return backing != 0 ? want_backing(img, l, &h, format, why) : 0;
}

const struct layer_ops qcow2_layer_ops = {
	.name = "qcow2",
	.format = BLK_FORMAT_QCOW2,
	.open = qcow2_open,
	.map = qcow2_map,
	.write = qcow2_write,
	.discard = qcow2_discard,
	.zero = qcow2_zero,
	.flush = qcow2_flush,
	.close = qcow2_close,
	.resize = qcow2_resize,
};
