/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Microsoft hypervisor behind arch/hypervisor.h: not written yet. Every
 * function says so. It compiles and links against the contract in every build,
 * so that the contract stays one that a second hypervisor can meet.
 */
#include "arch/hypervisor.h"

#include <errno.h>

#define UNIMPLEMENTED (-ENOSYS)

int
hv_open(int dev_fd, struct hv_caps *caps)
{
	(void)dev_fd;
	(void)caps;
	return UNIMPLEMENTED;
}

int
hv_create_vm(int dev_fd, int vm_slot, int vcpu_slot, struct hv_vm **out)
{
	(void)dev_fd;
	(void)vm_slot;
	(void)vcpu_slot;
	(void)out;
	return UNIMPLEMENTED;
}

int
hv_supported_cpuid(int dev_fd, struct arch_cpuid_entry *entries,
    uint32_t *count)
{
	(void)dev_fd;
	(void)entries;
	*count = 0;
	return UNIMPLEMENTED;
}

int
hv_set_memory(struct hv_vm *vm, uint32_t slot, uint64_t gpa, uint64_t size,
    void *host, bool readonly)
{
	(void)vm;
	(void)slot;
	(void)gpa;
	(void)size;
	(void)host;
	(void)readonly;
	return UNIMPLEMENTED;
}

int
hv_create_irqchip(struct hv_vm *vm, uint32_t pins)
{
	(void)vm;
	(void)pins;
	return UNIMPLEMENTED;
}

int
hv_set_route(struct hv_vm *vm, uint32_t gsi, const struct hv_msi *msi)
{
	(void)vm;
	(void)gsi;
	(void)msi;
	return UNIMPLEMENTED;
}

int
hv_commit_routes(struct hv_vm *vm)
{
	(void)vm;
	return UNIMPLEMENTED;
}

int
hv_irqfd(struct hv_vm *vm, int fd, uint32_t gsi, bool assign)
{
	(void)vm;
	(void)fd;
	(void)gsi;
	(void)assign;
	return UNIMPLEMENTED;
}

int
hv_ioeventfd(struct hv_vm *vm, int fd, uint64_t gpa, bool assign)
{
	(void)vm;
	(void)fd;
	(void)gpa;
	(void)assign;
	return UNIMPLEMENTED;
}

int
hv_signal_msi(struct hv_vm *vm, const struct hv_msi *msi)
{
	(void)vm;
	(void)msi;
	return UNIMPLEMENTED;
}

int
hv_create_vcpu(struct hv_vm *vm, uint32_t index, uint32_t id,
    struct hv_vcpu **out)
{
	(void)vm;
	(void)index;
	(void)id;
	(void)out;
	return UNIMPLEMENTED;
}

void
hv_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	(void)vcpu;
	*exit = (struct hv_exit){ .kind = HV_EXIT_ERROR,
		.what = "MSHV: unimplemented" };
}

void
hv_vcpu_interrupt(struct hv_vcpu *vcpu)
{
	(void)vcpu;
}

void
hv_vcpu_resume(struct hv_vcpu *vcpu)
{
	(void)vcpu;
}

int
hv_vcpu_set_cpuid(struct hv_vcpu *vcpu,
    const struct arch_cpuid_entry *entries, uint32_t count)
{
	(void)vcpu;
	(void)entries;
	(void)count;
	return UNIMPLEMENTED;
}

int
hv_vcpu_get_state(struct hv_vcpu *vcpu, struct arch_vcpu_state *state)
{
	(void)vcpu;
	(void)state;
	return UNIMPLEMENTED;
}

int
hv_vcpu_set_state(struct hv_vcpu *vcpu, const struct arch_vcpu_state *state)
{
	(void)vcpu;
	(void)state;
	return UNIMPLEMENTED;
}

void
hv_clock_stop(struct hv_vm *vm)
{
	(void)vm;
}

void
hv_clock_go(struct hv_vm *vm)
{
	(void)vm;
}

void
hv_vcpu_was_away(struct hv_vcpu *vcpu)
{
	(void)vcpu;
}

int
hv_vcpu_unplugged(struct hv_vcpu *vcpu)
{
	(void)vcpu;
	return UNIMPLEMENTED;
}

bool
hv_vcpu_settle(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	(void)vcpu;
	(void)exit;
	return false;
}

int
hv_vcpu_save(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out, const char **why)
{
	(void)vcpu;
	(void)out;
	*why = "MSHV: unimplemented";
	return UNIMPLEMENTED;
}

int
hv_vcpu_load(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in, const char **why)
{
	(void)vcpu;
	(void)in;
	*why = "MSHV: unimplemented";
	return UNIMPLEMENTED;
}

void
hv_clock_save(struct hv_vm *vm, uint64_t *ns, uint64_t *realtime)
{
	(void)vm;
	*ns = *realtime = 0;
}

void
hv_clock_load(struct hv_vm *vm, uint64_t ns)
{
	(void)vm;
	(void)ns;
}
