/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What life.c, the state machine, has in common with life_messages.c, which hears
 * what children say. For nobody else.
 */
#ifndef BULKHEAD_CONTROLLER_LIFE_INSIDE_H
#define BULKHEAD_CONTROLLER_LIFE_INSIDE_H

#include "controller/vm.h"

/* Whatever waited can go on. */
void life_go_on(struct vm *vm);

/*
 * A loader that somebody has killed is started once more: what it had written, the next
 * one writes, too. What it died of by itself it would die of again.
 */
bool life_loads_again(const struct child *child);

#endif
