/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcap-ng has all its functions in one object, and one that we do not call
 * (capng_change_id) asks the user data base. Without these two a static program
 * would carry glibc's name service switch, and dlopen with it, into the jail.
 */
#ifndef BULKHEAD_SANITIZED	/* sanitized programs are dynamic: no such cost */

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>

struct passwd *
getpwuid(uid_t uid)
{
	(void)uid;
	errno = ENOSYS;
	return NULL;
}

int
initgroups(const char *user, gid_t group)
{
	(void)user;
	(void)group;
	errno = ENOSYS;
	return -1;
}

#else
typedef int no_nss_is_empty;	/* ISO C wants a declaration */
#endif
