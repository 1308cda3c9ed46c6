/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a block worker may do. Read by sandbox/genfilter alone. All I/O is
 * positional on the disk, of which an image may be several files; a file can be
 * neither truncated nor extended by fallocate (KEEP_SIZE), and nothing of it can
 * be mapped.
 */
#include <linux/falloc.h>
#include <linux/fs.h>

#include "device-workers/blk/blk_ring.h"
#include "device-workers/lib/worker_policy.h"

#define DISK SB_FDS(0, FD_BACKEND, FD_BACKEND_COUNT)

static const struct sb_rule rules[] = {
	WORKER_RULES,
	WORKER_TIMER_RULES,
	SB_ALLOW1(preadv2, DISK,
	    "IN: disk to guest memory; RWF_NOWAIT: what the page cache has"),
	SB_ALLOW1(pwritev2, DISK,
	    "OUT: guest memory to disk; RWF_DSYNC: tables of an image"),
	SB_ALLOW1(io_uring_enter, SB_FD(0, FD_BLK_RING),
	    "the same where it would block, and what follows; restricted when made"),
	SB_ALLOW1(fdatasync, DISK, "FLUSH, and before exit"),
	SB_ALLOW2(fallocate, DISK,
	    SB_EQ32(1, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE),
	    "DISCARD, WRITE_ZEROES that may unmap"),
	SB_ALLOW2(fallocate, DISK,
	    SB_EQ32(1, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE),
	    "WRITE_ZEROES"),
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_POLICY_H
	/* With a controller, who gives more files, and may want the disk back. */
	SB_ALLOW2(io_uring_register, SB_FD(0, FD_BLK_RING),
	    SB_EQ32(1, IORING_UNREGISTER_FILES), "let go of the disk before exit"),
	SB_ALLOW2(dup3, SB_FDS(1, FD_BACKEND, FD_BACKEND_COUNT),
	    SB_EQ32(2, O_CLOEXEC), "a further file of an image to its place"),
#endif
};

static const struct sb_fd fds[] = {
	WORKER_FDS,
	SB_SLOTS(FD_BACKEND, FD_BACKEND_COUNT, SB_IS_FILE | SB_IS_BLOCK,
	    "the disk: its image and what that is backed by"),
	SB_SLOT(FD_BLK_RING, SB_IS_RING, "for what would block; restricted"),
	SB_SLOT(FD_BLK_DONE, SB_IS_EVENT, "something in it is done"),
};

const struct sb_policy sb_policy = {
	.kind = "blk",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = WORKER_NOFILE,
	.rlimit_fsize = UINT64_MAX,	/* disks are as large as they are */
	.rlimit_nproc = 2 + BLK_RING_THREADS,	/* the kernel's, for the ring */
};
