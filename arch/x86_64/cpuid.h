/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUID of a guest: what the hypervisor supports, cut down to what the VM is
 * configured for, and with the topology leaves of each vCPU written anew. Pure
 * functions over tables of entries.
 */
#ifndef BULKHEAD_ARCH_X86_64_CPUID_H
#define BULKHEAD_ARCH_X86_64_CPUID_H

#include "arch/arch.h"
#include "arch/x86_64/state.h"

struct cpuid_table {
	uint32_t count;
	struct arch_cpuid_entry entry[ARCH_MAX_CPUID];
};

/* The entry, or NULL. */
struct arch_cpuid_entry *cpuid_find(struct cpuid_table *t, uint32_t function,
    uint32_t index);

/* What all vCPUs have in common. @host_phys_bits gets what the host has. */
void cpuid_common(struct cpuid_table *t, const struct arch_cpu_config *config,
    const struct hv_caps *caps, uint32_t *host_phys_bits);

/* @t as vCPU @index sees it; once on a copy for each vCPU. ENOSPC. */
int cpuid_vcpu(struct cpuid_table *t, const struct arch_cpu_config *config,
    uint32_t index);

/*
 * Has @given a feature that @here lacks? Then *@out says which. Sizes and addresses
 * are not looked at.
 */
bool cpuid_missing(struct cpuid_table *given, struct cpuid_table *here, char *out,
    size_t size);

/* boot.c: the CPUID of vCPU @index of this VM, on this host. */
void arch_vcpu_cpuid(uint32_t index, struct cpuid_table *out);

#endif
