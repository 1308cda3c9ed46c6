/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration messages: from spec and plan to DeviceConfig, LoadConfig,
 * VmConfig and the memory regions. Nothing but translation.
 */
#ifndef BULKHEAD_CONTROLLER_CONFIG_H
#define BULKHEAD_CONTROLLER_CONFIG_H

#include "controller/vm.h"

/* Send @child everything it is configured by. */
void config_send(struct child *child);
/* The same for an opener, which has nothing to wait for: right after child_spawn(). */
void config_send_opener(struct child *child);
/* Guest memory: AddMemory, a region each. */
void config_send_memory(struct child *child);
/* --seccomp */
Bh__SeccompMode config_seccomp(const struct vm *vm);

#endif
