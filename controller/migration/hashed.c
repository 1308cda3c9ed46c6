/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is hashed on the way, see hashed.h.
 */
#include "controller/migration/hashed.h"

#include <errno.h>
#include <unistd.h>

void
hashed_begin(struct hashed *f, int fd)
{
	f->fd = fd;
	f->size = 0;
	sha256_init(&f->sha);
}

int
hashed_write(struct hashed *f, const void *data, size_t len)
{
	const uint8_t *from = data;

	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(f->fd, from + done, len - done,
		    (off_t)(f->size + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	f->size += len;
	sha256_update(&f->sha, len, from);
	return 0;
}

int
hashed_read(struct hashed *f, void *data, size_t len)
{
	uint8_t *to = data;

	for (size_t done = 0; done < len;) {
		ssize_t n = pread(f->fd, to + done, len - done,
		    (off_t)(f->size + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		done += (size_t)n;
	}
	f->size += len;
	sha256_update(&f->sha, len, to);
	return 0;
}

void
hashed_end(struct hashed *f, uint8_t digest[HASHED_DIGEST])
{
	sha256_digest(&f->sha, HASHED_DIGEST, digest);
}
