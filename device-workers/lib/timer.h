/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's own timer, at a number that its filter knows. For a device's start():
 * what is set and read afterwards is the device's.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_TIMER_H
#define BULKHEAD_DEVICE_WORKERS_LIB_TIMER_H

#include <sys/timerfd.h>
#include <time.h>

#include "ipc/place.h"

/* A timer of CLOCK_MONOTONIC at fd @slot, non-blocking, off. 0 or -errno. */
static inline int
timer_make(int slot)
{
	return place_fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
	    slot);
}

#endif
