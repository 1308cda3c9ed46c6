/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller makes itself, without a path: guest memory, byte rings,
 * eventfds, buses. It maps none of it.
 */
#ifndef BULKHEAD_CONTROLLER_RESOURCES_H
#define BULKHEAD_CONTROLLER_RESOURCES_H

#include "controller/vm.h"

/* All: 0, or -errno with the line said. */
int resources_memory(struct vm *vm);

/* Memory of @size bytes beside it, as the VM's other memory is: an fd, or -errno and
 * *why. */
int resources_dimm(struct vm *vm, uint64_t size, const char **why);
int resources_rings(struct vm *vm);
int resources_limits(struct vm *vm);		/* state of rate limit groups */
int resources_device(struct child *worker);	/* eventfds, bus */

/* A new pair of bus ends for @worker; a reset's. -errno. */
int resources_bus(struct child *worker);

/* Give all RAM back: the guest's next boot finds zeros. -errno. */
int resources_punch(struct vm *vm);

/* Throw away kicks and interrupts of a VM that is over. */
void resources_drain_events(struct child *worker);

#endif
