/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The APIC ID of a vCPU, from the topology: shared by the loader, which writes it
 * into the MADT, and the vcpu-worker, which makes the vCPU and its CPUID leaves
 * with it. Pure arithmetic.
 *
 * Each level (thread, core, die) has as many bits as its count needs (Intel SDM
 * vol. 3A 9.9.1); CPUs are counted threads first. With counts that are powers of
 * two the APIC ID is the index.
 */
#ifndef BULKHEAD_ARCH_X86_64_APICID_H
#define BULKHEAD_ARCH_X86_64_APICID_H

#include <stdint.h>

/* Bits that number @count things, 0 for one. */
static inline unsigned int
x86_topology_bits(uint32_t count)
{
	return count <= 1 ? 0 : 32u - (unsigned int)__builtin_clz(count - 1);
}

/*
 * APIC ID of vCPU @cpu with @threads a core, @cores a die and @dies a package;
 * a 0 counts as 1, so that (cpu, 0, 0, 0) is @cpu.
 */
static inline uint32_t
x86_apic_id(uint32_t cpu, uint32_t threads, uint32_t cores, uint32_t dies)
{
	const uint32_t count[3] = { threads, cores, dies };
	uint64_t id = 0;
	unsigned int shift = 0;

	if (threads <= 1 && cores <= 1 && dies <= 1)
		return cpu;
	for (unsigned int i = 0; i < 3; i++) {
		uint32_t n = count[i] ? count[i] : 1;

		id |= (uint64_t)(cpu % n) << shift;
		shift += x86_topology_bits(n);
		if (shift > 32)
			shift = 32;
		cpu /= n;
	}
	return (uint32_t)(id | (uint64_t)cpu << shift);
}

#endif
