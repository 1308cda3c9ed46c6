// SPDX-License-Identifier: Apache-2.0
/*
 * One file of a disk image: whole reads and writes at any byte, also where the
 * fd is O_DIRECT and wants sectors. Called by the formats through image_int.h.
 * Knows no format. Never makes a file shorter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "device-workers/blk/backend.h"
#include "device-workers/blk/image_int.h"

uint64_t
iov_length(const struct iovec *iov, unsigned int n)
{
	uint64_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

unsigned int
cursor_take(struct cursor *c, uint64_t len, struct iovec *out)
{
	unsigned int n = 0;

	while (len > 0 && c->n > 0 && n < VIRTQ_MAX_SEGS) {
		struct iovec *v = c->iov;
		size_t part = v->iov_len < len ? v->iov_len : (size_t)len;

		if (part > 0)
			out[n++] = (struct iovec){ v->iov_base, part };
		v->iov_base = (uint8_t *)v->iov_base + part;
		v->iov_len -= part;
		len -= part;
		if (v->iov_len == 0) {
			c->iov++;
			c->n--;
		}
	}
	return n;
}

enum copy { COPY_ZEROS, COPY_IN, COPY_OUT };

static void
cursor_copy(struct cursor *c, uint8_t *buf, uint64_t len, enum copy how)
{
	struct iovec one;

	while (len > 0 && c->n > 0) {
		uint64_t part = c->iov->iov_len < len ? c->iov->iov_len : len;

		if (cursor_take(c, part, &one) == 0) {
			c->iov++;	/* an empty segment */
			c->n--;
			continue;
		}
		if (how == COPY_ZEROS)
			memset(one.iov_base, 0, one.iov_len);
		else if (how == COPY_IN)
			memcpy(one.iov_base, buf, one.iov_len);
		else
			memcpy(buf, one.iov_base, one.iov_len);
		if (how != COPY_ZEROS)
			buf += one.iov_len;
		len -= one.iov_len;
	}
}

void
cursor_zero(struct cursor *c, uint64_t len)
{
	cursor_copy(c, NULL, len, COPY_ZEROS);
}

void
cursor_put(struct cursor *c, uint8_t *from, uint64_t len)
{
	cursor_copy(c, from, len, COPY_IN);
}

void
cursor_get(struct cursor *c, uint8_t *to, uint64_t len)
{
	cursor_copy(c, to, len, COPY_OUT);
}

static ssize_t
write_once(struct image_file *f, const struct iovec *iov, unsigned int n,
    off_t off)
{
	/* Unlike fdatasync it does not wait for all that the guest has written. */
	return pwritev2(f->fd, iov, (int)n, off, f->through ? RWF_DSYNC : 0);
}

/*
 * What the kernel can do at once, until all is done: *moved bytes, fewer than
 * asked for only where a read came to the end of the file.
 */
static int
move(struct image_file *f, struct iovec *iov, unsigned int n, uint64_t off,
    bool write, uint64_t *moved)
{
	unsigned int used = iov_advance(iov, n, 0);
	ssize_t done;

	*moved = 0;
	while (used < n) {
		iov += used;
		n -= used;
		done = write ?
		    write_once(f, iov, n, (off_t)(off + *moved)) :
		    preadv2(f->fd, iov, (int)n, (off_t)(off + *moved), 0);
		if (done < 0) {
			if (errno != EINTR)
				return -errno;
			used = 0;
			continue;
		}
		if (done == 0)
			return write ? -EIO : 0;
		*moved += (uint64_t)done;
		used = iov_advance(iov, n, (size_t)done);
	}
	return 0;
}

static bool
aligned(const struct image_file *f, const struct iovec *iov, unsigned int n,
    uint64_t off)
{
	uint64_t bits = off;

	for (unsigned int i = 0; i < n; i++)
		bits |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
	return (bits & (f->align - 1)) == 0;
}

/*
 * Up to IMAGE_BOUNCE bytes from the unit that @off is in, into the bounce buffer;
 * zeros where the file ends.
 */
static int
bounce_in(struct image_file *f, uint64_t base, size_t span)
{
	struct iovec one = { f->bounce, span };
	uint64_t got, there;
	int err;

	there = base < f->size ? f->size - base : 0;
	if (there > span)
		there = span;
	err = move(f, &one, 1, base, false, &got);
	if (err != 0)
		return err;
	if (got < there)
		return -EIO;
	memset(f->bounce + there, 0, span - (size_t)there);
	return 0;
}

/* Through the bounce buffer, in whole units. */
static int
bounced(struct image_file *f, struct cursor c, uint64_t off, uint64_t len,
    bool write)
{
	uint64_t unit = f->align - 1, moved;
	int err;

	while (len > 0) {
		uint64_t base = off & ~unit, skip = off - base;
		uint64_t part = IMAGE_BOUNCE - skip < len ? IMAGE_BOUNCE - skip :
		    len;
		size_t span = (size_t)((skip + part + unit) & ~unit);
		struct iovec one = { f->bounce, span };

		if (!write || skip != 0 || part != span) {
			err = bounce_in(f, base, span);
			if (err != 0)
				return err;
		}
		if (!write) {
			cursor_put(&c, f->bounce + skip, part);
		} else {
			cursor_get(&c, f->bounce + skip, part);
			err = move(f, &one, 1, base, true, &moved);
			if (err != 0)
				return err;
		}
		off += part;
		len -= part;
	}
	return 0;
}

