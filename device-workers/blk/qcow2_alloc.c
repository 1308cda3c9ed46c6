// SPDX-License-Identifier: Apache-2.0
/*
 * Clusters of a qcow2 file: set aside in runs before they are needed, given back
 * once nothing durable refers to them. Called by qcow2_write.c. qcow2.h says what
 * holds after a crash; this file and qcow2_write.c see to it.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

/* How much is set aside at a time: each time costs an fdatasync. */
#define SET_ASIDE_BYTES ((uint64_t)8 << 20)
#define SET_ASIDE_MIN 4u
#define SET_ASIDE_MAX 256u

static uint64_t
min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Free clusters from a->scan on, up to @want of them, as a->set_aside. */
static int
find_free(struct blk_image *img, struct layer *l, uint64_t want)
{
	struct qcow2_alloc *a = &img->alloc;
	uint64_t last = (uint64_t)INT64_MAX >> l->u.qcow2.cluster_bits;
	uint64_t total = 0;

	while (total < want) {
		struct qcow2_run *r = &a->set_aside[a->nset_aside];
		uint64_t at = a->scan, block, count;
		int err = qcow2_block_of(img, l, at, &block);

		if (err == 0 && at >= last)
			err = -EFBIG;
		if (err != 0)
			return err;
		if (block == 0) {
			if (total > 0)
				return 0;	/* next time */
			err = qcow2_add_block(img, l, at);
			if (err != 0)
				return err;
			continue;
		}
		err = qcow2_refcount(img, l, at, &count);
		if (err != 0)
			return err;
		if (count == 0) {
			if (map_test(img, at))
				return qcow2_damaged(img, l,
				    "qcow2: a table that is not counted");
			if (a->nset_aside > 0 && at == r[-1].first + r[-1].count)
				r[-1].count++;
			else if (a->nset_aside == QCOW2_RUNS)
				return 0;
			else {
				*r = (struct qcow2_run){ at, 1 };
				a->nset_aside++;
			}
			total++;
		}
		a->scan++;
	}
	return 0;
}

/* Zeros in the file, at places that may have been in use before or not. */
static int
clean(struct blk_image *img, struct layer *l, const struct qcow2_run *r)
{
	uint32_t bits = l->u.qcow2.cluster_bits;
	uint64_t begin = r->first << bits, end = (r->first + r->count) << bits;
	uint64_t size = l->file->size;
	int err = 0;

	cache_forget(&img->cache, l->file, begin, end - begin);
	if (begin < size)
		err = file_zero(l->file, begin, min64(end, size) - begin, true);
	return err == 0 ? file_extend(l->file, end) : err;
}

static int
set_aside(struct blk_image *img, struct layer *l, uint64_t want)
{
	struct qcow2_alloc *a = &img->alloc;
	uint64_t batch = SET_ASIDE_BYTES >> l->u.qcow2.cluster_bits;
	uint64_t before = a->scan, old_end;
	bool fresh;
	int err;

	if (batch < SET_ASIDE_MIN)
		batch = SET_ASIDE_MIN;
	if (want < batch)
		want = batch;
	if (want > SET_ASIDE_MAX)
		want = SET_ASIDE_MAX;
	err = find_free(img, l, want);
	/* New clusters at the end of the file are holes: no zeros to wait for. */
	old_end = (l->file->size + l->u.qcow2.cluster_size - 1) >>
	    l->u.qcow2.cluster_bits;
	fresh = a->nset_aside > 0 && a->set_aside[0].first >= old_end;
	l->file->through = fresh;
	for (unsigned int i = 0; err == 0 && i < a->nset_aside; i++)
		err = clean(img, l, &a->set_aside[i]);
	for (unsigned int i = 0; err == 0 && i < a->nset_aside; i++)
		err = qcow2_set_refcounts(img, l, a->set_aside[i].first,
		    a->set_aside[i].count, 1);
	l->file->through = false;
	/* From here on they may appear in tables, in whatever order those land. */
	if (err == 0 && !fresh)
		err = file_sync(l->file);
	if (err != 0) {
		/* Some may be counted now: nobody's, until a check finds them. */
		a->nset_aside = 0;
		a->scan = before;
	}
	return err;
}

