// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks of a VHDX image: the block allocation table ([MS-VHDX] 2.5), and writes
 * that allocate. Called through layer_ops.
 *
 * Entries are changed in place, without the log: one entry lies in one sector, a
 * new block is zeros and the file long enough for it before an entry shows it, and
 * a block once there never moves. So the table is right after a crash at any
 * moment, and the image's log stays empty.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

#define STATE(entry) ((entry) & 7)
#define PRESENT 6u
#define PARTLY_PRESENT 7u
#define OFFSET(entry) ((entry) & ~(VHDX_UNIT - 1))

/* Bitmaps, of which this kind of image has none, have places among the blocks. */
static uint64_t
entry_at(const struct vhdx *v, uint64_t block)
{
	return v->bat_offset + 8 * (block + (block >> v->ratio_bits));
}

int
vhdx_check_bat(struct blk_image *img, struct layer *l, const char **why)
{
	struct vhdx *v = &l->u.vhdx;
	uint64_t units = 1ull << (v->block_bits - 20);

	for (uint64_t b = 0; b < v->nblocks; b++) {
		uint64_t entry, off;
		int err = cache_le64(&img->cache, l->file, entry_at(v, b), &entry);

		if (err != 0)
			return err;
		if (STATE(entry) == PARTLY_PRESENT || STATE(entry) == 4 ||
		    STATE(entry) == 5) {
			*why = "VHDX image with a block in an impossible state";
			return -EINVAL;
		}
		if (STATE(entry) != PRESENT)
			continue;
		off = OFFSET(entry);
		if (off >= l->file->size ||
		    (uint64_t)1 << v->block_bits > l->file->size - off) {
			*why = "VHDX image with a block out of place or cut off";
			return -EINVAL;
		}
		if (!map_claim(img, off / VHDX_UNIT, units)) {
			*why = "VHDX image with a block on top of something else";
			return -EINVAL;
		}
	}
	return 0;
}

int
vhdx_map(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    struct extent *ext)
{
	struct vhdx *v = &l->u.vhdx;
	uint64_t size = 1ull << v->block_bits, in = off & (size - 1), entry;
	int err;

	if (len > size - in)
		len = size - in;
	err = cache_le64(&img->cache, l->file, entry_at(v, off >> v->block_bits),
	    &entry);
	if (err != 0)
		return err;
	*ext = (struct extent){ EXTENT_ZERO, len, l->file, 0 };
	if (STATE(entry) == PRESENT) {
		ext->kind = EXTENT_DATA;
		ext->at = OFFSET(entry) + in;
	}
	return 0;
}

static int
write_new(struct blk_image *img, struct layer *l, struct cursor *c, uint64_t off,
    uint64_t len)
{
	struct vhdx *v = &l->u.vhdx;
	uint64_t size = 1ull << v->block_bits, in = off & (size - 1);
	uint64_t at = (l->file->size + VHDX_UNIT - 1) & ~(VHDX_UNIT - 1);
	uint64_t entry = htole64(at | PRESENT);
	unsigned int n;
	int err;

	if (at > INT64_MAX - size)
		return -EFBIG;
	err = file_extend(l->file, at + size);
	/* The file is that long, and zero there, before an entry says so. */
	if (err == 0)
		err = file_sync(l->file);
	if (err != 0)
		return err;
	n = cursor_take(c, len, img->part);
	err = file_writev(l->file, img->part, n, at + in);
	if (err == 0)
		err = cache_write(&img->cache, l->file, &entry, sizeof(entry),
		    entry_at(v, off >> v->block_bits));
	return err;
}

int
vhdx_write(struct blk_image *img, struct layer *l, struct cursor *c, uint64_t off,
    uint64_t len)
{
	while (len > 0) {
		struct extent ext;
		unsigned int n;
		int err = vhdx_map(img, l, off, len, &ext);

		if (err != 0)
			return err;
		if (ext.kind == EXTENT_DATA) {
			n = cursor_take(c, ext.len, img->part);
			err = file_writev(l->file, img->part, n, ext.at);
		} else {
			err = write_new(img, l, c, off, ext.len);
		}
		if (err != 0)
			return err;
		off += ext.len;
		len -= ext.len;
	}
	return 0;
}
