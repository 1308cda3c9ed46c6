/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the opener's tc filter (controller/opener/guard.c) off an interface, when
 * the VM is over. Called by the spawner alone, which has root's rights.
 */
#ifndef BULKHEAD_CONTROLLER_SPAWNER_FILTER_H
#define BULKHEAD_CONTROLLER_SPAWNER_FILTER_H

#include <stdbool.h>
#include <stdint.h>

/* Does not matter if it, or the interface, is no longer there. */
void filter_remove(uint32_t ifindex, bool egress);

#endif
