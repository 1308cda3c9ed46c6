/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd is told (sd_notify(3), Type=notify): that the VMM is ready, and that
 * it ends, and, where it watches (WatchdogSec=), that the controller's loop turns.
 * Without NOTIFY_SOCKET in the environment nobody is told anything.
 */
#ifndef BULKHEAD_CONTROLLER_SERVICE_H
#define BULKHEAD_CONTROLLER_SERVICE_H

struct loop;

/*
 * Before the controller confines itself: connect to the socket of the environment,
 * and have @loop keep the watchdog content.
 */
void service_open(struct loop *loop);

/* Once: the guest runs, or the API listens. */
void service_ready(void);
void service_stopping(void);

#endif
