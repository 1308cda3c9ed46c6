// SPDX-License-Identifier: Apache-2.0
/*
 * Making a qcow2 disk larger while it is in use. Called through layer_ops, with
 * nothing in flight. The L1 table grows where it is, in the clusters that it has;
 * the header's sector then changes at once, so that an image is of the old size or
 * of the new one.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

#define SIZE_AT 24u		/* size, crypt method, entries and place of the L1 */

/* Would bytes of a backing file show that were behind the end? */
static bool
shows_more(const struct blk_image *img, const struct layer *l)
{
	return img->nlayers > 1 && img->layer[1].size > l->size;
}

static int
zero_entries(struct blk_image *img, struct layer *l, uint64_t first, uint64_t end)
{
	const struct qcow2 *q = &l->u.qcow2;
	int err = 0;

	memset(img->fill, 0, IMAGE_BOUNCE);
	while (err == 0 && first < end) {
		uint64_t n = end - first < IMAGE_BOUNCE / 8 ? end - first :
		    IMAGE_BOUNCE / 8;

		err = cache_write(&img->cache, l->file, img->fill, (size_t)n * 8,
		    q->l1_offset + 8 * first);
		first += n;
	}
	return err == 0 ? file_sync(l->file) : err;
}

int
qcow2_resize(struct blk_image *img, struct layer *l, uint64_t size,
    const char **why)
{
	struct qcow2 *q = &l->u.qcow2;
	uint64_t disk_of_table = 1ull << (2 * q->cluster_bits - 3);
	uint64_t entries = size / disk_of_table + (size % disk_of_table != 0);
	uint64_t room = (q->l1_entries * 8 + q->cluster_size - 1) >>
	    q->cluster_bits << q->cluster_bits;
	uint8_t field[24];
	uint64_t size_be = htobe64(size), at_be = htobe64(q->l1_offset);
	uint32_t entries_be;
	int err;

	*why = "a qcow2 image can only be made larger while it runs";
	if (size < l->size)
		return -EOPNOTSUPP;
	*why = "the backing file is larger than the image: use qemu-img resize, "
	    "and start again";
	if (shows_more(img, l))
		return -EOPNOTSUPP;
	*why = "the qcow2 image has no room for a larger L1 table where it is: "
	    "use qemu-img resize, and start again";
	if (entries * 8 > room)
		return -EOPNOTSUPP;
	*why = "the header of the qcow2 image cannot be written";
	if (entries > q->l1_entries) {
		err = zero_entries(img, l, q->l1_entries, entries);
		if (err != 0)
			return err;
	} else {
		entries = q->l1_entries;
	}
	entries_be = htobe32((uint32_t)entries);
	memcpy(field, &size_be, 8);
	memset(field + 8, 0, 4);	/* not encrypted */
	memcpy(field + 12, &entries_be, 4);
	memcpy(field + 16, &at_be, 8);
	err = file_write(l->file, field, sizeof(field), SIZE_AT);
	if (err == 0)
		err = file_sync(l->file);
	if (err != 0)
		return err;
	q->l1_entries = entries;
	l->size = size;
	return 0;
}
