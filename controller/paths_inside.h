/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What paths.c, which asks for paths, has in common with taken.c, which takes what
 * they lead to. For nobody else.
 */
#ifndef BULKHEAD_CONTROLLER_PATHS_INSIDE_H
#define BULKHEAD_CONTROLLER_PATHS_INSIDE_H

#include "controller/vm.h"

/* By VM_CONSOLE and so on, as the options are named. */
extern const char *const path_port_names[VM_PORTS];
const struct port_spec *path_port(const struct vm *vm, uint32_t port);

/* The kernel or the firmware; NULL: neither is given. */
const char *path_kernel(const struct vm_spec *spec);

/* "fd=5" is no path, but 5; -1: it is one ("./fd=5", too), or NULL. */
int path_fd(const char *path);

/* Say that the start has failed by @item, and why (@text). -EINVAL. */
int path_refuse(struct vm *vm, const struct path_item *item, const char *text);

#endif
