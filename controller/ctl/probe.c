/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers of the checks, see probe.h. */
#include "controller/ctl/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int
probe_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int rc = 0;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		rc = -errno;
	else
		buf[n] = '\0';
	close(fd);
	if (n > 0 && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	return rc;
}

long long
probe_number(const char *path)
{
	char text[64], *end;
	long long n;

	if (probe_read(path, text, sizeof(text)) < 0)
		return -1;
	n = strtoll(text, &end, 10);
	return end == text ? -1 : n;
}

int
probe_in_child(int (*fn)(void *arg), void *arg, unsigned int seconds)
{
	struct pollfd pfd = { .events = POLLIN };
	int status, late;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(fn(arg));
	pfd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	late = pfd.fd < 0 || poll(&pfd, 1, (int)seconds * 1000) != 1;
	if (pfd.fd >= 0)
		close(pfd.fd);
	if (late)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	if (late)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
