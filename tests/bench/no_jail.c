// SPDX-License-Identifier: Apache-2.0
//
// For bulkhead-test-open-blk and -fs, in no shipped program: what valgrind cannot bear. It
// makes system calls of its own, which no policy has, and has no terabyte of
// addresses to reserve.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "device-workers/vhost-user/backend.h"
#include "device-workers/vhost-user/vhost_user.h"

int __real_gmem_init(struct gmem *mem, uint64_t size);
int __wrap_gmem_init(struct gmem *mem, uint64_t size);

int
__wrap_gmem_init(struct gmem *mem, uint64_t size)
{
	const uint64_t most = 1ull << 32;

	return __real_gmem_init(mem, size < most ? size : most);
}

/* For -fs alone: valgrind does not know the call yet. */
long __real_syscall(long nr, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

long
__wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	const struct open_how *how = (const void *)c;

	if (nr == SYS_openat2)
		return openat((int)a, (const char *)b, (int)how->flags,
		    (mode_t)how->mode);
	return __real_syscall(nr, a, b, c, d, e, f);
}

/* In the place of device-workers/vhost-user/jail.c. */
int
vhu_jail(const struct vhu_share *share, const char **stage)
{
	(void)share;
	*stage = "";
	return 0;
}
