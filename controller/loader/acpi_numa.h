/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NUMA nodes in the ACPI tables: which vCPU and which memory is of which node, and
 * how far they are from each other. Called by acpi.c alone.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_ACPI_NUMA_H
#define BULKHEAD_CONTROLLER_LOADER_ACPI_NUMA_H

#include "bulkhead.pb-c.h"
#include "controller/loader/writer.h"

/* The body of the SRAT (ACPI 6.4 5.2.16); config->numa is there. */
void acpi_put_srat(struct writer *w, const Bh__LoadConfig *config);

/* The body of the SLIT (5.2.17). */
void acpi_put_slit(struct writer *w, const Bh__Numa *numa);

#endif
