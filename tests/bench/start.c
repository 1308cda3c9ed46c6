// SPDX-License-Identifier: Apache-2.0
//
// start [-c CGROUP] [-w TEXT] COMMAND [ARG...]: runs a VMM until its guest has said
// something on the VMM's standard output (its first byte, or TEXT), ends it by
// SIGTERM, and prints as one line, in microseconds: from just before the exec
// until then; CPU time of all its processes until then (of CGROUP, a folder of
// cgroup v1 cpuacct that nothing else is in; else 0); from the signal until the last of its
// processes was gone. Waits a minute at most. Used by tests/bench/run, and in the
// lab.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_US 60000000L

static long
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static int
open_in(const char *folder, const char *name, int flags)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return open(path, flags | O_CLOEXEC);
}

static long
cpu_us(const char *cgroup)
{
	char text[32] = "";
	int fd = open_in(cgroup, "cpuacct.usage", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	close(fd);
	return strtol(text, NULL, 10) / 1000;
}

/* Until @text, or any byte when there is none, has come from @fd. */
static int
wait_for(int fd, const char *text, long deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char seen[65536];
	size_t n = 0;

	for (;;) {
		long left = (deadline - now_us()) / 1000;
		ssize_t got;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return -1;
		got = read(fd, seen + n, sizeof(seen) - 1 - n);
		if (got <= 0)
			return -1;
		n += (size_t)got;
		seen[n] = '\0';
		if (text == NULL || strstr(seen, text) != NULL)
			return 0;
		if (n > sizeof(seen) / 2) {
			memmove(seen, seen + n - 256, 256);
			n = 256;
		}
	}
}

/* vfork: as near to the exec as a parent can be. @tasks: of its cgroup, or -1. */
static pid_t
run(char **argv, int tasks, const int pipes[2])
{
	pid_t pid = vfork();

	if (pid != 0)
		return pid;
	if (tasks >= 0 && write(tasks, "0", 1) != 1)
		_exit(126);
	dup2(pipes[1], 1);
	close(pipes[0]);
	close(pipes[1]);
	execvp(argv[0], argv);
	_exit(127);
}

int
main(int argc, char **argv)
{
	const char *cgroup = NULL, *text = NULL;
	long begin, first, cpu, cpu_before = 0, asked;
	int pipes[2], tasks = -1, c;
	pid_t pid;

	while ((c = getopt(argc, argv, "+c:w:")) != -1) {
		if (c == 'c')
			cgroup = optarg;
		else if (c == 'w')
			text = optarg;
		else
			return 2;
	}
	if (optind == argc || pipe(pipes) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 2;
	if (cgroup != NULL) {
		tasks = open_in(cgroup, "cgroup.procs", O_WRONLY);
		cpu_before = cpu_us(cgroup);
	}
	begin = now_us();
	pid = run(argv + optind, tasks, pipes);
	close(pipes[1]);
	if (wait_for(pipes[0], text, begin + WAIT_US) < 0) {
		kill(pid, SIGKILL);
		fprintf(stderr, "start: nothing came from %s\n", argv[optind]);
		return 1;
	}
	first = now_us() - begin;
	cpu = cgroup != NULL ? cpu_us(cgroup) - cpu_before : 0;
	asked = now_us();
	kill(pid, SIGTERM);
	while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR)
		;
	printf("%ld %ld %ld\n", first, cpu, now_us() - asked);
	return 0;
}
