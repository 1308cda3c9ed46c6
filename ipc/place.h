/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An fd goes to the number at which a filter knows it (ipc/slots.h). For start-up code
 * of device workers and back ends; owns nothing.
 */
#ifndef BULKHEAD_IPC_PLACE_H
#define BULKHEAD_IPC_PLACE_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * @fd, as a call has just returned it, becomes @slot, closed on exec; what was there is
 * closed, and so is @fd, also after an error. 0 or -errno; of a negative @fd its errno.
 */
static inline int
place_fd(int fd, int slot)
{
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (fd == slot)
		return 0;
	if (dup3(fd, slot, O_CLOEXEC) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

#endif
