/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM behind arch/hypervisor.h: kvmclock and the TSCs, at a standstill and across a
 * save and load. Linux, Documentation/virt/kvm/api.rst (KVM_GET_CLOCK) and
 * devices/vcpu.rst (KVM_VCPU_TSC_OFFSET).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "arch/kvm/x86_64.h"
#include "arch/x86_64/saved.h"

#define MSR_TSC 0x10u
#define NS_PER_S 1000000000ull

static char text[80];

/* ---- The guest's clock ---- */

static uint64_t
realtime(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void
hv_clock_stop(struct hv_vm *vm)
{
	vm->clock_stopped =
	    kvm_hv_ioctl(vm->fd, KVM_GET_CLOCK, &vm->clock) == 0;
	vm->realtime = realtime();
	vm->has_tsc_base = false;
	/* Without KVM_CLOCK_REALTIME: it shall not catch up. */
	vm->clock.flags = 0;
}

void
hv_clock_go(struct hv_vm *vm)
{
	if (vm->clock_stopped)
		(void)kvm_hv_ioctl(vm->fd, KVM_SET_CLOCK, &vm->clock);
	vm->clock_stopped = false;
}

/* EINVAL: the guest does not use kvmclock. */
void
hv_vcpu_was_away(struct hv_vcpu *vcpu)
{
	(void)kvm_hv_ioctl_value(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

void
hv_clock_save(struct hv_vm *vm, uint64_t *ns, uint64_t *realtime_ns)
{
	*ns = vm->clock_stopped ? vm->clock.clock : 0;
	*realtime_ns = vm->realtime;
}

void
hv_clock_load(struct hv_vm *vm, uint64_t ns)
{
	memset(&vm->clock, 0, sizeof(vm->clock));
	vm->clock.clock = ns;
	vm->clock_stopped = true;
	vm->has_tsc_base = false;
}

/* ---- TSC ---- */

static struct kvm_device_attr
offset_attr(uint64_t *offset)
{
	return (struct kvm_device_attr){
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};
}

void
kvm_hv_probe_tsc(struct hv_vcpu *vcpu)
{
	struct kvm_device_attr attr = offset_attr(NULL);

	vcpu->vm->tsc_offsets = kvm_hv_ioctl(vcpu->fd, KVM_HAS_DEVICE_ATTR, &attr) == 0;
}

/* Read or write the one MSR. */
static int
msr_tsc(struct hv_vcpu *vcpu, unsigned long request, uint64_t *value)
{
	_Alignas(8) uint8_t buf[sizeof(struct kvm_msrs) +
	    sizeof(struct kvm_msr_entry)] = { 0 };
	struct kvm_msrs *m = (void *)buf;
	int rc;

	m->nmsrs = 1;
	m->entries[0] = (struct kvm_msr_entry){ .index = MSR_TSC, .data = *value };
	rc = kvm_hv_ioctl(vcpu->fd, request, m);
	*value = m->entries[0].data;
	return rc == 1 ? 0 : rc < 0 ? rc : -EIO;
}

/*
 * What a TSC of offset 0 reads, taken once for all vCPUs, so that they stay as far
 * apart as the guest had them (nothing, usually). *offset: of this vCPU.
 */
static int
tsc_base(struct hv_vcpu *vcpu, uint64_t *offset)
{
	struct kvm_device_attr attr = offset_attr(offset);
	struct hv_vm *vm = vcpu->vm;
	uint64_t now = 0;
	int rc = 0;

	*offset = 0;
	if (vm->tsc_offsets)
		rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_DEVICE_ATTR, &attr);
	if (rc < 0 || (vm->tsc_offsets && vm->has_tsc_base))
		return rc;
	rc = msr_tsc(vcpu, KVM_GET_MSRS, &now);
	if (rc < 0)
		return rc;
	vm->tsc_base = now - *offset;
	vm->has_tsc_base = true;
	return 0;
}

int
kvm_hv_get_tsc(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out)
{
	uint64_t offset;
	int rc = tsc_base(vcpu, &offset);

	if (rc < 0)
		return rc;
	out->tsc = vcpu->vm->tsc_base + offset;
	rc = kvm_hv_ioctl_value(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	out->tsc_khz = rc < 0 ? 0 : (uint32_t)rc;
	return rc < 0 ? rc : 0;
}

int
kvm_hv_set_tsc(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in, const char **why)
{
	int khz = kvm_hv_ioctl_value(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	struct kvm_device_attr attr;
	uint64_t offset;
	int rc = 0;

	(void)snprintf(text, sizeof(text), "the guest's TSC runs at %u kHz, this host's at %d",
	    in->tsc_khz, khz);
	*why = text;
	if (khz < 0 || (uint32_t)khz != in->tsc_khz)
		rc = kvm_hv_ioctl_value(vcpu->fd, KVM_SET_TSC_KHZ, in->tsc_khz);
	if (rc < 0)
		return rc;
	*why = "the TSC";
	rc = tsc_base(vcpu, &offset);
	if (rc < 0)
		return rc;
	if (vcpu->vm->tsc_offsets) {
		offset = in->tsc - vcpu->vm->tsc_base;
		attr = offset_attr(&offset);
		return kvm_hv_ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &attr);
	}
	offset = in->tsc;
	return msr_tsc(vcpu, KVM_SET_MSRS, &offset);
}