int
file_readv(struct image_file *f, struct iovec *iov, unsigned int n, uint64_t off)
{
	uint64_t len = iov_length(iov, n), there, got;
	struct cursor c = { iov, n };
	int err;

	if (len == 0)
		return 0;
	if (off >= f->size)
		return -EIO;
	if (f->align > 1 && !aligned(f, iov, n, off))
		return bounced(f, c, off, len, false);
	there = f->size - off < len ? f->size - off : len;
	err = move(f, iov, n, off, false, &got);
	if (err != 0)
		return err;
	/* Shorter than it was: somebody else has cut it. */
	if (got < there)
		return -EIO;
	if (got < len) {
		/* move() has left the rest at the front of its last segment. */
		while (c.n > 0 && iov_length(c.iov, c.n) > len - got) {
			c.iov++;
			c.n--;
		}
		cursor_zero(&c, len - got);
	}
	return 0;
}

int
file_read(struct image_file *f, void *buf, size_t len, uint64_t off)
{
	struct iovec one = { buf, len };

	return file_readv(f, &one, 1, off);
}

int
file_writev(struct image_file *f, struct iovec *iov, unsigned int n, uint64_t off)
{
	uint64_t len = iov_length(iov, n), end, moved;
	struct cursor c = { iov, n };
	int err;

	if (len == 0)
		return 0;
	if (f->readonly)
		return -EROFS;
	if (__builtin_add_overflow(off, len, &end) || end > INT64_MAX)
		return -EFBIG;
	if (f->block && end > f->size)
		return -ENOSPC;
	f->dirty = true;
	if (f->align > 1 && !aligned(f, iov, n, off)) {
		err = bounced(f, c, off, len, true);
		end = (end + f->align - 1) & ~(uint64_t)(f->align - 1);
	} else {
		err = move(f, iov, n, off, true, &moved);
	}
	if (err == 0 && end > f->size)
		f->size = end;
	return err;
}

int
file_write(struct image_file *f, const void *buf, size_t len, uint64_t off)
{
	/* pwritev does not write to what it is given, but says so nowhere. */
	union { const void *in; void *out; } constless = { .in = buf };
	struct iovec one = { constless.out, len };

	return file_writev(f, &one, 1, off);
}

int
file_sync(struct image_file *f)
{
	if (f->readonly || !f->dirty)
		return 0;
	while (fdatasync(f->fd) != 0) {
		if (errno != EINTR)
			return -errno;
	}
	f->dirty = false;
	return 0;
}

int
file_extend(struct image_file *f, uint64_t size)
{
	static const uint8_t zeros[512];

	if (size <= f->size)
		return 0;
	if (f->block)
		return -ENOSPC;
	/* The one write that makes it longer: what is before is a hole. */
	return file_write(f, zeros, size - f->size < sizeof(zeros) ?
	    (size_t)(size - f->size) : sizeof(zeros),
	    size - f->size < sizeof(zeros) ? f->size : size - sizeof(zeros));
}

static int
allocate(struct image_file *f, int mode, uint64_t off, uint64_t len)
{
	f->dirty = true;
	while (fallocate(f->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)off,
	    (off_t)len) != 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int
write_zeros(struct image_file *f, uint64_t off, uint64_t len)
{
	static const uint8_t zeros[16384];
	int err = 0;

	while (err == 0 && len > 0) {
		size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		err = file_write(f, zeros, part, off);
		off += part;
		len -= part;
	}
	return err;
}

int
file_zero(struct image_file *f, uint64_t off, uint64_t len, bool unmap)
{
	int err;

	if (len == 0)
		return 0;
	if (f->readonly)
		return -EROFS;
	if (unmap && !f->no_punch) {
		err = allocate(f, FALLOC_FL_PUNCH_HOLE, off, len);
		if (err != -EOPNOTSUPP && err != -EINVAL)
			return err;
		f->no_punch = true;
	}
	if (!f->no_zero) {
		err = allocate(f, FALLOC_FL_ZERO_RANGE, off, len);
		if (err != -EOPNOTSUPP && err != -EINVAL)
			return err;
		f->no_zero = true;
	}
	return write_zeros(f, off, len);
}

void
file_punch(struct image_file *f, uint64_t off, uint64_t len)
{
	if (f->no_punch || f->readonly || len == 0)
		return;
	if (allocate(f, FALLOC_FL_PUNCH_HOLE, off, len) != 0)
		f->no_punch = true;
}

void
blk_image_raw_resized(struct blk_image *img, uint64_t size)
{
	img->layer[0].size = size;
	img->layer[0].file->size = size;
}
