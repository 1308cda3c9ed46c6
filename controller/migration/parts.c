/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a snapshot's file, see parts.h.
 */
#include "controller/migration/parts.h"

#include <endian.h>
#include <errno.h>
#include <unistd.h>

#define CHUNK 65536u

struct head {
	uint32_t index, zero;	/* little-endian */
	uint64_t size;
};

_Static_assert(sizeof(struct head) == PARTS_HEAD, "as parts.h says");

int
parts_write(struct hashed *f, uint32_t index, int fd, uint64_t size)
{
	static uint8_t chunk[CHUNK];
	const struct head head = { .index = htole32(index),
	    .size = htole64(size) };
	uint64_t done = 0;
	int rc = hashed_write(f, &head, sizeof(head));

	while (rc == 0 && done < size) {
		size_t len = size - done < CHUNK ? (size_t)(size - done) : CHUNK;
		ssize_t n = pread(fd, chunk, len, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		rc = hashed_write(f, chunk, (size_t)n);
		done += (uint64_t)n;
	}
	return rc;
}

int
parts_head(struct hashed *f, uint64_t end, uint32_t *index, uint64_t *size,
    const char **why)
{
	struct head head;
	int rc;

	*why = "ends too early";
	if (f->size > end || end - f->size < sizeof(head))
		return -EINVAL;
	rc = hashed_read(f, &head, sizeof(head));
	if (rc != 0)
		return rc;
	*index = le32toh(head.index);
	*size = le64toh(head.size);
	if (head.zero != 0 || *size > PARTS_MOST || *size > end - f->size) {
		*why = "has a part of a wrong length";
		return -EINVAL;
	}
	return 0;
}

static int
write_all(int fd, const uint8_t *data, size_t len, uint64_t at)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, data + done, len - done,
		    (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

int
parts_read(struct hashed *f, uint64_t end, uint32_t index, uint64_t size,
    int fd, const char **why)
{
	static uint8_t chunk[CHUNK];
	uint32_t said;
	uint64_t len;
	int rc = parts_head(f, end, &said, &len, why);

	if (rc != 0)
		return rc;
	*why = "is of other devices than this VM has";
	if (said != index || (size != 0 && len != size))
		return -EINVAL;
	for (uint64_t done = 0; rc == 0 && done < len;) {
		size_t n = len - done < CHUNK ? (size_t)(len - done) : CHUNK;

		rc = hashed_read(f, chunk, n);
		if (rc == 0)
			rc = write_all(fd, chunk, n, done);
		done += n;
	}
	return rc;
}
