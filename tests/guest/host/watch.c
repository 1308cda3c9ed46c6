// SPDX-License-Identifier: Apache-2.0
//
// watch SECONDS PIDFILE COMMAND [ARG...]: runs a command and all that comes of
// it, for tests/guest/run. Orphans come to this process, so that whoever is left
// over when the command has ended is known, whatever its name. Exits as the
// command did (128 + signal), 124 when the time was over, and 99, with their
// names on standard error, when anyone outlived it by more than a second.
// Kills whoever is left.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
}

/* The children of this process, from the kernel's list. */
static int children(pid_t *pids, int max)
{
	char path[64];
	int n = 0, pid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", getpid(),
	    getpid());
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (n < max && fscanf(f, "%d", &pid) == 1)
		pids[n++] = pid;
	fclose(f);
	return n;
}

static void name_of(pid_t pid, char *buf, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f == NULL || fgets(buf, (int)size, f) == NULL)
		snprintf(buf, size, "?");
	buf[strcspn(buf, "\n")] = '\0';
	if (f != NULL)
		fclose(f);
}

/* Wait until nobody is left, a second at most; then name and kill them. */
static int leftovers(void)
{
	double end = now() + 1.0;
	int said = 0;

	for (;;) {
		pid_t pids[256];
		int n;

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		n = children(pids, 256);
		if (n == 0)
			return said;
		if (now() < end) {
			nap();
			continue;
		}
		for (int i = 0; i < n; i++) {
			char name[64];

			name_of(pids[i], name, sizeof(name));
			if (!said)
				fprintf(stderr, "watch: left behind: %s (%d)\n",
				    name, pids[i]);
			kill(pids[i], SIGKILL);
		}
		said = 1;
		end = now() + 1.0;
		nap();
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return said;
	}
}

int main(int argc, char **argv)
{
	double end;
	int status = 0, rc;
	pid_t pid;
	FILE *f;

	if (argc < 4)
		return 2;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	end = now() + atof(argv[1]);
	pid = fork();
	if (pid == 0) {
		execvp(argv[3], argv + 3);
		fprintf(stderr, "watch: %s: %s\n", argv[3], strerror(errno));
		_exit(127);
	}
	f = fopen(argv[2], "we");
	if (f != NULL) {
		fprintf(f, "%d\n", pid);
		fclose(f);
	}
	for (;;) {
		pid_t got = waitpid(-1, &status, WNOHANG);

		if (got == pid)
			break;
		if (got > 0)
			continue;
		if (now() > end) {
			fprintf(stderr, "watch: out of time\n");
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			(void)leftovers();
			return 124;
		}
		nap();
	}
	rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return leftovers() ? 99 : rc;
}
