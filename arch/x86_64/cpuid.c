/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUID, see cpuid.h. Leaves and fields: Intel SDM vol. 2A (CPUID), AMD APM
 * vol. 3 appendix E, Linux Documentation/virt/kvm/x86/cpuid.rst.
 */
#include "arch/x86_64/cpuid.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/apicid.h"

#define LEAF_CACHE_INTEL 0x4u
#define LEAF_TOPOLOGY 0xbu
#define LEAF_TOPOLOGY_V2 0x1fu
#define LEAF_HYPERVISOR 0x40000000u
#define LEAF_KVM 0x40000001u
#define LEAF_EXT_FEATURES 0x80000001u
#define LEAF_ADDRESS_SIZES 0x80000008u
#define LEAF_SVM 0x8000000au
#define LEAF_CACHE_AMD 0x8000001du
#define LEAF_TOPOLOGY_AMD 0x8000001eu
#define LEAF_TOPOLOGY_AMD_V2 0x80000026u

#define F1_ECX_VMX (1u << 5)
#define F1_ECX_X2APIC (1u << 21)
#define F1_ECX_TSC_DEADLINE (1u << 24)
#define F1_ECX_HYPERVISOR (1u << 31)
#define F1_EDX_HTT (1u << 28)
#define FEXT_ECX_SVM (1u << 2)
#define KVM_FEATURE_MSI_EXT_DEST_ID (1u << 15)

/* Targets above this do not fit the 8 bits of a plain MSI. */
#define MAX_XAPIC_VCPUS 254u

struct topology {
	uint32_t threads, cores, dies;		/* each of the level above */
	uint32_t thread_bits, core_bits, die_bits;	/* summed up */
	uint32_t per_core, per_die, per_package;	/* logical CPUs */
};

static struct topology
topology_of(const struct arch_cpu_config *config)
{
	struct topology t = {
		.threads = config->threads, .cores = config->cores,
		.dies = config->dies,
	};

	/* Not given: one package of single-threaded cores. */
	if (t.threads == 0 || t.cores == 0 || t.dies == 0) {
		t.threads = t.dies = 1;
		t.cores = config->max_vcpus;
	}
	t.thread_bits = x86_topology_bits(t.threads);
	t.core_bits = t.thread_bits + x86_topology_bits(t.cores);
	t.die_bits = t.core_bits + x86_topology_bits(t.dies);
	t.per_core = t.threads;
	t.per_die = t.threads * t.cores;
	t.per_package = t.per_die * t.dies;
	return t;
}

uint32_t
arch_vcpu_id(const struct arch_cpu_config *config, uint32_t index)
{
	return x86_apic_id(index, config->threads, config->cores,
	    config->dies);
}

struct arch_cpuid_entry *
cpuid_find(struct cpuid_table *t, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < t->count; i++) {
		struct arch_cpuid_entry *e = &t->entry[i];

		if (e->function == function &&
		    (!e->indexed || e->index == index))
			return e;
	}
	return NULL;
}

static void
remove_leaf(struct cpuid_table *t, uint32_t function)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->count; i++)
		if (t->entry[i].function != function)
			t->entry[kept++] = t->entry[i];
	t->count = kept;
}

static int
add_entry(struct cpuid_table *t, const struct arch_cpuid_entry *e)
{
	if (t->count >= ARCH_MAX_CPUID)
		return -ENOSPC;
	t->entry[t->count++] = *e;
	return 0;
}

static void
limit_phys_bits(struct cpuid_table *t, uint32_t limit,
    uint32_t *host_phys_bits)
{
	struct arch_cpuid_entry *e = cpuid_find(t, LEAF_ADDRESS_SIZES, 0);
	uint32_t bits = e != NULL ? e->eax & 0xff : 36;

	*host_phys_bits = bits;
	if (e == NULL || limit == 0)
		return;
	if (limit < bits)
		bits = limit;
	/* 23:16, guest physical bits, would override it for a nested guest. */
	e->eax = (e->eax & ~0xff00ffu) | bits;
}

static void
hide_nested(struct cpuid_table *t)
{
	struct arch_cpuid_entry *e = cpuid_find(t, 1, 0);

	if (e != NULL)
		e->ecx &= ~F1_ECX_VMX;
	e = cpuid_find(t, LEAF_EXT_FEATURES, 0);
	if (e != NULL)
		e->ecx &= ~FEXT_ECX_SVM;
	remove_leaf(t, LEAF_SVM);
}

void
cpuid_common(struct cpuid_table *t, const struct arch_cpu_config *config,
    const struct hv_caps *caps, uint32_t *host_phys_bits)
{
	struct arch_cpuid_entry *e = cpuid_find(t, 1, 0);

	if (e != NULL) {
		e->ecx |= F1_ECX_HYPERVISOR | F1_ECX_X2APIC;
		if (caps->tsc_deadline)
			e->ecx |= F1_ECX_TSC_DEADLINE;
		else
			e->ecx &= ~F1_ECX_TSC_DEADLINE;
	}
	limit_phys_bits(t, config->max_phys_bits, host_phys_bits);
	if (!config->nested)
		hide_nested(t);
	e = cpuid_find(t, LEAF_HYPERVISOR, 0);
	if (e != NULL)
		e->eax = LEAF_KVM;
	e = cpuid_find(t, LEAF_KVM, 0);
	if (e != NULL && caps->x2apic_ids &&
	    config->max_vcpus > MAX_XAPIC_VCPUS)
		e->eax |= KVM_FEATURE_MSI_EXT_DEST_ID;
	/* The host's; what replaces them is written for each vCPU. */
	remove_leaf(t, LEAF_TOPOLOGY);
	remove_leaf(t, LEAF_TOPOLOGY_V2);
	remove_leaf(t, LEAF_TOPOLOGY_AMD_V2);
}

