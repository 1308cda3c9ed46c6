// SPDX-License-Identifier: Apache-2.0
/*
 * The log of a VHDX image that was not closed in order ([MS-VHDX] 2.3): find its
 * active sequence, and carry it out. Called once, when the image is opened for
 * writing. Every byte of the log is hostile: what does not check out is no entry.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

#define SECTOR 4096u
#define ENTRY_HEADER 64u
#define DESCRIPTOR 32u
/* How far a log may make the file longer than it is. */
#define GROWTH_MAX ((uint64_t)4 << 30)
/* Each start is tried: what a log may cost, in times its size. */
#define EFFORT 16u

struct entry {
	uint64_t at;		/* in the log */
	uint32_t len, tail, ndescs;
	uint64_t sequence, flushed, last;
};

struct sequence {
	bool valid;
	uint64_t tail;		/* where to begin */
	struct entry head;	/* where to end */
};

static int
read_sector(struct layer *l, uint64_t at, uint8_t *to)
{
	const struct vhdx *v = &l->u.vhdx;

	return file_read(l->file, to, SECTOR, v->log_offset + at % v->log_size);
}

static uint32_t
descriptor_sectors(const struct entry *e)
{
	return (uint32_t)((ENTRY_HEADER + (uint64_t)e->ndescs * DESCRIPTOR +
	    SECTOR - 1) / SECTOR);
}

/* 1: a whole entry is at @at of the log; 0: none. */
static int
read_entry(struct blk_image *img, struct layer *l, uint64_t at, struct entry *e,
    uint64_t *effort)
{
	const struct vhdx *v = &l->u.vhdx;
	static const uint8_t zeros[4];
	uint8_t *s = img->work;
	uint32_t sum, crc = ~0u;
	int err = read_sector(l, at, s);

	if (err != 0)
		return err;
	e->at = at % v->log_size;
	e->len = le32(s + 8);
	e->tail = le32(s + 12);
	e->sequence = le64(s + 16);
	e->ndescs = le32(s + 24);
	e->flushed = le64(s + 48);
	e->last = le64(s + 56);
	if (memcmp(s, "loge", 4) != 0 || e->len == 0 || e->len % SECTOR != 0 ||
	    e->len > v->log_size || e->tail % SECTOR != 0 ||
	    e->tail >= v->log_size || e->sequence == 0 ||
	    memcmp(s + 32, v->log_guid, 16) != 0 ||
	    e->ndescs > e->len / DESCRIPTOR ||
	    (uint64_t)descriptor_sectors(e) * SECTOR > e->len)
		return 0;
	if (*effort < e->len)
		return -E2BIG;
	*effort -= e->len;
	sum = le32(s + 4);
	memcpy(s + 4, zeros, sizeof(zeros));
	for (uint64_t done = 0;;) {
		crc = vhdx_crc32c(crc, s, SECTOR);
		done += SECTOR;
		if (done == e->len)
			break;
		err = read_sector(l, at + done, s);
		if (err != 0)
			return err;
	}
	return ~crc == sum;
}

/* The longest sequence of entries from @start on; *next: where it ended. */
static int
try_sequence(struct blk_image *img, struct layer *l, uint64_t start,
    struct sequence *best, uint64_t *next, uint64_t *effort)
{
	const struct vhdx *v = &l->u.vhdx;
	struct entry head = { 0 }, e = { 0 };
	uint64_t len = 0, tail;

	for (;;) {
		int got = read_entry(img, l, start + len, &e, effort);

		if (got < 0)
			return got;
		if (got == 0 || len + e.len > v->log_size ||
		    (len > 0 && e.sequence != head.sequence + 1))
			break;
		head = e;
		len += e.len;
		if (len == v->log_size)
			break;
	}
	*next = start + (len > 0 ? len : SECTOR);
	if (len == 0)
		return 0;
	/* It counts only if it begins at or before the tail that it names. */
	tail = (head.tail + v->log_size - start % v->log_size) % v->log_size;
	if (tail < len && (!best->valid || head.sequence > best->head.sequence)) {
		best->valid = true;
		best->tail = head.tail;
		best->head = head;
	}
	return 0;
}

/* One data descriptor: its sector of the log, with its ends put back. */
static int
replay_data(struct blk_image *img, struct layer *l, const uint8_t *d,
    uint64_t data_at, uint64_t sequence)
{
	uint8_t *s = img->fill;
	uint64_t off = le64(d + 16);
	int err = read_sector(l, data_at, s);

	if (err != 0)
		return err;
	if (memcmp(s, "data", 4) != 0 || le32(s + 4) != sequence >> 32 ||
	    le32(s + SECTOR - 4) != (uint32_t)sequence ||
	    off % SECTOR != 0 || off > l->file->size ||
	    SECTOR > l->file->size - off)
		return -EINVAL;
	memcpy(s, d + 8, 8);
	memcpy(s + SECTOR - 4, d + 4, 4);
	return file_write(l->file, s, SECTOR, off);
}

static int
replay_zero(struct layer *l, const uint8_t *d)
{
	uint64_t len = le64(d + 8), off = le64(d + 16);

	if (len % SECTOR != 0 || off % SECTOR != 0 || off > l->file->size ||
	    len > l->file->size - off)
		return -EINVAL;
	return file_zero(l->file, off, len, true);
}

static int
replay_entry(struct blk_image *img, struct layer *l, const struct entry *e)
{
	uint64_t data_at = e->at + (uint64_t)descriptor_sectors(e) * SECTOR;
	uint64_t end = e->at + e->len;
	uint8_t *s = img->work;

	for (uint32_t i = 0; i < e->ndescs; i++) {
		uint64_t at = ENTRY_HEADER + (uint64_t)i * DESCRIPTOR;
		const uint8_t *d = s + at % SECTOR;
		int err = 0;

		if (i == 0 || at % SECTOR == 0)
			err = read_sector(l, e->at + at / SECTOR * SECTOR, s);
		if (err != 0)
			return err;
		if (le64(d + 24) != e->sequence)
			return -EINVAL;
		if (memcmp(d, "zero", 4) == 0) {
			err = replay_zero(l, d);
		} else if (memcmp(d, "desc", 4) == 0 && data_at < end) {
			err = replay_data(img, l, d, data_at, e->sequence);
			data_at += SECTOR;
		} else {
			err = -EINVAL;
		}
		if (err != 0)
			return err;
	}
	return 0;
}

int
vhdx_replay(struct blk_image *img, struct layer *l, const char **why)
{
	const struct vhdx *v = &l->u.vhdx;
	uint64_t effort = EFFORT * v->log_size, done = 0, at = 0;
	struct sequence best = { .valid = false };
	struct entry e;
	int err = 0;

	*why = "VHDX image that was not closed in order, with a damaged log";
	while (err == 0 && at < v->log_size)
		err = try_sequence(img, l, at, &best, &at, &effort);
	if (err != 0)
		return err;
	if (!best.valid)
		return -EINVAL;
	if (best.head.flushed > l->file->size) {
		*why = "VHDX image that is shorter than its log says: cut off";
		return -EINVAL;
	}
	if (best.head.last > l->file->size + GROWTH_MAX)
		return -EINVAL;
	err = file_extend(l->file, best.head.last);
	effort = EFFORT * v->log_size;
	for (at = best.tail; err == 0 && done < v->log_size;) {
		int got = read_entry(img, l, at, &e, &effort);

		if (got <= 0)
			return got < 0 ? got : -EINVAL;
		err = replay_entry(img, l, &e);
		done += e.len;
		at += e.len;
		if (e.at == best.head.at)
			break;
	}
	return err == 0 ? file_sync(l->file) : err;
}
