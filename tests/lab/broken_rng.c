/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A deliberately broken device: the rng worker, whose source is replaced by a
 * constant at link time (--wrap=read). The lab's test broken-device wants its
 * check of the entropy to fail with it. Never installed.
 */
#include <string.h>
#include <unistd.h>

#include "ipc/slots.h"

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);

ssize_t
__wrap_read(int fd, void *buf, size_t n)
{
	ssize_t got = __real_read(fd, buf, n);

	if (fd == FD_BACKEND && got > 0)
		memset(buf, 0x42, (size_t)got);
	return got;
}
