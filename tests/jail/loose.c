/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the audit's tests: linked into a copy of the entropy worker with loose_policy.c,
 * it makes an fd that no table declares and executable memory that is not its program,
 * before the jail closes. (Writable as well is refused: MDWE is there at exec.) At
 * SIGUSR1 it makes a call that is denied.
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNDECLARED_FD 50

static void
break_out(int sig)
{
	(void)sig;
	(void)syscall(SYS_openat, 0x1234, NULL, O_RDWR, 0, 0, 0);
}

__attribute__((constructor)) static void
loosen(void)
{
	(void)signal(SIGUSR1, break_out);
	(void)fcntl(eventfd(0, EFD_CLOEXEC), F_DUPFD, UNDECLARED_FD);
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
