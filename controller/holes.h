/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that left while the VM runs. Numbers of devices are in many places by then,
 * so that nobody moves up: a spec and a plan of a running VM may have holes, and what
 * looks at them as a whole looks at a copy without. Pure functions.
 */
#ifndef BULKHEAD_CONTROLLER_HOLES_H
#define BULKHEAD_CONTROLLER_HOLES_H

#include "controller/plan.h"

/* Take device @dev of @plan out of both; what it was stays until holes_squeeze(). */
void holes_make(struct vm_spec *spec, struct plan_device *dev);

/* Close the holes: those behind move up. */
void holes_squeeze(struct vm_spec *spec, struct vm_plan *plan);

/*
 * @to has one device more than @from, at the end of one of its lists: move it into a
 * hole of that list if there is one. @dev gets its kind, front and index. False: it has
 * not, or it is of a list that takes none at run time.
 */
bool holes_find_new(struct vm_spec *to, const struct vm_spec *from,
    struct plan_device *dev);

#endif
