// SPDX-License-Identifier: Apache-2.0
//
// bulkheadctl boot-timeline, see remote_timeline.h.
#include "controller/ctl/remote_timeline.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* In the order of a start. What goes on until a stage is drawn with its letter. */
static const struct stage {
	const char *name, *title;
	char draw;
} stages[] = {
	{ "asked_us", "asked", ' ' },
	{ "runs_us", "runs", '.' },
	{ "jailed_us", "jailed", '-' },
	{ "ready_us", "ready", '=' },
	{ "guest_us", "guest", ' ' },
};

#define STAGES (sizeof(stages) / sizeof(stages[0]))
#define LAST_DRAWN 3u
#define MOST_COLUMNS 200u
#define LEFT (18u + 9u * STAGES + 2u)

/* Microseconds; -1: it has not come to that. */
static json_int_t
when(json_t *process, size_t stage)
{
	json_t *at = json_object_get(process, stages[stage].name);

	return json_is_integer(at) ? json_integer_value(at) : -1;
}

/* What the picture shows: until the guest runs, or the last process is ready. */
static json_int_t
end_of(json_t *processes)
{
	json_int_t end = when(json_object_get(processes, "controller"), STAGES - 1);
	const char *name;
	json_t *p;

	json_object_foreach(processes, name, p)
		for (size_t s = 0; s <= LAST_DRAWN; s++)
			if (when(p, s) > end)
				end = when(p, s);
	return end > 0 ? end : 1;
}

static size_t
columns(void)
{
	struct winsize size;
	size_t n = 100;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0)
		n = size.ws_col;
	n = n > LEFT + 20 ? n - LEFT : 20;
	return n < MOST_COLUMNS ? n : MOST_COLUMNS;
}

static void
draw(json_t *process, json_int_t end, size_t width)
{
	char line[MOST_COLUMNS + 1];
	size_t at = 0, last = 0;

	memset(line, ' ', width);
	line[width] = '\0';
	for (size_t s = 0; s < STAGES; s++) {
		const json_int_t us = when(process, s);
		size_t to;

		if (us < 0)
			continue;
		to = us >= end ? width - 1 : (size_t)us * (width - 1) / (size_t)end;
		if (s > 0 && s <= LAST_DRAWN)
			for (size_t i = at; i <= to; i++)
				line[i] = stages[s].draw;
		if (s == STAGES - 1)
			line[to] = us > end ? '>' : '|';
		at = to;
		last = to + 1 > last ? to + 1 : last;
	}
	line[last] = '\0';
	printf("  %s\n", line);
}

void
remote_print_timeline(json_t *processes)
{
	const json_int_t end = end_of(processes);
	const size_t width = columns();
	const char *name;
	json_t *p;

	printf("%-18s", "ms since the start");
	for (size_t s = 0; s < STAGES; s++)
		printf(" %8s", stages[s].title);
	printf("  0%*.1f\n", (int)width - 1, (double)end / 1000);
	json_object_foreach(processes, name, p) {
		printf("%-18.40s", name);
		for (size_t s = 0; s < STAGES; s++) {
			if (when(p, s) < 0)
				printf(" %8s", "-");
			else
				printf(" %8.1f", (double)when(p, s) / 1000);
		}
		draw(p, end, width);
	}
	printf("  .: until it runs, -: until it is jailed, =: until it is ready, |: the guest "
	    "runs or has a driver for it (>: later)\n");
}
