/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the audit's tests: linked into a copy of the entropy worker with loose_policy.c,
 * it makes an fd that no table declares and executable memory that is not its program,
 * before the jail closes. (Writable as well is refused: MDWE is there at exec.)
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define UNDECLARED_FD 50

__attribute__((constructor)) static void
loosen(void)
{
	(void)fcntl(eventfd(0, EFD_CLOEXEC), F_DUPFD, UNDECLARED_FD);
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
