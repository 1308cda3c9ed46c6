// SPDX-License-Identifier: Apache-2.0
/*
 * Another size for a qcow2 disk while it is in use. Called through layer_ops, with
 * nothing in flight. The L1 table grows where it is, in the clusters that it has,
 * and never shrinks; the header's sector changes at once, so that an image is of
 * the old size or of the new one.
 *
 * Shrinking: the header first, then what is behind the new end is given back: an
 * image of the old size has all that it had. What a crash, an error or the clock
 * leaves there is harmless, and is given back before the disk grows again, so
 * that nothing old comes to light.
 */
#include <errno.h>
#include <time.h>

#include "device-workers/blk/image_int.h"

#define SIZE_AT 24u		/* size, crypt method, entries and place of the L1 */

/* Less than what makes a worker one that hangs. */
#define GIVE_BACK_SECONDS 3

static time_t
seconds(void)
{
	struct timespec t = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

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

/* Size and L1 entries, which are in one sector: durable. */
static int
write_header(struct layer *l, uint64_t size, uint64_t entries)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint64_t size_be = htobe64(size), at_be = htobe64(q->l1_offset);
	uint32_t entries_be = htobe32((uint32_t)entries);
	uint8_t field[24];
	int err;

	memcpy(field, &size_be, 8);
	memset(field + 8, 0, 4);	/* not encrypted */
	memcpy(field + 12, &entries_be, 4);
	memcpy(field + 16, &at_be, 8);
	err = file_write(l->file, field, sizeof(field), SIZE_AT);
	return err == 0 ? file_sync(l->file) : err;
}

/*
 * Nothing refers to clusters from disk offset @off on, of those that the tables
 * reach: 0, -EAGAIN when it takes too long, or another -errno.
 */
static int
forget_from(struct blk_image *img, struct layer *l, uint64_t off)
{
	const struct qcow2 *q = &l->u.qcow2;
	uint32_t table_bits = 2 * q->cluster_bits - 3;
	uint64_t first = (off + q->cluster_size - 1) & ~(q->cluster_size - 1);
	time_t end = seconds() + GIVE_BACK_SECONDS;
	bool late = false;
	int err = 0;

	for (uint64_t i = first >> table_bits; i < q->l1_entries; i++) {
		uint64_t begin = i << table_bits, table;

		err = qcow2_l2_table(img, l, begin, &table);
		if (err == 0 && table != 0)
			late = seconds() >= end;
		if (err != 0 || late)
			break;
		if (table == 0)
			continue;
		if (begin < first)
			err = qcow2_drop(img, l, first,
			    begin + (1ull << table_bits) - first);
		else
			err = qcow2_drop_table(img, l, begin);
		if (err != 0)
			break;
	}
	if (err == 0)
		err = qcow2_flush(img, l);
	return err == 0 && late ? -EAGAIN : err;
}

static int
shrink(struct blk_image *img, struct layer *l, uint64_t size)
{
	/* What the guest wrote before is not to be seen with the new size alone. */
	int err = qcow2_flush(img, l);

	if (err == 0)
		err = write_header(l, size, l->u.qcow2.l1_entries);
	if (err != 0)
		return err;
	l->size = size;
	(void)forget_from(img, l, size);
	return 0;
}

/* The bytes from the end on, and up to a cluster's, which it shares with them. */
static int
clear_behind(struct blk_image *img, struct layer *l, uint64_t size)
{
	uint64_t old = l->size, mask = l->u.qcow2.cluster_size - 1;
	uint64_t end = (old + mask) & ~mask;
	int err;

	err = forget_from(img, l, old);
	if (err != 0)
		return err;
	/* A disk's end may be in the midst of a cluster; it is not yet there. */
	l->size = size;
	err = qcow2_zero_bytes(img, l, old, (end < size ? end : size) - old);
	l->size = old;
	return err == 0 ? qcow2_flush(img, l) : err;
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
	int err;

	*why = "the header of the qcow2 image cannot be written";
	if (size <= l->size)
		return size < l->size ? shrink(img, l, size) : 0;
	*why = "the backing file is larger than the image: use qemu-img resize, "
	    "and start again";
	if (shows_more(img, l))
		return -EOPNOTSUPP;
	*why = "the qcow2 image has no room for a larger L1 table where it is: "
	    "use qemu-img resize, and start again";
	if (entries * 8 > room)
		return -EOPNOTSUPP;
	*why = "what is behind the end of the qcow2 image cannot be given back";
	err = clear_behind(img, l, size);
	if (err == -EAGAIN)
		*why = "what was behind the end of the qcow2 image is still being "
		    "given back; try again";
	if (err != 0)
		return err;
	*why = "the header of the qcow2 image cannot be written";
	if (entries > q->l1_entries) {
		err = zero_entries(img, l, q->l1_entries, entries);
		if (err != 0)
			return err;
	} else {
		entries = q->l1_entries;
	}
	err = write_header(l, size, entries);
	if (err != 0)
		return err;
	q->l1_entries = entries;
	l->size = size;
	return 0;
}
