// SPDX-License-Identifier: Apache-2.0
/*
 * How a worker lets go of the disk, see blk_ring.h: its successor, or the next VM,
 * may want it at once. The back-end program has another way (vhost-user/blk.c),
 * which takes one system call less.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "device-workers/blk/blk_ring.h"

void
blk_ring_let_go(struct blk_ring *r)
{
	if (r->open)
		(void)syscall(SYS_io_uring_register, r->ring.ring_fd,
		    IORING_UNREGISTER_FILES, NULL, 0);
}
