/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI segments in the ACPI tables: a host bridge each, of segment.asl; that of the first
 * is in dsdt.asl. acpi.c calls it.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_ACPI_SEGMENTS_H
#define BULKHEAD_CONTROLLER_LOADER_ACPI_SEGMENTS_H

#include "bulkhead.pb-c.h"
#include "controller/loader/writer.h"

/* The whole table of segment @number but for its checksum and length; 1 or more. */
void acpi_put_segment(struct writer *w, const Bh__PciSegment *segment,
    uint32_t number);

/* The SSDT's body that has events reach the segments: \_SB.SLTS.STFY. */
void acpi_put_segment_events(struct writer *w, uint32_t nsegments);

#endif
