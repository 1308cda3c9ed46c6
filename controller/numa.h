/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NUMA nodes of the guest: the texts that --numa is written in, who is of which
 * node, how far they are from each other. Called by options_sub.c, describe.c,
 * plan.c and numa_message.c. Pure functions.
 */
#ifndef BULKHEAD_CONTROLLER_NUMA_H
#define BULKHEAD_CONTROLLER_NUMA_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/spec.h"
#include "controller/values.h"

/* Room for the numbers of all vCPUs. */
#define NUMA_TEXT 4096u

/*
 * Values of --numa. NULL, or what is wrong with @value: "[0,2-3]" into @bits, up to
 * number @max; "[1@20]"; "[a,b]" or, with @plain, one zone's name that comes after
 * those that are there.
 */
const char *numa_bits(struct span value, uint64_t *bits, uint64_t max);
const char *numa_distances(struct span value, struct numa_spec *numa);
const char *numa_zones(struct vm_spec *spec, struct span value, bool plain,
    struct numa_spec *numa);

/* The same as texts, ranges written out; empty: none. */
void numa_bits_text(const uint64_t *bits, uint64_t max, char text[static NUMA_TEXT]);
void numa_distances_text(const struct numa_spec *numa, char text[static NUMA_TEXT]);

static inline bool
numa_has(const uint64_t *bits, uint32_t n)
{
	return (bits[n / 64] >> n % 64 & 1) != 0;
}

/* Node of a zone (NULL: none that has a name), vCPU or PCI segment; 0: of none. */
uint32_t numa_node_of_zone(const struct vm_spec *spec, const char *id);
uint32_t numa_node_of_cpu(const struct vm_spec *spec, uint32_t cpu);
uint32_t numa_node_of_segment(const struct vm_spec *spec, uint32_t segment);

/* From node @from to @to, as the ACPI's SLIT has it. */
uint8_t numa_distance(const struct vm_spec *spec, uint32_t from, uint32_t to);

#endif
