/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vm.counters says: the counters in the records of disks and nets, and what
 * the controller itself knows of them. Called by manage.c; asks no worker.
 */
#ifndef BULKHEAD_CONTROLLER_COUNT_H
#define BULKHEAD_CONTROLLER_COUNT_H

#include "controller/vm.h"

/* Gets @n devices: the name of one as the option, its counters as values. */
typedef void count_part_fn(void *arg, size_t n, Bh__ApiOption **devices);

/* In parts that fit into a message each. */
void count_devices(const struct vm *vm, count_part_fn *part_done, void *arg);

#endif
