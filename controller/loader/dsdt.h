/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dsdt.asl as build.mk makes it into C: the table that iasl wrote, and where in
 * it the values are that acpi.c overwrites (little endian, of the given width).
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_DSDT_H
#define BULKHEAD_CONTROLLER_LOADER_DSDT_H

#include <stdint.h>

extern const uint8_t dsdt_aml[];
extern const uint32_t dsdt_aml_size;

extern const uint32_t dsdt_offset_P64B;		/* 8 bytes */
extern const uint32_t dsdt_offset_P64L;		/* 8 bytes */
extern const uint32_t dsdt_offset_COMS;		/* 1 byte */
extern const uint32_t dsdt_offset_NCPU;		/* 4 bytes */
extern const uint32_t dsdt_offset_NMEM;		/* 4 bytes */

#endif
