/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd is told (sd_notify(3), Type=notify): that the VMM is ready, and that
 * it ends. Without NOTIFY_SOCKET in the environment nobody is told anything.
 */
#ifndef BULKHEAD_CONTROLLER_SERVICE_H
#define BULKHEAD_CONTROLLER_SERVICE_H

/* Before the controller confines itself: connect to the socket of the environment. */
void service_open(void);

/* Once: the guest runs, or the API listens. */
void service_ready(void);
void service_stopping(void);

#endif