/* A count - 1 in a field of @bits bits. */
static uint32_t
field(uint32_t count, uint32_t bits)
{
	uint32_t max = (1u << bits) - 1;

	return count - 1 < max ? count - 1 : max;
}

static void
feature_leaf(struct cpuid_table *t, const struct topology *topo, uint32_t id)
{
	struct arch_cpuid_entry *e = cpuid_find(t, 1, 0);
	uint32_t ids = topo->die_bits < 8 ? 1u << topo->die_bits : 255;

	if (e == NULL)
		return;
	e->ebx = (e->ebx & 0xffffu) | (id & 0xff) << 24 | ids << 16;
	if (topo->per_package > 1)
		e->edx |= F1_EDX_HTT;
	else
		e->edx &= ~F1_EDX_HTT;
}

/* Leaves 4 and 0x8000001d: who shares a cache. */
static void
cache_leaves(struct cpuid_table *t, const struct topology *topo)
{
	for (uint32_t i = 0; i < t->count; i++) {
		struct arch_cpuid_entry *e = &t->entry[i];
		uint32_t level = (e->eax >> 5) & 7, sharing;

		if ((e->function != LEAF_CACHE_INTEL &&
		    e->function != LEAF_CACHE_AMD) || (e->eax & 0x1f) == 0)
			continue;
		/* In APIC IDs, so powers of two. */
		sharing = level >= 3 ? 1u << topo->core_bits :
		    1u << topo->thread_bits;
		e->eax = (e->eax & 0x3fffu) | field(sharing, 12) << 14;
		if (e->function == LEAF_CACHE_INTEL)
			e->eax |= field(1u << (topo->die_bits -
			    topo->thread_bits), 6) << 26;
	}
}

static void
amd_leaves(struct cpuid_table *t, const struct topology *topo, uint32_t id)
{
	struct arch_cpuid_entry *e = cpuid_find(t, LEAF_ADDRESS_SIZES, 0);

	if (e != NULL)
		e->ecx = (e->ecx & ~0xf0ffu) | field(topo->per_package, 8) |
		    (topo->die_bits & 15) << 12;
	e = cpuid_find(t, LEAF_TOPOLOGY_AMD, 0);
	if (e == NULL)
		return;
	e->eax = id;
	e->ebx = ((id >> topo->thread_bits) & 0xff) |
	    field(topo->threads, 8) << 8;
	e->ecx = ((id >> topo->core_bits) & 0xff) | field(topo->dies, 3) << 8;
}

struct level {
	uint32_t type, bits, cpus;
};

/* Leaves 0xb and 0x1f: a sub-leaf a level, and one that ends them. */
static int
topology_leaf(struct cpuid_table *t, uint32_t leaf, const struct level *level,
    uint32_t nlevels, uint32_t id)
{
	for (uint32_t i = 0; i <= nlevels; i++) {
		struct arch_cpuid_entry e = {
			.function = leaf, .index = i, .indexed = true,
			.ecx = i, .edx = id,
		};
		int rc;

		if (i < nlevels) {
			e.eax = level[i].bits;
			e.ebx = level[i].cpus & 0xffff;
			e.ecx |= level[i].type << 8;
		}
		rc = add_entry(t, &e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
cpuid_vcpu(struct cpuid_table *t, const struct arch_cpu_config *config,
    uint32_t index)
{
	struct topology topo = topology_of(config);
	uint32_t id = arch_vcpu_id(config, index);
	struct arch_cpuid_entry *base = cpuid_find(t, 0, 0);
	uint32_t max_leaf = base != NULL ? base->eax : 0;
	const struct level thread = { 1, topo.thread_bits, topo.per_core };
	/* Leaf 0xb knows no dies: what is in a package are its cores. */
	const struct level v1[] = {
		thread, { 2, topo.die_bits, topo.per_package },
	};
	const struct level v2[] = {
		thread, { 2, topo.core_bits, topo.per_die },
		{ 5, topo.die_bits, topo.per_package },
	};
	int rc = 0;

	feature_leaf(t, &topo, id);
	cache_leaves(t, &topo);
	amd_leaves(t, &topo, id);
	if (max_leaf >= LEAF_TOPOLOGY)
		rc = topology_leaf(t, LEAF_TOPOLOGY, v1, 2, id);
	if (rc == 0 && max_leaf >= LEAF_TOPOLOGY_V2 && topo.dies > 1)
		rc = topology_leaf(t, LEAF_TOPOLOGY_V2, v2, 3, id);
	return rc;
}
