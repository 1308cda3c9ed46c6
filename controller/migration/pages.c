/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory in a snapshot, see pages.h.
 */
#include "controller/migration/pages.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <endian.h>

#define PAGE ((uint64_t)GMEM_PAGE_SIZE)
#define CHUNK (64 * PAGE)
#define RANGES 256u		/* written or read at once */

struct range {
	uint64_t gpa, size;	/* little-endian */
};

_Static_assert(sizeof(struct range) == PAGES_RANGE, "as pages.h says");

struct saver {
	struct hashed *memory, *ranges;
	uint64_t from, to;	/* the range that grows; none if they are the same */
	uint32_t n;
	struct range range[RANGES];
	uint8_t chunk[CHUNK];
};

/* ---- save ------------------------------------------------------------------------- */

static int
write_ranges(struct saver *s)
{
	uint32_t n = s->n;

	s->n = 0;
	return hashed_write(s->ranges, s->range, n * sizeof(s->range[0]));
}

static int
end_range(struct saver *s)
{
	if (s->from == s->to)
		return 0;
	s->range[s->n++] = (struct range){ .gpa = htole64(s->from),
	    .size = htole64(s->to - s->from) };
	s->from = s->to;
	return s->n == RANGES ? write_ranges(s) : 0;
}

static bool
is_zero(const uint8_t *page)
{
	/* Each byte is the one before it, and the first is zero. */
	return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Pages of the chunk that follow each other, none of them zero. */
static int
save_run(struct saver *s, uint64_t gpa, const uint8_t *pages, uint64_t len)
{
	if (s->from == s->to || s->to != gpa) {
		int rc = end_range(s);

		if (rc < 0)
			return rc;
		s->from = gpa;
	}
	s->to = gpa + len;
	return hashed_write(s->memory, pages, len);
}

static int
save_chunk(struct saver *s, uint64_t gpa, uint64_t len)
{
	uint64_t at = 0;
	int rc = 0;

	while (rc == 0 && at < len) {
		uint64_t run = at;

		while (run < len && !is_zero(s->chunk + run))
			run += PAGE;
		if (run > at)
			rc = save_run(s, gpa + at, s->chunk + at, run - at);
		while (run < len && is_zero(s->chunk + run))
			run += PAGE;
		at = run;
	}
	return rc;
}

static int
read_chunk(struct saver *s, int fd, uint64_t offset, uint64_t len)
{
	for (uint64_t done = 0; done < len;) {
		ssize_t n = pread(fd, s->chunk + done, len - done,
		    (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

/*
 * The next data of the region from *at on, to *end. 1: there is; 0: none follows;
 * -errno.
 */
static int
next_data(const struct pages_region *r, uint64_t *at, uint64_t *end)
{
	off_t data = lseek(r->fd, (off_t)(r->offset + *at), SEEK_DATA), hole;

	*end = r->size;
	if (data < 0 && errno == ENXIO)
		return 0;
	/* A file system that knows no holes: all of it is data. */
	if (data < 0)
		return errno == EINVAL || errno == ESPIPE || errno == EOPNOTSUPP ?
		    1 : -errno;
	if ((uint64_t)data - r->offset >= r->size)
		return 0;
	hole = lseek(r->fd, data, SEEK_HOLE);
	if (hole < 0)
		return -errno;
	*at = ((uint64_t)data - r->offset) / PAGE * PAGE;
	if ((uint64_t)hole - r->offset < r->size)
		*end = ((uint64_t)hole - r->offset + PAGE - 1) / PAGE * PAGE;
	return 1;
}

static int
save_region(struct saver *s, const struct pages_region *r)
{
	uint64_t at = 0, end;

	while (at < r->size) {
		int rc = next_data(r, &at, &end);

		if (rc <= 0)
			return rc;
		while (at < end) {
			uint64_t len = end - at < CHUNK ? end - at : CHUNK;

			rc = read_chunk(s, r->fd, r->offset + at, len);
			if (rc == 0)
				rc = save_chunk(s, r->gpa + at, len);
			if (rc < 0)
				return rc;
			at += len;
		}
	}
	return 0;
}

int
pages_save(const struct pages_region *regions, uint32_t nregions,
    struct hashed *memory, struct hashed *ranges)
{
	static struct saver saver;	/* too large for a stack */
	struct saver *s = &saver;
	int rc = 0;

	s->memory = memory;
	s->ranges = ranges;
	s->from = s->to = 0;
	s->n = 0;
	for (uint32_t i = 0; rc == 0 && i < nregions; i++) {
		rc = save_region(s, &regions[i]);
		/* A range is of one region, also where two touch. */
		if (rc == 0)
			rc = end_range(s);
	}
	return rc == 0 ? write_ranges(s) : rc;
}

/* ---- load ------------------------------------------------------------------------- */

static const char not_the_vms[] = "a memory range that is none of the VM's";

static int
load_range(const struct gmem *mem, struct hashed *memory, uint64_t memory_size,
    const struct range *range, uint64_t *end, const char **why)
{
	uint64_t from = le64toh(range->gpa), size = le64toh(range->size);
	uint64_t left = memory_size - memory->size;
	uint8_t *to;
	int rc = 0;

	*why = not_the_vms;
	if (size == 0 || size % PAGE != 0 || from % PAGE != 0 || from < *end ||
	    __builtin_add_overflow(from, size, end))
		return -EINVAL;
	to = gmem_span_write(mem, gpa(from), size);
	if (to == NULL)
		return -EINVAL;
	*why = "its memory is shorter than its memory ranges say";
	if (size > left)
		return -EINVAL;
	/* Hashed while it is in the cache. */
	for (uint64_t at = 0; rc == 0 && at < size; at += CHUNK)
		rc = hashed_read(memory, to + at,
		    size - at < CHUNK ? size - at : CHUNK);
	return rc;
}

int
pages_load(const struct gmem *mem, struct hashed *memory, uint64_t memory_size,
    struct hashed *ranges, uint64_t ranges_size, const char **why)
{
	static struct range range[RANGES];
	uint64_t end = 0;

	*why = "its memory ranges are not whole";
	if (ranges_size % PAGES_RANGE != 0)
		return -EINVAL;
	while (ranges->size < ranges_size) {
		uint64_t left = (ranges_size - ranges->size) / PAGES_RANGE;
		uint32_t n = left < RANGES ? (uint32_t)left : RANGES;
		int rc = hashed_read(ranges, range, n * sizeof(range[0]));

		if (rc < 0)
			*why = "its memory ranges cannot be read";
		for (uint32_t i = 0; rc == 0 && i < n; i++)
			rc = load_range(mem, memory, memory_size, &range[i], &end,
			    why);
		if (rc < 0)
			return rc;
	}
	*why = "its memory is longer than its memory ranges say";
	return memory->size == memory_size ? 0 : -EINVAL;
}
