// SPDX-License-Identifier: Apache-2.0
/* Requests that have been taken, see blk_io.h. */
#include "device-workers/blk/blk_io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "ipc/log.h"

#define IN_FLIGHT 1
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE)
/*
 * So many reads in a row that the page cache did not have: the next ones go to
 * the ring straight away, which looks there too, and one in so many tries again.
 */
#define MISSES 8u
#define RETRY 16u
#define MAX_TRIES 100u

/* Never written to; no const, since an iovec knows none. */
static uint8_t zeroes[BLK_BOUNCE_SIZE] __attribute__((aligned(4096)));

/* ---- start -------------------------------------------------------------------- */

void
blk_io_start(struct blk *b, bool no_ring)
{
	struct statfs fs;
	int rc;

	b->nfree = BLK_POOL;
	for (unsigned int i = 0; i < BLK_POOL; i++)
		b->free[i] = (uint16_t)(BLK_POOL - 1 - i);
	/* An image's own operations depend on one another. */
	if (b->image.img != NULL && no_ring)
		return;
	b->memory = fstatfs(b->be.fd, &fs) == 0 && !b->be.direct &&
	    (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ||
	    fs.f_type == HUGETLBFS_MAGIC);
	if (no_ring)
		return;
	rc = blk_ring_open(&b->ring, b->be.fd, BLK_POOL,
	    blk_ring_awaited(b->be.direct));
	if (rc == 0)
		rc = device_watch(b->dev, FD_BLK_DONE,
		    EPOLLIN | (uint32_t)EPOLLET);
	if (rc < 0) {
		log_info("blk: no io_uring (%s): requests are carried out one by one",
		    log_errname(rc));
		blk_ring_close(&b->ring);
	}
}

void
blk_io_probe(struct blk *b)
{
	struct iovec one = { b->be.bounce, BLK_SECTOR };
	ssize_t n;

	if (blk_image_of(&b->image) != NULL) {
		if (b->ring.open) {
			device_unwatch(b->dev, FD_BLK_DONE);
			blk_ring_drop(&b->ring);
		}
		return;
	}
	if (b->be.direct)
		return;
	/* It does not block, or there is nothing that would help if it did. */
	if (b->memory || !b->ring.open) {
		b->reads = BLK_READS_PLAIN;
		b->quick = true;
		return;
	}
	n = preadv2(b->be.fd, &one, 1, 0, RWF_NOWAIT);
	if (n >= 0 || errno == EAGAIN)
		b->reads = BLK_READS_CACHED;
}

/* ---- the pool ------------------------------------------------------------------ */

static void
release(struct blk *b, const struct blk_io *io)
{
	b->free[b->nfree++] = (uint16_t)(io - b->pool);
}

/* ---- the data of IN and OUT ----------------------------------------------------- */

/*
 * Leave what is data of the chain's segments: without the header before it, or the
 * status byte behind it. They are shortened in place: nobody looks at them again
 * but the dirty log, which counts from the front of what was written.
 */
static void
find_data(struct blk_io *io)
{
	struct virtq_chain *chain = &io->chain;
	size_t left = BLK_HEADER_SIZE;
	struct iovec *iov;

	io->cut = 0;
	io->done = 0;
	if (!io->write) {
		io->at = chain->nread;
		io->n = chain->nwrite;
		if (--chain->iov[io->at + io->n - 1].iov_len == 0)
			io->n--;
		return;
	}
	io->at = 0;
	io->n = chain->nread;
	for (iov = chain->iov; left >= iov->iov_len; iov++) {
		left -= iov->iov_len;
		io->at++;
		io->n--;
	}
	iov->iov_base = (uint8_t *)iov->iov_base + left;
	iov->iov_len -= left;
}

