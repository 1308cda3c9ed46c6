/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkheadctl crashes, as a table: a line a death, the latest first, and below it
 * the requests that the dead worker had taken last. For remote.c.
 */
#ifndef BULKHEAD_CTL_REMOTE_CRASHES_H
#define BULKHEAD_CTL_REMOTE_CRASHES_H

#include <jansson.h>

void remote_print_crashes(json_t *list);

#endif
