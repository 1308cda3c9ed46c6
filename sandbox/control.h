/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child's end of its channel to the controller: what all of them say alike. Who it is,
 * what it logs, the listener of its filter, and the wait for what it is to do. Called by
 * the children's mains; knows nothing of what any of them is for, and is not the
 * controller's.
 */
#ifndef BULKHEAD_SANDBOX_CONTROL_H
#define BULKHEAD_SANDBOX_CONTROL_H

#include "ipc/chan.h"
#include "ipc/log.h"

/* Hello, with this build. 0 or -errno. Device workers, whose state has versions, say more
 * by themselves. */
int control_hello(struct chan *ctl);

/* For log_open(): @ctl is the struct chan. A line that finds the queue full is lost. */
void control_log(enum log_level level, const char *line, void *ctl);

/* What jail_close() gave: passed on and closed; -1, of a mode that has none, is well. */
int control_listener(struct chan *ctl, int listener);

/*
 * The next message, however long that takes; to be ended by chan_done(). 1: there is one;
 * 0: the controller hung up; -errno, and what was wrong with a message is logged.
 */
int control_receive(struct chan *ctl, struct chan_msg *msg);

#endif
