/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What whoever starts a twin tells it, through a pipe at TWIN_ORDER,
 * since the spawner gives a child no arguments.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_ATTACK_ORDER_H
#define BULKHEAD_CONTROLLER_CTL_ATTACK_ORDER_H

#include <stdint.h>

#define NO_CHANGE UINT32_MAX
#define TWIN_ORDER 31	/* fd slot, not a slot of any kind */

struct twin_order {
	char attempt[32];	/* see twin.c; "" does nothing */
	char fail_stage[32];	/* BULKHEAD_FAIL_STAGE, or "" */
	uint32_t mode;		/* enum jail_mode */
	uint32_t threaded;	/* attempt from a second thread */
	char policy[24];	/* attempt "rule": of which policy (sandbox/known.h) */
	uint32_t rule;		/* ... which of its rules */
	uint32_t change;	/* ... which of its conditions is broken, or NO_CHANGE */
	uint32_t fd;		/* attempt "ioctl": on this; 0: on the back end */
	char path[108];		/* attempts at another VM: its API socket */
	char control[64];	/* ... its channel */
};

/* Exit status of a twin that was not killed. */
enum twin_exit {
	TWIN_QUIET = 0,		/* nothing was attempted */
	TWIN_FAILED = 1,	/* a stage of the jail failed */
	TWIN_SUCCEEDED = 42,	/* the call was made */
	TWIN_EPERM = 43,	/* ... and failed with EPERM */
	TWIN_OTHER = 44,	/* ... or with something else */
	TWIN_EACCES = 46,	/* ... or with EACCES */
	TWIN_ENOENT = 47,	/* ... or with ENOENT */
	TWIN_CONFUSED = 45,	/* the order makes no sense */
};

#endif
