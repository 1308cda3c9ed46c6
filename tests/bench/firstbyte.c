// SPDX-License-Identifier: Apache-2.0
//
// firstbyte COMMAND [ARG...]: runs a command with a pipe for standard output and
// prints how many microseconds passed from just before its exec to its first
// byte there, and to its end; the command is killed five seconds after the byte.
// Used by startup.sh.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	struct pollfd p;
	long begin, first, end;
	int pipes[2], status;
	char c;
	pid_t pid;

	if (argc < 2 || pipe(pipes) < 0)
		return 2;
	/* vfork: as near to the exec as a parent can be. */
	begin = now_us();
	pid = vfork();
	if (pid == 0) {
		dup2(pipes[1], 1);
		close(pipes[0]);
		close(pipes[1]);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	close(pipes[1]);
	p = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	if (poll(&p, 1, 20000) <= 0 || read(pipes[0], &c, 1) != 1) {
		kill(pid, SIGKILL);
		fprintf(stderr, "firstbyte: nothing came from %s\n", argv[1]);
		return 1;
	}
	first = now_us() - begin;
	/* To its end: all writers have closed. */
	while (poll(&p, 1, 300) > 0 && read(pipes[0], &c, 1) > 0)
		;
	if (waitpid(pid, &status, WNOHANG) == 0 && !(p.revents & POLLHUP)) {
		kill(pid, SIGTERM);
		waitpid(pid, &status, 0);
		end = 0;
	} else {
		waitpid(pid, &status, 0);
		end = now_us() - begin;
	}
	printf("%ld %ld\n", first, end);
	return 0;
}
