// SPDX-License-Identifier: Apache-2.0
//
// Another size of a VM, see resize_vm.h.
#include "controller/resize_vm.h"

#include <errno.h>

#include "controller/balloon.h"
#include "controller/manage.h"
#include "controller/memory.h"
#include "controller/supervise.h"
#include "ipc/log.h"

/* It only marks them; the guest has all the time it likes. */
#define RESIZE_SECONDS 5u

void
resize_vm_booted(struct vm *vm)
{
	vm->vcpus = vm->want_vcpus = vm->spec.cpus.boot;
	vm->vcpus_leaving = false;
}

static void
ask(struct vm *vm, uint32_t vcpus)
{
	Bh__ResizeVcpus resize = BH__RESIZE_VCPUS__INIT;
	CHAN_PACKET(p, RESIZE_VCPUS, resize_vcpus, &resize);

	resize.count = vcpus;
	vm->want_vcpus = vcpus;
	manage_event(vm, "vm", "resizing");
	child_send(vm->vcpu, &p, NULL, 0, 0, RESIZE_SECONDS);
}

/* What can be said before anything is changed. */
static uint32_t
refuse(const struct vm *vm, const uint64_t *const sizes[RESIZE_COUNT],
    const char **why)
{
	const uint64_t *vcpus = sizes[RESIZE_VCPUS], *ram = sizes[RESIZE_RAM];

	uint32_t status = ram != NULL ? memory_refuse(vm, *ram, why) : 0;

	if (status != 0)
		return status;
	*why = "desired_vcpus: from 1 to --cpus max=";
	if (vcpus != NULL && (*vcpus == 0 || *vcpus > vm->spec.cpus.max))
		return 500;
	*why = "the guest is still asked to let vCPUs go; try again";
	if (vcpus != NULL && vm->state == VM_RUNNING && vm->vcpus_leaving)
		return 429;
	return 0;
}

uint32_t
resize_vm(struct vm *vm, const uint64_t *const sizes[RESIZE_COUNT],
    const char **why)
{
	uint32_t status = refuse(vm, sizes, why);
	int rc = 0;

	if (status == 0 && sizes[RESIZE_BALLOON] != NULL)
		rc = balloon_resize(vm, *sizes[RESIZE_BALLOON], why);
	if (status != 0 || rc != 0)
		return status != 0 ? status : rc == -EINVAL ? 400 : 500;
	if (sizes[RESIZE_RAM] != NULL)
		status = memory_resize(vm, *sizes[RESIZE_RAM], why);
	if (status >= 300 || (sizes[RESIZE_RAM] != NULL &&
	    sizes[RESIZE_VCPUS] == NULL))
		return status;
	if (sizes[RESIZE_VCPUS] == NULL)
		return 204;
	if (vm->state != VM_RUNNING) {
		vm->spec.cpus.boot = (uint32_t)*sizes[RESIZE_VCPUS];
		return 204;
	}
	ask(vm, (uint32_t)*sizes[RESIZE_VCPUS]);
	return 0;
}

void
resize_vm_answered(struct vm *vm, const Bh__Failed *failed)
{
	if (failed != NULL) {
		manage_resized(vm, failed->error == EBUSY ? 429 : 500,
		    failed->text);
		return;
	}
	vm->vcpus_leaving = vm->want_vcpus < vm->vcpus;
	if (!vm->vcpus_leaving)
		vm->vcpus = vm->want_vcpus;
	/* A guest that boots again has as many. */
	vm->spec.cpus.boot = vm->want_vcpus;
	manage_event(vm, "vm", "resized");
	manage_resized(vm, 204, "");
}

int
resize_vm_changed(struct vm *vm, const Bh__VcpusChanged *changed)
{
	if (changed->count > vm->spec.cpus.max)
		return -EPROTO;
	if (changed->refused)
		log_warn("the guest does not let vCPUs go: it has %u",
		    changed->count);
	else
		log_info("the guest has %u vCPUs", changed->count);
	vm->vcpus = changed->count;
	/* The last of those asked for, or it was the guest's own wish. */
	if (changed->refused || vm->vcpus <= vm->want_vcpus)
		vm->vcpus_leaving = false;
	if (!vm->vcpus_leaving)
		vm->spec.cpus.boot = vm->vcpus;
	manage_event(vm, "vm", changed->refused ? "vcpus-kept" :
	    "vcpus-removed");
	return 0;
}