int
qcow2_take(struct blk_image *img, struct layer *l, uint64_t want, uint64_t *first,
    uint64_t *got)
{
	struct qcow2_alloc *a = &img->alloc;
	struct qcow2_run *r = a->set_aside;

	if (a->nset_aside == 0) {
		int err = set_aside(img, l, want);

		if (err != 0)
			return err;
	}
	*first = r->first;
	*got = min64(want, r->count);
	r->first += *got;
	r->count -= *got;
	if (r->count == 0)
		memmove(r, r + 1, --a->nset_aside * sizeof(*r));
	return 0;
}

/* One reference less for a run of clusters that are all counted alike. */
static int
count_down(struct blk_image *img, struct layer *l, uint64_t first, uint64_t n,
    uint64_t *done)
{
	uint32_t bits = l->u.qcow2.cluster_bits;
	uint64_t count, next;
	int err = qcow2_refcount(img, l, first, &count);

	if (err != 0)
		return err;
	if (count == 0)
		return qcow2_damaged(img, l, "qcow2: freed twice");
	for (*done = 1; *done < n; ++*done) {
		err = qcow2_refcount(img, l, first + *done, &next);
		if (err != 0)
			return err;
		if (next != count)
			break;
	}
	if (count == 1) {
		if (img->how.sparse)
			file_punch(l->file, first << bits, *done << bits);
		cache_forget(&img->cache, l->file, first << bits, *done << bits);
		for (uint64_t i = 0; i < *done; i++)
			map_clear(img, first + i);
	}
	err = qcow2_set_refcounts(img, l, first, *done, count - 1);
	if (err == 0 && count == 1 && first < img->alloc.scan)
		img->alloc.scan = first;
	return err;
}

int
qcow2_flush(struct blk_image *img, struct layer *l)
{
	struct qcow2_alloc *a = &img->alloc;
	int err = file_sync(l->file);

	if (err != 0)
		return err;
	/* What the tables forgot is forgotten for good: now it may be reused. */
	for (unsigned int i = 0; err == 0 && i < a->npending; i++) {
		struct qcow2_run r = a->pending[i];

		while (err == 0 && r.count > 0) {
			uint64_t done = 0;

			err = count_down(img, l, r.first, r.count, &done);
			r.first += done;
			r.count -= done;
		}
	}
	a->npending = 0;
	return err;
}

int
qcow2_give_back(struct blk_image *img, struct layer *l, uint64_t first,
    uint64_t count)
{
	struct qcow2_alloc *a = &img->alloc;
	struct qcow2_run *r = &a->pending[a->npending];

	if (a->npending > 0 && r[-1].first + r[-1].count == first) {
		r[-1].count += count;
		return 0;
	}
	if (a->npending == QCOW2_PENDING) {
		int err = qcow2_flush(img, l);

		if (err != 0)
			return err;
	}
	a->pending[a->npending++] = (struct qcow2_run){ first, count };
	return 0;
}

int
qcow2_give_entry(struct blk_image *img, struct layer *l, uint64_t entry)
{
	uint32_t bits = l->u.qcow2.cluster_bits;
	uint64_t off = entry & QCOW2_OFFSET, len = 1, first, last;

	if ((entry & QCOW2_PACKED) != 0)
		qcow2_packed_range(l, entry, &off, &len);
	else if (off == 0)
		return 0;
	first = off >> bits;
	last = (off + len - 1) >> bits;
	for (uint64_t i = first; i <= last; i++)
		if (map_test(img, i))
			return qcow2_damaged(img, l,
			    "qcow2: the disk's data on top of a table");
	return qcow2_give_back(img, l, first, last - first + 1);
}

int
qcow2_close(struct blk_image *img, struct layer *l)
{
	struct qcow2_alloc *a = &img->alloc;
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < a->nset_aside; i++)
		err = qcow2_give_back(img, l, a->set_aside[i].first,
		    a->set_aside[i].count);
	a->nset_aside = 0;
	return err == 0 ? qcow2_flush(img, l) : err;
}
