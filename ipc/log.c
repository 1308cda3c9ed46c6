/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines, see log.h. Formats with vsnprintf into a buffer on the stack; what
 * is not printable becomes '?', so that nobody writes escape sequences to the
 * terminal of the person who reads the log.
 */
#include "ipc/log.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* Set once at start, before there is a second thread; read only afterwards. */
static log_sink_fn *log_sink;
static void *log_arg;
static enum log_level log_max = LOG_WARN;

void
log_open(enum log_level level, log_sink_fn *sink, void *arg)
{
	log_max = level;
	log_sink = sink;
	log_arg = arg;
}

static void __attribute__((format(printf, 2, 0)))
log_line(enum log_level level, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX + 1];

	if (log_sink == NULL || level > log_max)
		return;
	if (vsnprintf(line, sizeof(line), fmt, ap) < 0)
		return;
	for (char *c = line; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	log_sink(level, line, log_arg);
}

void
log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(level, fmt, ap);
	va_end(ap);
}

/*
 * Tokens: LOG_GUEST_BURST to begin with, one more a second. Each thread has its
 * own, so that no lock is taken where a guest can spin.
 */
static bool
guest_may_log(enum log_level level)
{
	static _Thread_local unsigned int tokens = LOG_GUEST_BURST;
	static _Thread_local unsigned int dropped;
	static _Thread_local time_t last;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (tokens < LOG_GUEST_BURST && now.tv_sec != last)
		tokens++;
	if (tokens == 0) {
		dropped++;
		return false;
	}
	last = now.tv_sec;
	tokens--;
	if (dropped > 0) {
		log_at(level, "%u lines that the guest caused left out",
		    dropped);
		dropped = 0;
	}
	return true;
}

void
log_guest(const char *fmt, ...)
{
	va_list ap;

	if (!guest_may_log(LOG_WARN))
		return;
	va_start(ap, fmt);
	log_line(LOG_WARN, fmt, ap);
	va_end(ap);
}

void
log_guest_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!guest_may_log(level))
		return;
	va_start(ap, fmt);
	log_line(level, fmt, ap);
	va_end(ap);
}
