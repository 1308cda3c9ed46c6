/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dsdt.asl and segment.asl as build.mk makes them into C: the tables that iasl wrote,
 * and where in them the values are that acpi.c and acpi_segments.c overwrite (little
 * endian, of the given width).
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_DSDT_H
#define BULKHEAD_CONTROLLER_LOADER_DSDT_H

#include <stdint.h>

extern const uint8_t dsdt_aml[];
extern const uint32_t dsdt_aml_size;

extern const uint32_t dsdt_offset_P32L;		/* 4 bytes */
extern const uint32_t dsdt_offset_P64B;		/* 8 bytes */
extern const uint32_t dsdt_offset_P64L;		/* 8 bytes */
extern const uint32_t dsdt_offset_COMS;		/* 1 byte */
extern const uint32_t dsdt_offset_NCPU;		/* 4 bytes */
extern const uint32_t dsdt_offset_NMEM;		/* 4 bytes */
extern const uint32_t dsdt_offset_NSEG;		/* 4 bytes */

extern const uint8_t segment_aml[];
extern const uint32_t segment_aml_size;

extern const uint32_t segment_offset_SG00;	/* 4 bytes: the device's name */
extern const uint32_t segment_offset_SEGN;	/* 4 bytes */
extern const uint32_t segment_offset_ECAM;	/* 4 bytes */
extern const uint32_t segment_offset_W32B;	/* 4 bytes */
extern const uint32_t segment_offset_W32L;	/* 4 bytes */
extern const uint32_t segment_offset_W64B;	/* 8 bytes */
extern const uint32_t segment_offset_W64L;	/* 8 bytes */
extern const uint32_t segment_offset_NODE;	/* 4 bytes */

#endif
