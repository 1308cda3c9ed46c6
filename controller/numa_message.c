// SPDX-License-Identifier: Apache-2.0
//
// NUMA nodes as a message, see numa_message.h.
#include "controller/numa_message.h"

#include "controller/numa.h"

static void
add_memory(struct numa_message *m, uint64_t gpa, uint64_t size, uint32_t node,
    bool hot)
{
	Bh__NumaMemory *to = &m->memory[m->numa.n_memory];

	bh__numa_memory__init(to);
	to->gpa = gpa;
	to->size = size;
	to->node = node;
	to->hot = hot;
	m->list[m->numa.n_memory++] = to;
}

Bh__Numa *
numa_fill(const struct vm_spec *spec, const struct vm_plan *plan,
    struct numa_message *m)
{
	uint32_t n = spec->nnuma;

	if (n == 0)
		return NULL;
	bh__numa__init(&m->numa);
	m->numa.memory = m->list;
	for (uint32_t i = 0; i < plan->nregions; i++)
		add_memory(m, plan->regions[i].gpa, plan->regions[i].size,
		    plan->zones[plan->regions[i].zone].node,
		    plan->regions[i].hot);
	if (plan->dimm_size != 0)
		add_memory(m, plan->dimm_gpa, plan->dimm_size, plan->zones[0].node,
		    true);
	for (uint32_t i = 0; i < spec->cpus.max; i++)
		m->vcpus[i] = (uint8_t)numa_node_of_cpu(spec, i);
	for (uint32_t i = 0; i < n * n; i++)
		m->distances[i] = numa_distance(spec, i / n, i % n);
	m->numa.nodes = n;
	m->numa.vcpus.data = m->vcpus;
	m->numa.vcpus.len = spec->cpus.max;
	m->numa.distances.data = m->distances;
	m->numa.distances.len = (size_t)n * n;
	return &m->numa;
}
