// SPDX-License-Identifier: Apache-2.0
//
// NUMA nodes of the guest, see numa.h.
#include "controller/numa.h"

#include <stdio.h>
#include <string.h>

#define LOCAL 10u	/* ACPI 6.4 5.2.17: within a node */
#define REMOTE 20u	/* Cloud Hypervisor's default */
#define FURTHEST 254u	/* 255: there is no way */

/* ---- texts --------------------------------------------------------------------- */

const char *
numa_bits(struct span value, uint64_t *bits, uint64_t max)
{
	struct span item;
	uint64_t first, last;
	int got;

	memset(bits, 0, (max / 64 + 1) * sizeof(bits[0]));
	(void)value_list(value, &value);
	while ((got = value_next(&value, ',', &item)) == 1) {
		if (value_range(item, &first, &last) != 0)
			return "not a list of numbers; write [0,2-3]";
		if (last > max)
			return "a number that is too large";
		for (uint64_t n = first; n <= last; n++)
			bits[n / 64] |= 1ull << n % 64;
	}
	return got < 0 ? "not a list of numbers; write [0,2-3]" : NULL;
}

const char *
numa_distances(struct span value, struct numa_spec *numa)
{
	struct span item, node;
	uint64_t to, distance;
	int got;

	memset(numa->distances, 0, sizeof(numa->distances));
	(void)value_list(value, &value);
	while ((got = value_next(&value, ',', &item)) == 1) {
		if (value_next(&item, '@', &node) != 1 || item.at == NULL ||
		    value_u64(node, &to) != 0 || value_u64(item, &distance) != 0)
			return "not distances; write [1@20,2@30]";
		if (to >= SPEC_MAX_NODES)
			return "nodes are 0 to 31";
		if (distance < LOCAL || distance > FURTHEST)
			return "a distance is 10 to 254";
		if (numa->distances[to] != 0)
			return "a node twice";
		numa->distances[to] = (uint8_t)distance;
	}
	return got < 0 ? "not distances; write [1@20,2@30]" : NULL;
}

static const char *
add_zone(struct vm_spec *spec, struct numa_spec *numa, const char *id)
{
	if (numa->nzones == SPEC_MAX_ZONES)
		return "too many; at most 8 zones";
	if (id[0] == '\0')
		return "a name is empty";
	numa->zones[numa->nzones] = spec_text(spec, id, strlen(id));
	if (numa->zones[numa->nzones] == NULL)
		return "out of memory";
	numa->nzones++;
	return NULL;
}

const char *
numa_zones(struct vm_spec *spec, struct span value, bool plain,
    struct numa_spec *numa)
{
	char id[SPEC_MAX_ZONE_ID + 1];
	const char *why = NULL;
	struct span item;
	int got = 0;

	if (!value_printable(value))
		return "not printable UTF-8; use other characters";
	if (plain) {		/* as it is: one of them */
		if (value.len >= sizeof(id))
			return "no zone has such a long name";
		memcpy(id, value.at, value.len);
		id[value.len] = '\0';
		return add_zone(spec, numa, id);
	}
	numa->nzones = 0;
	(void)value_list(value, &value);
	while (why == NULL && (got = value_next(&value, ',', &item)) == 1)
		why = value_unquote(item, id, sizeof(id)) != 0 ?
		    "no zone has such a long name" : add_zone(spec, numa, id);
	return why == NULL && got < 0 ? "not a list; write [low,high]" : why;
}

void
numa_bits_text(const uint64_t *bits, uint64_t max, char text[static NUMA_TEXT])
{
	size_t at = 0;

	text[0] = '\0';
	for (uint32_t n = 0; n <= max && NUMA_TEXT - at > 8; n++)
		if (numa_has(bits, n))
			at += (size_t)snprintf(text + at, NUMA_TEXT - at, "%c%u",
			    at == 0 ? '[' : ',', n);
	if (at != 0)
		memcpy(text + at, "]", 2);
}

void
numa_distances_text(const struct numa_spec *numa, char text[static NUMA_TEXT])
{
	size_t at = 0;

	text[0] = '\0';
	for (uint32_t n = 0; n < SPEC_MAX_NODES; n++)
		if (numa->distances[n] != 0)
			at += (size_t)snprintf(text + at, NUMA_TEXT - at, "%c%u@%u",
			    at == 0 ? '[' : ',', n, numa->distances[n]);
	if (at != 0)
		memcpy(text + at, "]", 2);
}

/* ---- who is of which node -------------------------------------------------------- */

uint32_t
numa_node_of_zone(const struct vm_spec *spec, const char *id)
{
	for (uint32_t i = 0; i < spec->nnuma; i++)
		for (uint32_t k = 0; k < spec->numa[i].nzones; k++)
			if (id != NULL && strcmp(spec->numa[i].zones[k], id) == 0)
				return spec->numa[i].node;
	return 0;
}

uint32_t
numa_node_of_cpu(const struct vm_spec *spec, uint32_t cpu)
{
	for (uint32_t i = 0; i < spec->nnuma; i++)
		if (numa_has(spec->numa[i].cpus, cpu))
			return spec->numa[i].node;
	return 0;
}

uint32_t
numa_node_of_segment(const struct vm_spec *spec, uint32_t segment)
{
	for (uint32_t i = 0; i < spec->nnuma; i++)
		if (numa_has(spec->numa[i].segments, segment))
			return spec->numa[i].node;
	return 0;
}

static const struct numa_spec *
node(const struct vm_spec *spec, uint32_t number)
{
	for (uint32_t i = 0; i < spec->nnuma; i++)
		if (spec->numa[i].node == number)
			return &spec->numa[i];
	return NULL;
}

/* What only one of the two says is said for both. */
uint8_t
numa_distance(const struct vm_spec *spec, uint32_t from, uint32_t to)
{
	const struct numa_spec *a = node(spec, from), *b = node(spec, to);

	if (from == to)
		return LOCAL;
	if (a != NULL && a->distances[to] != 0)
		return a->distances[to];
	return b != NULL && b->distances[from] != 0 ? b->distances[from] : REMOTE;
}
