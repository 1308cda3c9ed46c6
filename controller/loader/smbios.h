/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMBIOS tables (DMTF DSP0134 3.x, 64-bit entry point) of a guest, with the
 * strings of --platform.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_SMBIOS_H
#define BULKHEAD_CONTROLLER_LOADER_SMBIOS_H

#include <stddef.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "controller/loader/image.h"
#include "ipc/gmem.h"

#define SMBIOS_MAX_SIZE 65536u	/* LAYOUT_SMBIOS to LAYOUT_HIGH_RAM */

struct smbios_tables {
	size_t len;		/* bytes used, entry point first */
	uint8_t bytes[SMBIOS_MAX_SIZE];
};

/*
 * Make the tables for a guest that finds bytes[0], the entry point, at
 * LAYOUT_SMBIOS. 0; -ENOSPC: the strings are too long; -EINVAL: the UUID is
 * none.
 */
int smbios_build(struct smbios_tables *tables, const Bh__LoadConfig *config);

/* Make them and write them to guest memory. -errno with a report. */
int smbios_load(struct gmem *mem, const Bh__LoadConfig *config,
    struct load_report *report);

#endif