/* @len bytes more are done: leave the rest. */
static void
advance(struct blk_io *io, size_t len)
{
	struct iovec *iov = &io->chain.iov[io->at];

	io->done += len;
	while (io->n > 0 && len >= iov->iov_len) {
		len -= iov->iov_len;
		/* Whole again, for the dirty log. */
		iov->iov_base = (uint8_t *)iov->iov_base - io->cut;
		iov->iov_len += io->cut;
		io->cut = 0;
		iov++;
		io->at++;
		io->n--;
	}
	if (io->n > 0 && len > 0) {
		iov->iov_base = (uint8_t *)iov->iov_base + len;
		iov->iov_len -= len;
		io->cut += len;
	}
}

/* One call for all that is left. @flags: of preadv2. Bytes or -errno. */
static ssize_t
transfer(struct blk *b, struct blk_io *io, int flags)
{
	const struct iovec *iov = &io->chain.iov[io->at];
	off_t offset = (off_t)(io->req.offset + io->done);
	ssize_t n;

	do {
		if (io->write)
			n = pwritev2(b->be.fd, iov, (int)io->n, offset, 0);
		else
			n = preadv2(b->be.fd, iov, (int)io->n, offset, flags);
	} while (n < 0 && errno == EINTR);
	/* The file has become shorter than the disk. */
	return n < 0 ? -errno : n == 0 ? -EIO : n;
}

static int
all_at_once(struct blk *b, struct blk_io *io)
{
	while (io->n > 0) {
		ssize_t n = transfer(b, io, 0);

		if (n < 0)
			return (int)n;
		if ((uint64_t)n == io->req.len)
			return 0;	/* all, and nothing was cut */
		advance(io, (size_t)n);
	}
	return 0;
}

/* Through the backend's own operations, which change the iovec. */
static int __attribute__((noinline))
by_backend(struct blk *b, struct blk_io *io)
{
	memcpy(b->iov, &io->chain.iov[io->at], io->n * sizeof(b->iov[0]));
	if (io->write && b->image.raw &&
	    blk_image_guards(b->image.img, io->req.offset, io->req.len))
		return blk_image_guarded_write(&b->image, b->iov, io->n,
		    io->req.offset);
	return io->write ?
	    b->be.ops->write(&b->be, b->iov, io->n, io->req.offset) :
	    b->be.ops->read(&b->be, b->iov, io->n, io->req.offset);
}

/* O_DIRECT wants each buffer aligned; a guest may not care. */
static bool
aligned(const struct blk *b, const struct blk_io *io)
{
	const struct iovec *iov = &io->chain.iov[io->at];
	uintptr_t bits = 0;

	for (unsigned int i = 0; i < io->n; i++)
		bits |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
	return (bits & (b->be.align - 1)) == 0;
}

static int
cached_first(struct blk *b, struct blk_io *io)
{
	ssize_t n;

	if (b->misses >= MISSES && b->misses++ % RETRY != 0)
		return -EAGAIN;
	n = transfer(b, io, RWF_NOWAIT);
	if (n == (ssize_t)io->req.len) {
		b->misses = 0;
		return 0;
	}
	if (n < 0 && n != -EAGAIN)
		return (int)n;
	b->misses++;
	if (n > 0)
		advance(io, (size_t)n);
	return -EAGAIN;
}

/*
 * What can be had without waiting, and what is written to the page cache. 0: all
 * of it; -EAGAIN: the rest has to wait; else -errno.
 */
static inline int
at_once(struct blk *b, struct blk_io *io)
{
	if (b->be.direct)
		return -EAGAIN;
	if (io->write || b->reads == BLK_READS_PLAIN)
		return all_at_once(b, io);
	return b->reads == BLK_READS_CACHED ? cached_first(b, io) : -EAGAIN;
}

static int issue(struct blk *b, struct blk_io *io, enum blk_step step);

static int
begin_data(struct blk *b, struct blk_io *io, bool write)
{
	int err;

	io->write = write;
	if (write)
		b->dirty = true;
	find_data(io);
	if (blk_image_of(&b->image) != NULL ||
	    (b->be.direct && !aligned(b, io)) ||
	    (write && b->image.raw &&
	    blk_image_guards(b->image.img, io->req.offset, io->req.len)))
		return by_backend(b, io);
	if (!b->ring.open)
		return all_at_once(b, io);
	err = at_once(b, io);
	return err == -EAGAIN ? issue(b, io, BLK_STEP_DATA) : err;
}

