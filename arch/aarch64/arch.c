/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AArch64 behind arch/arch.h: not written yet. Every function says so. It
 * compiles and links against the contract in every build, so that the contract
 * stays one that a second architecture can meet.
 */
#include "arch/arch.h"

#include <errno.h>

#define UNIMPLEMENTED (-ENOSYS)

const struct arch_layout arch_layout = { 0 };

uint32_t
arch_vcpu_id(const struct arch_cpu_config *config, uint32_t index)
{
	(void)config;
	return index;
}

int
arch_cpu_init(int dev_fd, const struct hv_caps *caps,
    const struct arch_cpu_config *config, const char **why)
{
	(void)dev_fd;
	(void)caps;
	(void)config;
	*why = "AArch64: unimplemented";
	return UNIMPLEMENTED;
}

int
arch_vcpu_init(struct hv_vcpu *vcpu, uint32_t index,
    const struct arch_boot *boot)
{
	(void)vcpu;
	(void)index;
	(void)boot;
	return UNIMPLEMENTED;
}

int
arch_boot_memory(struct gmem *mem, const struct arch_boot *boot)
{
	(void)mem;
	(void)boot;
	return UNIMPLEMENTED;
}

int
arch_irqchip_init(struct hv_vm *vm)
{
	(void)vm;
	return UNIMPLEMENTED;
}

int
arch_platform_init(const struct arch_platform_config *config,
    const char **why)
{
	(void)config;
	*why = "AArch64: unimplemented";
	return UNIMPLEMENTED;
}

void
arch_eoi(uint32_t vector)
{
	(void)vector;
}

uint64_t
arch_vcpu_pc(struct hv_vcpu *vcpu)
{
	(void)vcpu;
	return 0;
}

int
arch_dimm_add(uint32_t i, uint64_t base, uint64_t size, bool fresh)
{
	(void)i;
	(void)base;
	(void)size;
	(void)fresh;
	return UNIMPLEMENTED;
}

int
arch_dimm_ask(uint32_t i)
{
	(void)i;
	return UNIMPLEMENTED;
}

int
arch_vcpus_resize(uint32_t want, arch_plug_fn *plug, void *arg)
{
	(void)want;
	(void)plug;
	(void)arg;
	return UNIMPLEMENTED;
}

uint32_t
arch_vcpus_count(void)
{
	return 0;
}

void
arch_slot_changed(uint32_t bus, uint32_t slot, bool came)
{
	(void)bus;
	(void)slot;
	(void)came;
}

void
arch_power_button(void)
{
}

void
arch_rings_ready(void)
{
}

void
arch_nmi(struct hv_vm *vm, const struct arch_cpu_config *config)
{
	(void)vm;
	(void)config;
}

int
arch_vcpu_save(struct hv_vcpu *vcpu, Bh__VcpuState *state, const char **why)
{
	(void)vcpu;
	(void)state;
	*why = "AArch64: unimplemented";
	return UNIMPLEMENTED;
}

int
arch_vcpu_fits(const Bh__VcpuState *state, const char **why)
{
	(void)state;
	*why = "AArch64: unimplemented";
	return UNIMPLEMENTED;
}

int
arch_vcpu_load(struct hv_vcpu *vcpu, const Bh__VcpuState *state, const char **why)
{
	(void)vcpu;
	(void)state;
	*why = "AArch64: unimplemented";
	return UNIMPLEMENTED;
}

void
arch_platform_save(Bh__VmState *state)
{
	(void)state;
}

bool
arch_platform_is_last(const Bh__VmState *state)
{
	(void)state;
	return false;
}

int
arch_platform_fits(const Bh__VmState *state, const char **why)
{
	(void)state;
	*why = "AArch64: unimplemented";
	return UNIMPLEMENTED;
}

void
arch_platform_load(const Bh__VmState *state)
{
	(void)state;
}
