// SPDX-License-Identifier: Apache-2.0
//
// The terminal, see terminal.h.
#include "controller/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/output.h"

/*
 * An open file of our own behind @fd: flags belong to the open file, which the
 * user's shell shares. What cannot be opened again (a socket, somebody else's
 * pipe) or must keep its offset (a file) is shared.
 */
static int
reopen(int fd, int flags)
{
	char path[] = "/proc/self/fd/0";
	struct stat st;
	int own = -1;

	path[sizeof(path) - 2] = (char)('0' + fd);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
		own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return own < 0 ? -errno : own;
}

int
terminal_open(struct terminal *t)
{
	*t = (struct terminal){ .in = -1, .out = -1, .tty = -1 };
	if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &t->saved) == 0)
		t->tty = STDIN_FILENO;
	t->in = reopen(STDIN_FILENO, O_RDONLY);
	if (t->in < 0)
		return t->in;
	t->out = reopen(STDOUT_FILENO, O_WRONLY);
	return t->out < 0 ? t->out : 0;
}

/*
 * SIGTTOU stops who changes a terminal from the background, and the default
 * actions of the signals that end a VM are back for so long: a job that waits
 * for its terminal can be ended.
 */
void
terminal_claim(const struct terminal *t, const sigset_t *signals)
{
	pid_t front = tcgetpgrp(t->tty);
	sigset_t ttou;

	if (front >= 0 && front != getpgrp()) {
		sigprocmask(SIG_UNBLOCK, signals, NULL);
		(void)tcsetattr(t->tty, TCSANOW, &t->saved);
		sigprocmask(SIG_BLOCK, signals, NULL);
	}
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, NULL);
}

void
terminal_raw(struct terminal *t)
{
	struct termios raw = t->saved;

	if (t->tty < 0 || t->raw)
		return;
	cfmakeraw(&raw);
	if (tcsetattr(t->tty, TCSANOW, &raw) == 0) {
		t->raw = true;
		output_raw(true);
	}
}

void
terminal_restore(struct terminal *t)
{
	if (!t->raw)
		return;
	/* Not TCSADRAIN: a stopped terminal must not hold up the exit. */
	(void)tcsetattr(t->tty, TCSANOW, &t->saved);
	t->raw = false;
	output_raw(false);
}

void
terminal_size(const struct terminal *t, uint32_t *columns, uint32_t *rows)
{
	struct winsize size = { 0 };

	if (t->tty < 0 || ioctl(t->tty, TIOCGWINSZ, &size) < 0)
		size = (struct winsize){ 0 };
	*columns = size.ws_col;
	*rows = size.ws_row;
}
