/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What paths.c, which asks for paths, has in common with taken.c, which takes what
 * they lead to, and adopt.c, which takes fds in place of them. For nobody else.
 */
#ifndef BULKHEAD_CONTROLLER_PATHS_INSIDE_H
#define BULKHEAD_CONTROLLER_PATHS_INSIDE_H

#include "controller/vm.h"

/* By VM_CONSOLE and so on, as the options are named. */
extern const char *const path_port_names[VM_PORTS];
const struct port_spec *path_port(const struct vm *vm, uint32_t port);

/* The kernel or the firmware; NULL: neither is given. */
const char *path_kernel(const struct vm_spec *spec);

/*
 * A disk's file @fd is open, @opened says what it is; @folder and @own or -1. Takes
 * the fds. 0, or -errno with the line said.
 */
int path_take_disk(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, int fd, int folder, int own);

/* Say that the start has failed by @item, and why (@text). -EINVAL. */
int path_refuse(struct vm *vm, const struct path_item *item, const char *text);

#endif
