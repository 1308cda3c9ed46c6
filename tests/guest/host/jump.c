/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jump PID ADDRESS RAX: process PID goes on at ADDRESS (hexadecimal), with RAX (decimal)
 * there and 8 in rdi. For what is to die at a place that is known. ADDRESS "loop": it
 * stays where it is for ever, and runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
	struct user_regs_struct r;
	pid_t pid;
	int status;

	if (argc != 4)
		return 2;
	pid = (pid_t)atoi(argv[1]);
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0) ||
	    waitpid(pid, &status, __WALL) != pid ||
	    ptrace(PTRACE_GETREGS, pid, 0, &r)) {
		perror("jump");
		return 1;
	}
	if (strcmp(argv[2], "loop") == 0) {
		const long here = (long)0xfeebu;	/* jmp . */

		r.orig_rax = (unsigned long long)-1;
		if (ptrace(PTRACE_POKETEXT, pid, r.rip, here) ||
		    ptrace(PTRACE_SETREGS, pid, 0, &r) ||
		    ptrace(PTRACE_DETACH, pid, 0, 0)) {
			perror("jump");
			return 1;
		}
		return 0;
	}
	r.rip = strtoull(argv[2], NULL, 16);
	r.rax = strtoull(argv[3], NULL, 10);
	r.rdi = 8;
	r.orig_rax = (unsigned long long)-1;	/* no system call is begun again */
	if (ptrace(PTRACE_SETREGS, pid, 0, &r) || ptrace(PTRACE_DETACH, pid, 0, 0)) {
		perror("jump");
		return 1;
	}
	return 0;
}
