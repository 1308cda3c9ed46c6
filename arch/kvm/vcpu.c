/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM behind arch/hypervisor.h: vCPUs and why they come back. The kvm_run page
 * is written by KVM, not by the guest; of its values only the data are foreign.
 */
#include "arch/kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int
hv_create_vcpu(struct hv_vm *vm, uint32_t index, uint32_t id,
    struct hv_vcpu **out)
{
	struct hv_vcpu *vcpu;
	int slot = vm->vcpu_slot + (int)index;
	int fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	int moved, error;
	void *run;

	if (fd < 0)
		return -errno;
	moved = dup3(fd, slot, O_CLOEXEC);
	error = errno;
	close(fd);
	if (moved < 0)
		return -error;
	run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    slot, 0);
	if (run == MAP_FAILED)
		return -errno;
	vcpu = calloc(1, sizeof(*vcpu));
	if (vcpu == NULL)
		return -ENOMEM;
	vcpu->vm = vm;
	vcpu->fd = slot;
	vcpu->run = run;
	*out = vcpu;
	return 0;
}

void
hv_vcpu_interrupt(struct hv_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

void
hv_vcpu_resume(struct hv_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

static void
exit_error(struct hv_exit *exit, const char *what, uint64_t code)
{
	exit->kind = HV_EXIT_ERROR;
	exit->what = what;
	exit->code = code;
}

static void
exit_internal(struct hv_exit *exit, const struct kvm_run *run)
{
	const char *what = "KVM: internal error";

	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		what = "KVM cannot emulate the guest's instruction";
	exit_error(exit, what, run->internal.suberror);
}

static void
exit_system_event(struct hv_exit *exit, const struct kvm_run *run)
{
	switch (run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		exit->kind = HV_EXIT_SHUTDOWN;
		break;
	case KVM_SYSTEM_EVENT_RESET:
		exit->kind = HV_EXIT_RESET;
		break;
	default:
		exit_error(exit, "KVM: system event",
		    run->system_event.type);
		break;
	}
}

static void
decode(struct kvm_run *run, struct hv_exit *exit)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		exit->kind = HV_EXIT_IO;
		exit->write = run->io.direction == KVM_EXIT_IO_OUT;
		exit->len = run->io.size;
		exit->count = run->io.count;
		exit->addr = run->io.port;
		exit->data = (uint8_t *)run + run->io.data_offset;
		break;
	case KVM_EXIT_MMIO:
		exit->kind = HV_EXIT_MMIO;
		exit->write = run->mmio.is_write != 0;
		exit->len = run->mmio.len <= 8 ? run->mmio.len : 8;
		exit->count = 1;
		exit->addr = run->mmio.phys_addr;
		exit->data = run->mmio.data;
		break;
	case KVM_EXIT_IOAPIC_EOI:
		exit->kind = HV_EXIT_EOI;
		exit->addr = run->eoi.vector;
		break;
	case KVM_EXIT_HLT:
		exit->kind = HV_EXIT_HALT;
		break;
	case KVM_EXIT_SHUTDOWN:
		exit->kind = HV_EXIT_TRIPLE_FAULT;
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		exit_system_event(exit, run);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		exit_internal(exit, run);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		exit_error(exit, "KVM: the CPU refuses the guest's state",
		    run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
		exit->kind = HV_EXIT_INTERRUPTED;
		break;
	default:
		exit_error(exit, "KVM: unexpected exit", run->exit_reason);
		break;
	}
}

void
hv_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
		/*
		 * EINTR: a kick. EAGAIN: an INIT or SIPI woke a vCPU that had
		 * not been started. Both: nothing to do but to look again.
		 */
		if (errno == EINTR || errno == EAGAIN)
			exit->kind = HV_EXIT_INTERRUPTED;
		else
			exit_error(exit, "KVM_RUN failed, errno",
			    (uint64_t)errno);
		return;
	}
	decode(vcpu->run, exit);
}

/* With the flag set KVM completes the access, and comes back before the guest. */
bool
hv_vcpu_settle(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	hv_vcpu_interrupt(vcpu);
	hv_vcpu_run(vcpu, exit);
	return exit->kind != HV_EXIT_INTERRUPTED;
}