/* ---- everything else ------------------------------------------------------------- */

int
blk_io_flush(struct blk *b)
{
	int err;

	/* A write that comes meanwhile sets it again. */
	b->dirty = false;
	err = b->be.ops->flush(&b->be);
	if (err != 0)
		b->dirty = true;
	return err;
}

/* Is there nothing that a ring is needed for? */
static bool
synchronous(const struct blk *b)
{
	return !b->ring.open || b->memory;
}

static int
begin_flush(struct blk *b, struct blk_io *io)
{
	if (synchronous(b) || b->be.readonly)
		return blk_io_flush(b);
	b->dirty = false;
	return issue(b, io, BLK_STEP_FLUSH);
}

static int
begin_ranges(struct blk *b, struct blk_io *io)
{
	bool zero = io->req.type == VIRTIO_BLK_T_WRITE_ZEROES;
	int err = 0;

	b->dirty = true;
	io->range = 0;
	if (!synchronous(b))
		return issue(b, io, BLK_STEP_RANGE);
	for (unsigned int i = 0; err == 0 && i < io->req.nranges; i++) {
		const struct blk_range *r = &io->req.range[i];

		err = zero ?
		    b->be.ops->zero(&b->be, r->offset, r->len, r->unmap) :
		    b->be.ops->discard(&b->be, r->offset, r->len);
	}
	return err;
}

/* ---- in the ring ------------------------------------------------------------------ */

/* The best way that is left to do a range. */
static enum blk_step
way(const struct blk *b, const struct blk_io *io)
{
	const struct blk_range *r = &io->req.range[io->range];
	bool zero = io->req.type == VIRTIO_BLK_T_WRITE_ZEROES;

	if (!b->be.no_punch && (!zero || r->unmap))
		return BLK_STEP_PUNCH;
	return b->be.no_zero ? BLK_STEP_WRITE_ZEROES : BLK_STEP_ZERO;
}

/* Queue what @step is. IN_FLIGHT, or 0: there was nothing to do. */
static int
issue(struct blk *b, struct blk_io *io, enum blk_step step)
{
	const struct blk_range *r = &io->req.range[io->range];
	uint64_t left;

	if (step == BLK_STEP_RANGE) {
		io->done = 0;
		step = way(b, io);
		/* A hint, and nothing to give it to. */
		if (step != BLK_STEP_PUNCH &&
		    io->req.type == VIRTIO_BLK_T_DISCARD)
			return 0;
	}
	io->step = step;
	switch (step) {
	case BLK_STEP_DATA:
		blk_ring_data(&b->ring, io, io->write, &io->chain.iov[io->at],
		    io->n, io->req.offset + io->done);
		break;
	case BLK_STEP_PUNCH:
	case BLK_STEP_ZERO:
		blk_ring_allocate(&b->ring, io,
		    step == BLK_STEP_PUNCH ? PUNCH : ZERO, r->offset, r->len);
		break;
	case BLK_STEP_WRITE_ZEROES:
		left = r->len - io->done;
		io->zeroes.iov_base = zeroes;
		io->zeroes.iov_len = left < sizeof(zeroes) ? left : sizeof(zeroes);
		blk_ring_data(&b->ring, io, true, &io->zeroes, 1,
		    r->offset + io->done);
		break;
	case BLK_STEP_FLUSH:
		blk_ring_flush(&b->ring, io);
		break;
	case BLK_STEP_RANGE:
		break;
	}
	return IN_FLIGHT;
}

/* A punch or zero-range came back: as raw.c does it, one way after the other. */
static int
after_allocate(struct blk *b, struct blk_io *io, int result)
{
	if (result == -EOPNOTSUPP) {
		if (io->step == BLK_STEP_PUNCH)
			b->be.no_punch = true;
		else
			b->be.no_zero = true;
	}
	/* EINVAL: a block device that cannot do this range. */
	if (result != -EOPNOTSUPP && result != -EINVAL)
		return result;
	if (io->req.type == VIRTIO_BLK_T_DISCARD)
		return 0;
	io->done = 0;
	return issue(b, io, io->step == BLK_STEP_PUNCH && !b->be.no_zero ?
	    BLK_STEP_ZERO : BLK_STEP_WRITE_ZEROES);
}

