// SPDX-License-Identifier: Apache-2.0
//
// An expired watchdog, see watchdog.h.
#include "controller/watchdog.h"

#include <errno.h>

#include "controller/life.h"
#include "controller/manage.h"
#include "ipc/log.h"

int
watchdog_expired(const struct child *child)
{
	struct vm *vm = child->vm;
	bool registers = child->kind == PROC_VCPU && vm->plan.i6300esb_bdf != 0;

	if (child->kind != PROC_WATCHDOG && !registers)
		return -EPROTO;
	if (vm->state != VM_RUNNING)
		return 0;
	log_warn("the guest has not served its watchdog in time: it is reset");
	manage_event(vm, "guest", "watchdog");
	vm->watchdog_fired = registers;
	life_reset(vm);
	return 0;
}
