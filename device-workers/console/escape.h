/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The escape in terminal input: Ctrl-] x stops the VM, Ctrl-] Ctrl-] is one
 * Ctrl-], and Ctrl-] before anything else is itself. Pure.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_CONSOLE_ESCAPE_H
#define BULKHEAD_DEVICE_WORKERS_CONSOLE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct escape {
	bool seen;		/* the last byte was an undecided Ctrl-] */
};

/*
 * Copy @len typed bytes from @in to @out, which holds @len + 1, without what is
 * an escape. @out may be @in - 1: bytes move towards the start only. Returns how
 * many came out; *stop is set if the user asked to stop.
 */
size_t escape_filter(struct escape *esc, uint8_t *out, const uint8_t *in,
    size_t len, bool *stop);

#endif
