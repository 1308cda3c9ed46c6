/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog of a VM, of either model, has not been served in time. Called by life.c
 * for what a child says.
 */
#ifndef BULKHEAD_CONTROLLER_WATCHDOG_H
#define BULKHEAD_CONTROLLER_WATCHDOG_H

#include "controller/vm.h"

/*
 * @child says so: an event, a line for the user, and the VM is reset, if it runs. 0, or
 * -EPROTO: this child has no watchdog.
 */
int watchdog_expired(const struct child *child);

#endif
