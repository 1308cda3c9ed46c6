/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What plan.c and plan_pci.c share, and nobody else includes: which devices there are
 * is the one's, where on PCI they are the other's.
 */
#ifndef BULKHEAD_CONTROLLER_PLAN_INSIDE_H
#define BULKHEAD_CONTROLLER_PLAN_INSIDE_H

#include "controller/plan.h"

/* What the user said of @dev's place. */
const struct pci_spec *plan_pci_of(const struct vm_spec *spec,
    const struct plan_device *dev);

/* A watchdog that the vcpu-worker serves itself: it has a slot, and is no device. */
bool plan_has_i6300esb(const struct vm_spec *spec);

/*
 * The segments, and a slot for each device and for what the vcpu-worker serves itself.
 * -EINVAL and the line.
 */
int plan_places(struct vm_plan *plan, const struct vm_spec *spec,
    struct spec_error *err);

/* A slot for one device more, of a running VM. -EINVAL and the line. */
int plan_place(const struct vm_plan *plan, const struct pci_spec *pci, uint32_t *bdf,
    struct spec_error *err);

#endif
