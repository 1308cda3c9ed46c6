/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. A child sends them through its channel to the controller, which
 * writes them; the controller's own go where --log-file says. Lines that a guest
 * can trigger go through log_guest(), which is rate limited. Uses no stdio, and
 * strerror() is banned under the jail: say -errno by log_errname().
 */
#ifndef BULKHEAD_IPC_LOG_H
#define BULKHEAD_IPC_LOG_H

#include <stdarg.h>
#include <stddef.h>

#define LOG_LINE_MAX 480u

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Gets every line at or below the level, without newline. */
typedef void log_sink_fn(enum log_level level, const char *line, void *arg);

/* Before the first line; @sink is called from the thread that logs. */
void log_open(enum log_level level, log_sink_fn *sink, void *arg);

void log_at(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/*
 * At most LOG_GUEST_BURST such lines from a process, then one a second and a
 * count of those left out.
 */
#define LOG_GUEST_BURST 10u
void log_guest(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same at another level: for what a harmless guest does, too. */
void log_guest_at(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "ENOSPC" for 28 or -28; static. Calls nothing that a filter could miss. */
const char *log_errname(int error);

/* "no space left on device": the words for the user's line; static. */
const char *log_errtext(int error);

#endif