static int
after_bytes(struct blk *b, struct blk_io *io, int result)
{
	if (result < 0)
		return result;
	if (result == 0)
		return -EIO;	/* the file has become shorter than the disk */
	if (io->step == BLK_STEP_DATA) {
		advance(io, (size_t)result);
		return io->n > 0 ? issue(b, io, BLK_STEP_DATA) : 0;
	}
	io->done += (uint64_t)result;
	return io->done < io->req.range[io->range].len ?
	    issue(b, io, BLK_STEP_WRITE_ZEROES) : 0;
}

/* An operation came back: IN_FLIGHT where another one follows. */
static int
go_on(struct blk *b, struct blk_io *io, int result)
{
	bool ranges = io->req.nranges > 0;
	int err;

	if ((result == -EAGAIN || result == -EINTR) && io->tries++ < MAX_TRIES)
		return issue(b, io, io->step);
	if (io->step == BLK_STEP_FLUSH) {
		if (result < 0)
			b->dirty = true;
		return result < 0 ? result : 0;
	}
	err = io->step == BLK_STEP_PUNCH || io->step == BLK_STEP_ZERO ?
	    after_allocate(b, io, result) : after_bytes(b, io, result);
	while (err == 0 && ranges && ++io->range < io->req.nranges)
		err = issue(b, io, BLK_STEP_RANGE);
	if (err == 0 && io->durable)
		err = begin_flush(b, io);
	return err;
}

/* ---- from a request to its answer -------------------------------------------------- */

/*
 * Answer. The status is the last byte of the writable part, wherever the data
 * ended: counted as written only where everything before it was too.
 */
static inline void
answer(struct blk *b, struct blk_io *io, int status, uint32_t written)
{
	*io->status = (uint8_t)status;
	if (b->dev->mem.dirty != NULL)
		gmem_mark_dirty(&b->dev->mem, gpa(io->status_addr), 1);
	if (written == io->chain.write_len - 1)
		written++;
	virtq_push(&b->dev->vq[io->queue], &io->chain, written);
}

static void __attribute__((noinline, cold))
fail(struct blk *b, struct blk_io *io, int err)
{
	const char *damage = blk_image_damage(b->image.img);

	if (damage != NULL)
		log_error("blk: %s: the image is damaged, and nothing more is "
		    "written to it; qemu-img check -r all repairs it", damage);
	log_guest("blk: request of type %u at byte %llu: %s", io->req.type,
	    (unsigned long long)io->req.offset, log_errname(err));
	answer(b, io, VIRTIO_BLK_S_IOERR, 0);
}

static inline void
finish(struct blk *b, struct blk_io *io, int err)
{
	bool in = io->req.type == VIRTIO_BLK_T_IN ||
	    io->req.type == VIRTIO_BLK_T_GET_ID;

	if (err == 0 && io->req.type <= VIRTIO_BLK_T_OUT)
		blk_count(b->dev->counters, io->write, io->req.len, io->began);
	if (err == 0)
		answer(b, io, VIRTIO_BLK_S_OK, in ? (uint32_t)io->req.len : 0);
	else
		fail(b, io, err);
}

/* Carry it out as far as it goes: 0, -errno, IN_FLIGHT. */
static int
begin(struct blk *b, struct blk_io *io)
{
	int err;

	switch (io->req.type) {
	case VIRTIO_BLK_T_IN:
		return begin_data(b, io, false);
	case VIRTIO_BLK_T_OUT:
		err = begin_data(b, io, true);
		break;
	case VIRTIO_BLK_T_FLUSH:
		return begin_flush(b, io);
	case VIRTIO_BLK_T_GET_ID:
		(void)virtq_copy_into(&io->chain, 0, b->id, io->req.len);
		return 0;
	default:
		err = begin_ranges(b, io);
		break;
	}
	return err == 0 && io->durable ? begin_flush(b, io) : err;
}

