/* SPDX-License-Identifier: Apache-2.0 */
/* How long a device stood still between two completions, again and again. */
#ifndef BULKHEAD_TESTS_GUEST_PACE_H
#define BULKHEAD_TESTS_GUEST_PACE_H

#include "lib/guest.h"

/* One more completion. */
void pace(void);
/* A line for each length of 2 ms or more: "gap US TIMES", in steps of 0.25 ms. */
void pace_say(void);
/* Was the power button pressed? A port is read, at most 20 times a second. */
bool button(void);

#endif
