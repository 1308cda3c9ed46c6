// SPDX-License-Identifier: Apache-2.0
/* The disk's io_uring, see blk_ring.h. */
#include "device-workers/blk/blk_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/place.h"
#include "ipc/slots.h"

/*
 * Newest first. SINGLE_ISSUER is 6.0's, DEFER_TASKRUN 6.1's: completions then wait
 * for us to ask, and interrupt nothing. After our death nobody asks: the kernel
 * looks for them every 50 ms, and holds on to the file for so long. So not those
 * that are passing: completions that are brought to us at once.
 */
static const unsigned int set_ups[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
	    IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_SINGLE_ISSUER,
	0,
};
#define PASSING 2u		/* the first of those for blk_ring.passing */

static int
make(struct blk_ring *r, unsigned int entries)
{
	int rc = -EINVAL;

	for (size_t i = r->passing ? PASSING : 0; rc == -EINVAL &&
	    i < sizeof(set_ups) / sizeof(set_ups[0]); i++) {
		struct io_uring_params p = {
			.flags = set_ups[i] | IORING_SETUP_R_DISABLED |
			    IORING_SETUP_CLAMP,
		};

		rc = io_uring_queue_init_params(entries, &r->ring, &p);
		/* What was read from the iovec at submission is kept. */
		if (rc == 0 && (p.features & IORING_FEAT_SUBMIT_STABLE) == 0) {
			io_uring_queue_exit(&r->ring);
			return -ENOSYS;
		}
	}
	return rc;
}

/* By its number: the shared library of Debian 12 lacks two of the functions. */
static int
enroll(struct io_uring *ring, unsigned int what, void *arg, unsigned int n)
{
	return syscall(SYS_io_uring_register, ring->ring_fd, what, arg, n) < 0 ?
	    -errno : 0;
}

/* From now on: these operations, on the registered file, which may be let go. */
static int
restrict_to(struct io_uring *ring, bool passing)
{
	static const uint8_t ops[] = {
		IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
		IORING_OP_FALLOCATE,
	};
	const unsigned int nops = sizeof(ops);
	const uint8_t fixed = (uint8_t)(passing ? 0 : IOSQE_FIXED_FILE);
	struct io_uring_restriction only[sizeof(ops) + 3];

	memset(only, 0, sizeof(only));
	for (unsigned int i = 0; i < nops; i++) {
		only[i].opcode = IORING_RESTRICTION_SQE_OP;
		only[i].sqe_op = ops[i];
	}
	only[nops].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	only[nops].sqe_flags = fixed;
	only[nops + 1].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	only[nops + 1].sqe_flags = fixed;
	only[nops + 2].opcode = IORING_RESTRICTION_REGISTER_OP;
	only[nops + 2].register_op = IORING_UNREGISTER_FILES;
	return enroll(ring, IORING_REGISTER_RESTRICTIONS, only, nops + 3);
}

/*
 * The eventfd that says that something is done. Polling the ring itself is no way:
 * newer kernels wake nobody there while completions wait to be asked for.
 */
static int
make_bell(struct io_uring *ring)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = place_fd(fd, FD_BLK_DONE);
	return rc == 0 ? io_uring_register_eventfd(ring, FD_BLK_DONE) : rc;
}

static int
set_up(struct blk_ring *r)
{
	struct io_uring *ring = &r->ring;
	/* Of those that a regular file may keep busy, and of the others. */
	unsigned int threads[2] = { BLK_RING_THREADS, 1 };
	int rc = 0;

	if (!r->passing)
		rc = io_uring_register_files(ring, &r->disk, 1);
	if (rc == 0)
		rc = io_uring_register_iowq_max_workers(ring, threads);
	if (rc == 0)
		rc = make_bell(ring);
	if (rc == 0)
		rc = restrict_to(ring, r->passing);
	if (rc == 0)
		rc = enroll(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	/* It is mapped: the number may change. */
	if (rc == 0 && ring->ring_fd != FD_BLK_RING) {
		rc = place_fd(ring->ring_fd, FD_BLK_RING);
		ring->ring_fd = ring->enter_ring_fd = FD_BLK_RING;
	}
	return rc;
}

int
blk_ring_open(struct blk_ring *r, int disk, unsigned int entries, bool passing)
{
	int rc;

	r->disk = disk;
	r->passing = passing;
	rc = make(r, entries);
	if (rc < 0)
		return rc;
	rc = set_up(r);
	if (rc < 0)
		io_uring_queue_exit(&r->ring);
	r->open = rc == 0;
	return rc;
}

void
blk_ring_close(struct blk_ring *r)
{
	if (r->open)
		io_uring_queue_exit(&r->ring);
	r->open = false;
}

void
blk_ring_drop(struct blk_ring *r)
{
	blk_ring_let_go(r);
	close(r->ring.ring_fd);
	r->open = false;
}

/* There is room: the caller has no more under way than the ring has entries. */
static struct io_uring_sqe *
next_entry(struct blk_ring *r)
{
	r->queued++;
	return io_uring_get_sqe(&r->ring);
}

static void
finish_entry(const struct blk_ring *r, struct io_uring_sqe *sqe, void *tag)
{
	/* File 0 of those registered: the disk. */
	if (r->passing)
		sqe->fd = r->disk;
	else
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, tag);
}

void
blk_ring_data(struct blk_ring *r, void *tag, bool write, const struct iovec *iov,
    unsigned int n, uint64_t offset)
{
	struct io_uring_sqe *sqe = next_entry(r);

	if (write)
		io_uring_prep_writev(sqe, 0, iov, n, offset);
	else
		io_uring_prep_readv(sqe, 0, iov, n, offset);
	finish_entry(r, sqe, tag);
}

void
blk_ring_flush(struct blk_ring *r, void *tag)
{
	struct io_uring_sqe *sqe = next_entry(r);

	io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
	finish_entry(r, sqe, tag);
}

void
blk_ring_allocate(struct blk_ring *r, void *tag, int mode, uint64_t offset,
    uint64_t len)
{
	struct io_uring_sqe *sqe = next_entry(r);

	io_uring_prep_fallocate(sqe, 0, mode, (off_t)offset, (off_t)len);
	finish_entry(r, sqe, tag);
}

int
blk_ring_submit(struct blk_ring *r)
{
	int rc;

	/* What is done by this call need not be told. */
	(void)io_uring_cq_eventfd_toggle(&r->ring, false);
	rc = io_uring_submit_and_get_events(&r->ring);
	if (rc < 0)
		return rc;
	r->queued -= (unsigned int)rc < r->queued ? (unsigned int)rc : r->queued;
	return r->queued > 0 ? -EAGAIN : 0;
}

bool
blk_ring_sleep(struct blk_ring *r)
{
	(void)io_uring_cq_eventfd_toggle(&r->ring, true);
	/*
	 * Full: the wish to be told is visible before we look a last time; the
	 * kernel sets the flag, or adds the completion, before it looks at the wish.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return io_uring_cq_ready(&r->ring) == 0 &&
	    (__atomic_load_n(r->ring.sq.kflags, __ATOMIC_RELAXED) &
	    (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0;
}

void *
blk_ring_next(struct blk_ring *r, int *result)
{
	struct io_uring_cqe *cqe;
	unsigned int head;
	void *tag;

	io_uring_for_each_cqe(&r->ring, head, cqe) {
		tag = io_uring_cqe_get_data(cqe);
		*result = cqe->res;
		io_uring_cqe_seen(&r->ring, cqe);
		return tag;
	}
	return NULL;
}
