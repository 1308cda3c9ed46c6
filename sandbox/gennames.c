/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gennames: a build-time tool that prints the names of the x86-64 system calls
 * as a C initialiser, { number, "name" }, by number. Runs on the build host; it
 * looks names up in libseccomp and needs no kernel.
 */
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

#define LAST_NR 600

int
main(void)
{
	printf("/* Made by gennames. */\n");
	for (int nr = 0; nr <= LAST_NR; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

		if (name != NULL)
			printf("[%d] = \"%s\",\n", nr, name);
		free(name);
	}
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
