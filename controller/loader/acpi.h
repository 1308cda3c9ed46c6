/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI tables of an x86-64 guest (ACPI 6.4, hardware-reduced): RSDP, XSDT,
 * FADT, MADT, MCFG, the DSDT of dsdt.asl and SSDTs where vCPUs come and go and for
 * each PCI segment more.
 * Pure: made in a buffer from the configuration, then written in one go.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_ACPI_H
#define BULKHEAD_CONTROLLER_LOADER_ACPI_H

#include <stddef.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "controller/loader/image.h"
#include "ipc/gmem.h"
#include "proto/limits.h"

#define ACPI_MAX_SIZE 327680ull	/* LAYOUT_RSDP to LAYOUT_ACPI_END */

struct acpi_tables {
	size_t len;		/* bytes used, RSDP first */
	size_t dsdt, fadt, madt, mcfg, ssdt, srat, slit, xsdt;	/* offsets; 0: none */
	uint32_t nsegments;
	size_t segment[PCI_LIMIT_SEGMENTS];	/* where there are several: [0] for all */
	_Alignas(16) uint8_t bytes[ACPI_MAX_SIZE];
};

/*
 * Make the tables for a guest that finds bytes[0], the RSDP, at LAYOUT_RSDP. 0,
 * or -ENOSPC when vCPUs and segments are too many. @config has a segment at least.
 */
int acpi_build(struct acpi_tables *tables, const Bh__LoadConfig *config);

/* Make them and write them to guest memory. -errno with a report. */
int acpi_load(struct gmem *mem, const Bh__LoadConfig *config,
    struct load_report *report);

/* Byte that makes the sum of @len bytes zero when it is added to them. */
uint8_t acpi_checksum(const uint8_t *bytes, size_t len);

#endif
