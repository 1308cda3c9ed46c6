// SPDX-License-Identifier: Apache-2.0
//
// NUMA nodes in the ACPI tables, see acpi_numa.h.
#include "controller/loader/acpi_numa.h"

#include "controller/loader/acpi_cpus.h"

#define SRAT_MEMORY 1u
#define SRAT_X2APIC 2u
#define AFFINITY_ENABLED (1u << 0)
#define MEMORY_HOT_PLUGGABLE (1u << 1)

/* 5.2.16.3. Of every APIC id: the structure of xAPIC says no more. */
static void
put_vcpu(struct writer *w, uint32_t id, uint32_t node)
{
	put(w, SRAT_X2APIC, 1);
	put(w, 24, 1);
	put(w, 0, 2);
	put(w, node, 4);
	put(w, id, 4);
	put(w, AFFINITY_ENABLED, 4);
	put(w, 0, 4);					/* clock domain */
	put(w, 0, 4);
}

/* 5.2.16.2 */
static void
put_memory(struct writer *w, const Bh__NumaMemory *m)
{
	put(w, SRAT_MEMORY, 1);
	put(w, 40, 1);
	put(w, m->node, 4);
	put(w, 0, 2);
	put(w, m->gpa, 8);
	put(w, m->size, 8);
	put(w, 0, 4);
	put(w, AFFINITY_ENABLED | (m->hot ? MEMORY_HOT_PLUGGABLE : 0), 4);
	put(w, 0, 8);
}

void
acpi_put_srat(struct writer *w, const Bh__LoadConfig *config)
{
	const Bh__Numa *numa = config->numa;

	put(w, 1, 4);					/* 1 since ever */
	put(w, 0, 8);
	/* Linux numbers nodes as it comes upon them: so in their order. */
	for (uint32_t node = 0; node < numa->nodes; node++) {
		for (uint32_t cpu = 0; cpu < config->max_vcpus; cpu++)
			if (numa->vcpus.data[cpu] == node)
				put_vcpu(w, acpi_apic_id(config, cpu), node);
		for (size_t i = 0; i < numa->n_memory; i++)
			if (numa->memory[i]->node == node)
				put_memory(w, numa->memory[i]);
	}
}

void
acpi_put_slit(struct writer *w, const Bh__Numa *numa)
{
	put(w, numa->nodes, 8);
	put_bytes(w, numa->distances.data, numa->distances.len);
}
