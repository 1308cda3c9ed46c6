/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the audit's tests: linked into a copy of the entropy worker with loose_policy.c,
 * it makes an fd that no table declares and a mapping that is writable and
 * executable, before the jail closes.
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
	(void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
