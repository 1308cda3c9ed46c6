/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkheadctl boot-timeline as a picture: a line a process, from when it was asked
 * for to when it was ready. Called by remote.c with what the API said.
 */
#ifndef BULKHEAD_CTL_REMOTE_TIMELINE_H
#define BULKHEAD_CTL_REMOTE_TIMELINE_H

#include <jansson.h>

void remote_print_timeline(json_t *processes);

#endif
