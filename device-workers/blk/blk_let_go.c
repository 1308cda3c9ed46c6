// SPDX-License-Identifier: Apache-2.0
/*
 * How a worker lets go of the disk, see blk_ring.h: its successor, or the next VM,
 * may want it at once. The back-end program has another way (vhost-user/blk.c),
 * which takes one system call less, and keeps the ring to its one file.
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

/* By the controller (recover.c). Without direct=on a worker's I/O ends with it. */
bool
blk_ring_awaited(bool direct)
{
	return direct;
}
