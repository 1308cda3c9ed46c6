/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's own jail: what it gives away once the spawner runs.
 */
#ifndef BULKHEAD_CONTROLLER_CONFINE_H
#define BULKHEAD_CONTROLLER_CONFINE_H

#include "controller/vm.h"

/*
 * Drop to the VM's own uid (as root), all capabilities, the right to gain any,
 * and access to every path. 0, or -errno with the line said.
 */
int confine(struct vm *vm);

#endif
