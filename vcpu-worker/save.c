/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving a VM, see save.h. A record at a time is made, packed and written, so that no
 * more memory is needed than for the largest one.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proto/limits.h"
#include "vcpu-worker/save.h"

struct writer {
	uint64_t at;
	uint8_t record[VM_LIMIT_RECORD];
};

static struct writer writer;

static int
write_all(struct writer *w, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(FD_VM_STATE, w->record + done, len - done,
		    (off_t)(w->at + done));

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	w->at += len;
	return 0;
}

static int
put(struct writer *w, const Bh__VmState *state)
{
	size_t len = bh__vm_state__get_packed_size(state);

	if (len > sizeof(w->record))
		return -E2BIG;
	(void)bh__vm_state__pack(state, w->record);
	return write_all(w, len);
}

static int
save_machine(struct vm *vm, struct writer *w)
{
	Bh__VmState state = BH__VM_STATE__INIT;
	Bh__MachineState machine = BH__MACHINE_STATE__INIT;
	Bh__PciState bridge = BH__PCI_STATE__INIT;
	Bh__PvpanicState pvpanic;
	Bh__I6300esbState i6300esb;

	machine.max_vcpus = vm->cpus.max_vcpus;
	for (uint32_t i = 0; i < FD_DEVICE_COUNT; i++)
		machine.devices += vm->device[i] != NULL;
	hv_clock_save(vm->hv, &machine.clock_ns, &machine.realtime_ns);
	machine.pci_address = vm->pci.address;
	pci_save(&vm->pci.bridge, &bridge);
	machine.bridge = &bridge;
	if (vm->pvpanic.fn.host != NULL) {
		pvpanic_save(&vm->pvpanic, &pvpanic);
		machine.pvpanic = &pvpanic;
	}
	if (vm->watchdog.fn.host != NULL) {
		i6300esb_save(&vm->watchdog, &i6300esb);
		machine.i6300esb = &i6300esb;
	}
	state.machine = &machine;
	return put(w, &state);
}

_Static_assert((int)VCPU_OUT == (int)BH__VCPU_PLACE_STATE__VCPU_PLACE_STATE_OUT &&
    (int)VCPU_IN == (int)BH__VCPU_PLACE_STATE__VCPU_PLACE_STATE_IN &&
    (int)VCPU_LEAVING == (int)BH__VCPU_PLACE_STATE__VCPU_PLACE_STATE_LEAVING,
    "the same places");

static int
save_vcpu(struct vcpu *v, struct writer *w, const char **why)
{
	Bh__VmState state = BH__VM_STATE__INIT;
	Bh__VcpuState vcpu = BH__VCPU_STATE__INIT, *one = &vcpu;
	int rc;

	vcpu.index = v->index;
	vcpu.place = (Bh__VcpuPlaceState)atomic_load(&v->place);
	rc = arch_vcpu_save(v->hv, &vcpu, why);
	if (rc < 0)
		return rc;
	state.n_vcpus = 1;
	state.vcpus = &one;
	*why = "cannot write the state of a vCPU";
	return put(w, &state);
}

static int
save_device(struct device *d, struct writer *w)
{
	Bh__VmState state = BH__VM_STATE__INIT;
	Bh__VirtioState virtio = BH__VIRTIO_STATE__INIT, *one = &virtio;

	virtio.index = d->index;
	virtio_pci_save(&d->vp, &virtio, d->has_held ? &d->held : NULL);
	state.n_virtio = 1;
	state.virtio = &one;
	return put(w, &state);
}

int
vm_save(struct vm *vm, const char **why)
{
	struct writer *w = &writer;
	Bh__VmState version = BH__VM_STATE__INIT, last = BH__VM_STATE__INIT;
	int rc;

	*why = "a device that was removed by force, and the guest still has";
	if (devices_dead(vm))
		return -EBUSY;
	*why = "cannot write the state";
	w->at = 0;
	version.version = VM_STATE_VERSION;
	rc = put(w, &version);
	if (rc == 0)
		rc = save_machine(vm, w);
	for (uint32_t i = 0; rc == 0 && i < vm->cpus.max_vcpus; i++)
		rc = save_vcpu(&vm->vcpu[i], w, why);
	for (uint32_t i = 0; rc == 0 && i < FD_DEVICE_COUNT; i++)
		if (vm->device[i] != NULL)
			rc = save_device(vm->device[i], w);
	if (rc < 0)
		return rc;
	arch_platform_save(&last);
	return put(w, &last);
}
