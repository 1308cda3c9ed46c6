/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line on the user's terminal about work that lasts: what it is, and how far. It
 * shows after a second, is written over, and is gone when the work is done. Where
 * standard error is no terminal, all of this does nothing. For bulkheadctl alone.
 */
#ifndef BULKHEAD_CTL_PROGRESS_H
#define BULKHEAD_CTL_PROGRESS_H

#include <stdint.h>

/* A piece of work begins, and with it its clock. @what is kept, not copied. */
void progress_begin(const char *what);

/* It is at @at of @of (0: nobody knows of how many), which are @unit. */
void progress_at(unsigned int at, unsigned int of, const char *unit);

/* Until @fd can be read, or for @seconds (0: for ever) where it is -1. */
void progress_wait(int fd, unsigned int seconds);

/* Before anything else is printed, and at the end of the work. */
void progress_clear(void);

#endif
