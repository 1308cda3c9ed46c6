// SPDX-License-Identifier: Apache-2.0
//
// killat NAME SKIP FIRST STRIDE LAST COMMAND [ARG...]: runs a command, and kills
// processes that come of it by SIGKILL at system calls, entry and exit counted
// alike: of those that execute the program NAME (as comm has it) the first SKIP are
// left alone, the next is killed at number FIRST from its exec on, the one after it
// at FIRST + STRIDE, and so on up to LAST. What is killed, and in which call, is
// said in ./killed, a line each. Exits as the command did (128 + signal), at once:
// whoever outlives it is somebody else's to find.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <linux/ptrace.h>
#include <unistd.h>

#define MAX 4096

/* Only those that are counted. */
static struct victim {
	pid_t pid;
	long count, at;
} victims[MAX];

static const char *name;
static long skip, next, stride, last;
static FILE *killed;

static struct victim *victim_of(pid_t pid)
{
	for (int i = 0; i < MAX; i++)
		if (victims[i].pid == pid)
			return &victims[i];
	return NULL;
}

static void name_of(pid_t pid, char *buf, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f == NULL || fgets(buf, (int)size, f) == NULL)
		buf[0] = '\0';
	if (f != NULL)
		fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
}

static void executed(pid_t pid)
{
	struct victim *v = victim_of(0);
	char comm[32];

	name_of(pid, comm, sizeof(comm));
	if (strncmp(comm, name, 15) != 0 || skip-- > 0 || next > last || v == NULL)
		return;
	*v = (struct victim){ .pid = pid, .at = next };
	next += stride;
}

/* A stop at a system call: is it the one? */
static void called(struct victim *v)
{
	struct ptrace_syscall_info info = { 0 };

	if (++v->count != v->at)
		return;
	ptrace(PTRACE_GET_SYSCALL_INFO, v->pid, (void *)sizeof(info), &info);
	kill(v->pid, SIGKILL);
	fprintf(killed, "%d %ld %s %ld\n", v->pid, v->at,
	    info.op == PTRACE_SYSCALL_INFO_ENTRY ? "into" : "out of",
	    info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1l);
	fflush(killed);
}

static void stopped(pid_t pid, int status)
{
	const int event = status >> 16, sig = WSTOPSIG(status);
	struct victim *v;
	long deliver = 0;

	if (event == PTRACE_EVENT_EXEC)
		executed(pid);
	v = victim_of(pid);
	if (sig == (SIGTRAP | 0x80) && v != NULL)
		called(v);
	else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		ptrace(PTRACE_LISTEN, pid, 0, 0);
		return;
	} else if (event == 0 && sig != (SIGTRAP | 0x80)) {
		deliver = sig;
	}
	ptrace(v != NULL ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, deliver);
}

static pid_t start(char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
	    PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	int go[2];
	pid_t pid;
	char c;

	if (pipe(go) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(127);
		close(go[0]);
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, 0, options) != 0) {
		perror("killat: ptrace");
		return -1;
	}
	close(go[0]);
	if (write(go[1], "", 1) != 1)
		return -1;
	close(go[1]);
	return pid;
}

int main(int argc, char **argv)
{
	pid_t root, pid;
	int status;

	if (argc < 7)
		return 2;
	name = argv[1];
	skip = atol(argv[2]);
	next = atol(argv[3]);
	stride = atol(argv[4]);
	last = atol(argv[5]);
	killed = fopen("killed", "we");
	root = killed != NULL ? start(argv + 6) : -1;
	if (root < 0)
		return 125;
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		struct victim *v;

		if (pid <= 0)
			continue;
		if (WIFSTOPPED(status)) {
			stopped(pid, status);
			continue;
		}
		v = victim_of(pid);
		if (v != NULL)
			v->pid = 0;
		if (pid == root)
			return WIFEXITED(status) ? WEXITSTATUS(status) :
			    128 + WTERMSIG(status);
	}
	return 125;
}
