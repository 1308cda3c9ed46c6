// SPDX-License-Identifier: Apache-2.0
//
// --landlock: which files an opener may open that runs beside a guest. They come as
// fds, from the controller; this process then has the kernel refuse all others. The
// rights are Cloud Hypervisor's: those on files and directories of ABI 3. That of
// ioctls on devices is none of them, since who gets the fd has to make them.
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/opener/opened.h"
#include "sandbox/kernel_compat.h"

#define READS (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
	LANDLOCK_ACCESS_FS_READ_DIR)
/* What can be had on what is no directory. */
#define OF_FILES (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
	LANDLOCK_ACCESS_FS_WRITE_FILE | COMPAT_LANDLOCK_TRUNCATE)

/* All rights that this kernel can refuse, or -errno. */
static int
handled(uint64_t *rights)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 0)
		return -errno;
	if (abi < 2)
		return -ENOSYS;
	*rights = abi >= 3 ? COMPAT_LANDLOCK_FS_ABI3 : COMPAT_LANDLOCK_FS_ABI2;
	return 0;
}

static int
make(int *ruleset)
{
	struct compat_landlock_ruleset_attr attr = { .handled_access_fs = 0 };
	int rc = handled(&attr.handled_access_fs);

	if (rc != 0)
		return rc;
	*ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
	    0);
	return *ruleset < 0 ? -errno : 0;
}

static int
add(int ruleset, int fd, uint32_t access)
{
	struct landlock_path_beneath_attr rule = { .parent_fd = fd };
	uint64_t all = 0;
	struct stat st;
	int rc = handled(&all);

	if (rc != 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((access & 1) != 0)
		rule.allowed_access |= all & READS;
	if ((access & 2) != 0)
		rule.allowed_access |= all & ~(uint64_t)READS;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= OF_FILES;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
	    &rule, 0) != 0 ? -errno : 0;
}

int
allow_add(int *ruleset, const Bh__AllowPaths *m, const int *fds,
    unsigned int nfds)
{
	int rc = *ruleset < 0 ? make(ruleset) : 0;

	if (m->n_access != nfds)
		return -EPROTO;
	for (unsigned int i = 0; rc == 0 && i < nfds; i++)
		rc = add(*ruleset, fds[i], m->access[i]);
	return rc;
}

int
allow_close(int *ruleset)
{
	int rc = *ruleset < 0 ? make(ruleset) : 0;

	if (rc != 0)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_landlock_restrict_self, *ruleset, 0) != 0)
		rc = -errno;
	close(*ruleset);
	*ruleset = -1;
	return rc;
}

/* Landlock refuses to open, and lets one ask for the rights of the user. */
bool
allow_refused(const struct opened *o, const Bh__Open *req)
{
	int mode = req->kind == BH__OPEN_KIND__OPEN_KIND_DISK ? R_OK | W_OK : R_OK;

	return faccessat(req->below ? o->folder : AT_FDCWD, req->path, mode,
	    AT_EACCESS) == 0;
}
