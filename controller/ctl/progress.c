/* SPDX-License-Identifier: Apache-2.0 */
/* The line about work that lasts, see progress.h. */
#include "controller/ctl/progress.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000
#define SHOWN_AFTER 1000	/* ms: who is quick says nothing */

static struct {
	const char *what;
	int64_t begun;		/* ms */
	bool terminal;
	bool shown;
	char far[64];
} line;

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / MS;
}

/* What does not fit into the terminal's width would not be written over. */
static void
paint(void)
{
	struct winsize size = { 0 };
	int64_t seconds = (now_ms() - line.begun) / 1000;
	char text[200];
	int width;

	if (!line.terminal || seconds * 1000 < SHOWN_AFTER)
		return;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		size.ws_col = 80;
	(void)snprintf(text, sizeof(text), "bulkheadctl: %.100s: %s%s%lld s",
	    line.what, line.far, line.far[0] != '\0' ? ", " : "",
	    (long long)seconds);
	width = size.ws_col > 1 ? size.ws_col - 1 : 1;
	(void)fprintf(stderr, "\r%.*s\033[K", width, text);
	line.shown = true;
}

void
progress_begin(const char *what)
{
	progress_clear();
	line.what = what;
	line.begun = now_ms();
	line.terminal = isatty(STDERR_FILENO) != 0;
	line.far[0] = '\0';
}

void
progress_at(unsigned int at, unsigned int of, const char *unit)
{
	if (of > 0)
		(void)snprintf(line.far, sizeof(line.far), "%u of %u %.30s", at,
		    of, unit);
	else
		(void)snprintf(line.far, sizeof(line.far), "%u %.30s", at, unit);
	paint();
}

void
progress_wait(int fd, unsigned int seconds)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t end = now_ms() + (int64_t)seconds * 1000;
	int64_t left = -1;

	do {
		int64_t step;
		int rc;

		if (seconds > 0)
			left = end > now_ms() ? end - now_ms() : 0;
		step = line.terminal && (left < 0 || left > 1000) ? 1000 : left;
		rc = poll(&p, fd >= 0, (int)step);
		if (rc > 0 || (rc < 0 && errno != EINTR))
			return;
		if (line.terminal && left != 0)
			paint();
	} while (left != 0);
}

void
progress_clear(void)
{
	if (line.shown)
		(void)fputs("\r\033[K", stderr);
	line.shown = false;
}
