/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller writes for people: the user's line on standard error, and
 * the log by --log-file and --log-format, its own lines and its children's.
 */
#ifndef BULKHEAD_CONTROLLER_OUTPUT_H
#define BULKHEAD_CONTROLLER_OUTPUT_H

#include <stdbool.h>

#include "controller/spec.h"
#include "ipc/log.h"

/* Check a --log-format. NULL, or what is wrong with it. */
const char *output_check_format(const char *format);

/* From now on lines go to standard error in this format; if there is to be a log
 * file, they wait for it. */
void output_open(const struct log_spec *log);

/* ... and to @fd, which becomes ours, with those that have waited. */
void output_to(int fd);

/* The log file was never opened: its lines go to standard error. */
void output_end(void);

/* Lines on a raw terminal need a carriage return. */
void output_raw(bool raw);

/* A line of child @name, as process @pid. */
void output_child(const char *name, unsigned int pid, enum log_level level,
    const char *text);

/* "bulkhead: ..." to standard error. */
void output_user(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
