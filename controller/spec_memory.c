// SPDX-License-Identifier: Apache-2.0
//
// --memory, --memory-zone and --numa: a part of spec_check().
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/numa.h"
#include "controller/spec_int.h"
#include "controller/usage.h"

#define PAGE 4096u

/* ---- what there is ------------------------------------------------------------- */

uint32_t
spec_nzones(const struct vm_spec *spec)
{
	return spec->nzones != 0 ? spec->nzones : 1;
}

struct zone_spec
spec_zone(const struct vm_spec *spec, uint32_t n)
{
	const struct memory_spec *m = &spec->memory;

	if (spec->nzones != 0)
		return spec->zones[n];
	return (struct zone_spec){ .id = "mem0", .size = m->size,
		.hugepages = m->hugepages, .hugepage_size = m->hugepage_size,
		.prefault = m->prefault, .reserve = m->reserve,
		.shared = m->shared, .mergeable = m->mergeable,
		.host_node = SPEC_NO_NODE, .hotplug_size = m->hotplug_size,
		.hotplugged_size = m->hotplugged_size };
}

uint64_t
spec_ram(const struct vm_spec *spec)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < spec_nzones(spec); i++)
		sum += spec_zone(spec, i).size;
	return sum;
}

/* ---- memory -------------------------------------------------------------------- */

/* @who: "--memory " or "--memory-zone id=a,": whose sizes they are. */
static int
check_hotplug(const char *who, const struct zone_spec *z, uint32_t method,
    struct spec_error *err)
{
	if (z->hotplug_size % MEM_LIMIT_ALIGN != 0)
		return usage(err, "%shotplug_size=%z: not a multiple of "
		    "128M; round it up", who, z->hotplug_size);
	if (z->hotplugged_size % MEM_LIMIT_ALIGN != 0)
		return usage(err, "%shotplugged_size=%z: not a multiple of "
		    "128M; round it up", who, z->hotplugged_size);
	if (z->hotplugged_size > z->hotplug_size)
		return usage(err, "%shotplugged_size=%z: more than "
		    "hotplug_size=%z; lower it", who, z->hotplugged_size,
		    z->hotplug_size);
	/* KVM has 31 bits for the pages of one region. */
	if (method == HOTPLUG_VIRTIO_MEM && z->hotplug_size > 4ull << 40)
		return usage(err, "%shotplug_size=%z: more than 4T; lower it", who,
		    z->hotplug_size);
	if (z->hugepage_size != 0 && z->hotplug_size % z->hugepage_size != 0)
		return usage(err, "%shotplug_size=%z: not a multiple of "
		    "hugepage_size=%z; round it up", who, z->hotplug_size,
		    z->hugepage_size);
	return 0;
}

static int
check_sizes(const char *who, const struct zone_spec *z, uint32_t method,
    struct spec_error *err)
{
	if (z->mergeable)
		return usage(err, "%smergeable=on: guest memory is "
		    "shared between processes, and shared memory cannot be "
		    "merged; leave it out", who);
	if (z->size == 0)
		return usage(err, "%ssize=0: a VM needs memory; give it "
		    "some, as size=512M", who);
	if (z->size % PAGE != 0)
		return usage(err, "%ssize=%z: not a multiple of the page "
		    "size; make it one of 4096", who, z->size);
	if (z->size < 1u << 20)
		return usage(err, "%ssize=%z: too little; at least 1M", who,
		    z->size);
	if (z->hugepage_size != 0 && !z->hugepages)
		return usage(err, "%shugepage_size=%z: means nothing "
		    "without hugepages=on; add it", who, z->hugepage_size);
	if (z->hugepage_size != 0 && !spec_power_of_two(z->hugepage_size))
		return usage(err, "%shugepage_size=%z: not a power of "
		    "two; write 2M or 1G", who, z->hugepage_size);
	if (z->hugepage_size != 0 && z->size % z->hugepage_size != 0)
		return usage(err, "%ssize=%z: not a multiple of "
		    "hugepage_size=%z; round it up", who, z->size,
		    z->hugepage_size);
	return check_hotplug(who, z, method, err);
}

static int
check_zone(const struct vm_spec *spec, uint32_t n, struct spec_error *err)
{
	const struct zone_spec *z = &spec->zones[n];
	struct span id = span_of(z->id != NULL ? z->id : "");
	char who[SPEC_MAX_ZONE_ID + 32];

	if (z->id == NULL)
		return usage(err, "--memory-zone: id missing; write id=<text>");
	if (strcmp(z->id, "mem0") == 0 || id.at[0] == '_')
		return usage(err, "--memory-zone id=%S: this name is reserved; take "
		    "another", &id);
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(spec->zones[i].id, z->id) == 0)
			return usage(err, "--memory-zone id=%S: another zone has "
			    "this name; take another", &id);
	(void)snprintf(who, sizeof(who), "--memory-zone id=%s,", z->id);
	if (z->hotplug_size != 0 && spec->memory.hotplug_method == HOTPLUG_ACPI)
		return usage(err, "%shotplug_size=%z: zones grow by virtio-mem "
		    "alone; add --memory hotplug_method=virtio-mem", who,
		    z->hotplug_size);
	return check_sizes(who, z, spec->memory.hotplug_method, err);
}

