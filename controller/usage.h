/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the one line that a user gets for a mistake on the command line. Foreign
 * text in it is made printable and cut, so that it stays one line.
 */
#ifndef BULKHEAD_CONTROLLER_USAGE_H
#define BULKHEAD_CONTROLLER_USAGE_H

#include "controller/spec.h"
#include "controller/values.h"

/*
 * Fill in @err and return -EINVAL, for `return usage(...)`. In @fmt, %S stands
 * for a struct span pointer, %s for own text, %u for an unsigned int, %l for a
 * uint64_t, %z for one that is a size.
 */
int usage(struct spec_error *err, const char *fmt, ...);

#endif
