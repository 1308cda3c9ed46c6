// SPDX-License-Identifier: Apache-2.0
/*
 * What is remembered of an image's tables: a cache of their granules, written
 * through, and a map of where tables are. Called by the formats. Fixed size.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

void
cache_init(struct image_cache *c, uint32_t granule)
{
	c->granule = granule;
	c->now = 0;
	memset(c->line, 0, sizeof(c->line));
}

static unsigned int
set_of(const struct image_cache *c, uint64_t off)
{
	uint64_t n = off / c->granule;

	/* Tables are often at regular distances: fold the upper bits in. */
	n ^= n >> 9 ^ n >> 20;
	return (unsigned int)(n % CACHE_SETS);
}

static uint8_t *
lookup(struct image_cache *c, const struct image_file *f, uint64_t off)
{
	unsigned int set = set_of(c, off);

	for (unsigned int way = 0; way < CACHE_WAYS; way++) {
		struct cache_line *line = &c->line[set][way];

		if (line->file == f && line->off == off) {
			line->used = ++c->now;
			return c->data[set][way];
		}
	}
	return NULL;
}

static int
load(struct image_cache *c, struct image_file *f, uint64_t off, uint8_t **data)
{
	unsigned int set = set_of(c, off), victim = 0;
	struct cache_line *line = c->line[set];
	int err;

	for (unsigned int way = 1; way < CACHE_WAYS; way++) {
		/* The counter may wrap: compare ages. */
		if (line[victim].file != NULL && (line[way].file == NULL ||
		    c->now - line[way].used > c->now - line[victim].used))
			victim = way;
	}
	line[victim].file = NULL;
	err = file_read(f, c->data[set][victim], c->granule, off);
	if (err != 0)
		return err;
	line[victim] = (struct cache_line){ f, off, ++c->now };
	*data = c->data[set][victim];
	return 0;
}

int
cache_get(struct image_cache *c, struct image_file *f, uint64_t off,
    const uint8_t **at, uint32_t *left)
{
	uint32_t in = (uint32_t)(off & (c->granule - 1));
	uint8_t *data = lookup(c, f, off - in);
	int err;

	if (data == NULL) {
		err = load(c, f, off - in, &data);
		if (err != 0)
			return err;
	}
	*at = data + in;
	*left = c->granule - in;
	return 0;
}

int
cache_be64(struct image_cache *c, struct image_file *f, uint64_t off,
    uint64_t *value)
{
	const uint8_t *at;
	uint32_t left;
	int err = cache_get(c, f, off, &at, &left);

	if (err != 0)
		return err;
	memcpy(value, at, sizeof(*value));
	*value = be64toh(*value);
	return 0;
}

int
cache_le64(struct image_cache *c, struct image_file *f, uint64_t off,
    uint64_t *value)
{
	int err = cache_be64(c, f, off, value);

	*value = err == 0 ? __builtin_bswap64(*value) : 0;
	return err;
}

int
cache_write(struct image_cache *c, struct image_file *f, const void *buf,
    size_t len, uint64_t off)
{
	const uint8_t *from = buf;
	int err = file_write(f, buf, len, off);

	if (err != 0) {
		cache_forget(c, f, off, len);
		return err;
	}
	while (len > 0) {
		uint32_t in = (uint32_t)(off & (c->granule - 1));
		size_t part = c->granule - in < len ? c->granule - in : len;
		uint8_t *data = lookup(c, f, off - in);

		if (data != NULL)
			memcpy(data + in, from, part);
		from += part;
		off += part;
		len -= part;
	}
	return 0;
}

void
cache_forget(struct image_cache *c, const struct image_file *f, uint64_t off,
    uint64_t len)
{
	uint64_t first = off / c->granule;
	uint64_t count = (off % c->granule + len + c->granule - 1) / c->granule;

	/* A long range: what is here is less than what it could be. */
	if (count > (uint64_t)CACHE_SETS * CACHE_WAYS) {
		for (unsigned int i = 0; i < CACHE_SETS * CACHE_WAYS; i++) {
			struct cache_line *line =
			    &c->line[i / CACHE_WAYS][i % CACHE_WAYS];

			if (line->file == f &&
			    line->off / c->granule - first < count)
				line->file = NULL;
		}
		return;
	}
	for (uint64_t i = first; i < first + count; i++) {
		struct cache_line *line = c->line[set_of(c, i * c->granule)];

		for (unsigned int way = 0; way < CACHE_WAYS; way++)
			if (line[way].file == f &&
			    line[way].off == i * c->granule)
				line[way].file = NULL;
	}
}

bool
map_test(const struct blk_image *img, uint64_t index)
{
	return index < MAP_BITS &&
	    (img->map[index / 8] >> (index % 8) & 1) != 0;
}

void
map_set(struct blk_image *img, uint64_t index)
{
	if (index < MAP_BITS)
		img->map[index / 8] |= (uint8_t)(1u << (index % 8));
}

void
map_clear(struct blk_image *img, uint64_t index)
{
	if (index < MAP_BITS)
		img->map[index / 8] &= (uint8_t)~(1u << (index % 8));
}

bool
map_claim(struct blk_image *img, uint64_t first, uint64_t count)
{
	for (uint64_t i = first; i - first < count && i < MAP_BITS; i++) {
		if (map_test(img, i))
			return false;
		map_set(img, i);
	}
	return true;
}