static int
check_zones(const struct vm_spec *spec, struct spec_error *err)
{
	const struct memory_spec *m = &spec->memory;
	int bad = 0;

	if (m->size != 0)
		return usage(err, "--memory size=%z: there are --memory-zone; write "
		    "--memory size=0", m->size);
	if (m->hotplug_size != 0 || m->hotplugged_size != 0)
		return usage(err, "--memory hotplug_size=%z: there are "
		    "--memory-zone; give it to one of them", m->hotplug_size);
	if (m->hugepages || m->hugepage_size != 0 || m->prefault || m->reserve ||
	    m->mergeable)
		return usage(err, "--memory hugepages, hugepage_size, prefault, "
		    "reserve, mergeable: there are --memory-zone; give it to them");
	for (uint32_t i = 0; bad == 0 && i < spec->nzones; i++)
		bad = check_zone(spec, i, err);
	return bad;
}

/* ---- nodes --------------------------------------------------------------------- */

static int
check_zone_of(const struct vm_spec *spec, const struct numa_spec *n, uint32_t k,
    struct spec_error *err)
{
	struct span id = span_of(n->zones[k]);
	bool found = false;
	uint32_t of = 0;

	for (uint32_t i = 0; i < spec->nzones; i++)
		found = found || strcmp(spec->zones[i].id, n->zones[k]) == 0;
	if (!found)
		return usage(err, "--numa memory_zones=[%S]: there is no such "
		    "--memory-zone", &id);
	for (uint32_t i = 0; i < spec->nnuma; i++)
		for (uint32_t j = 0; j < spec->numa[i].nzones; j++)
			of += strcmp(spec->numa[i].zones[j], n->zones[k]) == 0;
	return of == 1 ? 0 : usage(err, "--numa memory_zones=[%S]: this zone is "
	    "given twice; a zone is of one node", &id);
}

static bool
shared_bit(const struct vm_spec *spec, const struct numa_spec *n, uint32_t bit,
    bool cpus)
{
	for (const struct numa_spec *m = spec->numa; m < n; m++)
		if (numa_has(cpus ? m->cpus : m->segments, bit))
			return true;
	return false;
}

static int
check_node(const struct vm_spec *spec, const struct numa_spec *n,
    struct spec_error *err)
{
	int bad = 0;

	for (uint32_t i = 0; i < SPEC_MAX_VCPUS; i++) {
		if (!numa_has(n->cpus, i))
			continue;
		if (i >= spec->cpus.max)
			return usage(err, "--numa cpus=[%u]: there is no such vCPU; "
			    "the last is %u", i, spec->cpus.max - 1);
		if (shared_bit(spec, n, i, true))
			return usage(err, "--numa cpus=[%u]: is of another node, "
			    "too; a vCPU is of one", i);
	}
	for (uint32_t i = 0; i < SPEC_MAX_SEGMENTS; i++) {
		if (!numa_has(n->segments, i))
			continue;
		if (i >= spec->platform.segments)
			return usage(err, "--numa pci_segments=[%u]: there are "
			    "segments 0 to %u; raise --platform num_pci_segments",
			    i, spec->platform.segments - 1);
		if (i == 0 && n->node != 0)
			return usage(err, "--numa pci_segments=[0]: is of node 0; "
			    "leave it out");
		if (shared_bit(spec, n, i, false))
			return usage(err, "--numa pci_segments=[%u]: is of another "
			    "node, too; a segment is of one", i);
	}
	for (uint32_t k = 0; bad == 0 && k < n->nzones; k++)
		bad = check_zone_of(spec, n, k, err);
	return bad;
}

static int
check_distances(const struct vm_spec *spec, const struct numa_spec *n,
    struct spec_error *err)
{
	for (uint32_t to = 0; to < SPEC_MAX_NODES; to++) {
		uint32_t distance = n->distances[to];

		if (distance == 0)
			continue;
		if (to >= spec->nnuma)
			return usage(err, "--numa distances=[%u@%u]: there is no "
			    "such node", to, distance);
		/* Linux takes no table in which it is otherwise. */
		if ((to == n->node) != (distance == 10))
			return usage(err, "--numa distances=[%u@%u]: 10 is to the "
			    "node itself, to another 11 to 254", to, distance);
	}
	return 0;
}

static int
check_numa(const struct vm_spec *spec, struct spec_error *err)
{
	int bad = 0;

	for (uint32_t i = 0; i < spec->nnuma; i++) {
		uint32_t id = spec->numa[i].node;

		if (id == SPEC_NO_NODE)
			return usage(err, "--numa: guest_numa_id missing; write "
			    "guest_numa_id=<n>");
		if (id >= spec->nnuma)
			return usage(err, "--numa guest_numa_id=%u: of %u nodes the "
			    "last is %u; number them from 0 on", id, spec->nnuma,
			    spec->nnuma - 1);
		for (uint32_t k = 0; k < i; k++)
			if (spec->numa[k].node == id)
				return usage(err, "--numa guest_numa_id=%u: is "
				    "given twice", id);
	}
	for (uint32_t i = 0; bad == 0 && i < spec->nnuma; i++) {
		bad = check_node(spec, &spec->numa[i], err);
		if (bad == 0)
			bad = check_distances(spec, &spec->numa[i], err);
	}
	return bad;
}

int
spec_check_memory(const struct vm_spec *spec, struct spec_error *err)
{
	struct zone_spec all;
	int bad;

	if (spec->nzones != 0) {
		bad = check_zones(spec, err);
	} else {
		all = spec_zone(spec, 0);
		bad = check_sizes("--memory ", &all, spec->memory.hotplug_method,
		    err);
	}
	return bad != 0 ? bad : check_numa(spec, err);
}