/*
 * 5.2.6.2: is a write done before it is durable? Not for a driver that cannot
 * flush, nor while it has switched the cache to write-through. Asked after the
 * write was taken from the ring: what was written to the configuration space
 * before that counts.
 */
static bool
writeback(const struct blk *b)
{
	return b->flushes && (!b->sets_cache ||
	    (b->dev->driver_config[BLK_CONFIG_WRITEBACK] & 1) != 0);
}

/*
 * What nearly all requests are, in one go: data that is had, or taken, at once.
 * False: nothing has been done that may not be done again, from the start.
 */
static bool
quick(struct blk *b, struct blk_io *io, unsigned int q)
{
	struct virtq_chain *chain = &io->chain;
	unsigned int data = chain->nread + (unsigned int)chain->nwrite - 2;
	uint32_t type, len;
	uint64_t offset, status;
	ssize_t n;

	len = blk_parse_usual(chain, &b->limits, &type, &offset);
	if (len == 0)
		return false;
	virtq_note_type(&b->dev->vq[q], type);
	if (type == VIRTIO_BLK_T_IN) {
		n = preadv2(b->be.fd, &chain->iov[1], (int)data, (off_t)offset,
		    0);
	} else {
		if (!writeback(b) || (b->image.raw &&
		    blk_image_guards(b->image.img, offset, len)))
			return false;
		b->dirty = true;
		n = pwritev2(b->be.fd, &chain->iov[1], (int)data,
		    (off_t)offset, 0);
	}
	if (n != (ssize_t)len)
		return false;
	*blk_status_at(chain, &status) = VIRTIO_BLK_S_OK;
	if (b->dev->mem.dirty != NULL)
		gmem_mark_dirty(&b->dev->mem, gpa(status), 1);
	blk_count(b->dev->counters, type != VIRTIO_BLK_T_IN, len, io->began);
	virtq_push(&b->dev->vq[q], chain, type == VIRTIO_BLK_T_IN ? len + 1 : 1);
	return true;
}

bool
blk_io_take(struct blk *b, struct blk_io *io, unsigned int q)
{
	int status, err;

	io->began = b->dev->counters != NULL && b->turn++ % BLK_TIMED == 0 ?
	    blk_now_us() : 0;
	if (b->quick && quick(b, io, q))
		return true;
	status = blk_parse(&io->chain, &b->limits, &io->req);
	io->queue = (uint16_t)q;
	if (status < 0) {
		/* 2.1.2: an error that no status can tell of. */
		virtq_push(&b->dev->vq[q], &io->chain, 0);
		device_needs_reset(b->dev, "blk: request without a status byte");
		return false;
	}
	virtq_note_type(&b->dev->vq[q], io->req.type);
	io->status = blk_status_at(&io->chain, &io->status_addr);
	if (status != VIRTIO_BLK_S_OK) {
		answer(b, io, status, 0);
		return true;
	}
	io->durable = !writeback(b);
	io->tries = 0;
	err = begin(b, io);
	if (err == IN_FLIGHT)
		b->nfree--;	/* it was the next */
	else
		finish(b, io, err);
	return true;
}

void
blk_io_turn(struct blk *b)
{
	struct blk_io *io;
	int result, err;

	if (!b->ring.open)
		return;
	/* What is done may go on with another operation, to be handed over too. */
	do {
		if (blk_ring_submit(&b->ring) < 0)
			b->starved |= 1;	/* later; any queue will do */
		while ((io = blk_ring_next(&b->ring, &result)) != NULL) {
			err = go_on(b, io, result);
			if (err == IN_FLIGHT)
				continue;
			finish(b, io, err);
			release(b, io);
		}
	} while ((b->ring.queued > 0 && b->starved == 0) ||
	    !blk_ring_sleep(&b->ring));
	for (; b->starved != 0; b->starved &= b->starved - 1)
		device_again(b->dev, (unsigned int)__builtin_ctzll(b->starved));
}
