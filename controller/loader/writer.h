/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for the guest are written here: little endian, into a buffer of the
 * caller's, with an error that sticks. Knows no table; acpi.c, acpi_cpus.c and
 * smbios.c call it.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_WRITER_H
#define BULKHEAD_CONTROLLER_LOADER_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct writer {
	uint8_t *bytes;
	size_t size, len;	/* of the buffer, and what of it is written */
	size_t start;		/* of the table that is being written */
	int error;		/* -ENOSPC: something did not fit */
};

void put_bytes(struct writer *w, const void *src, size_t len);
/* The low @width bytes, up to 8. */
void put(struct writer *w, uint64_t value, size_t width);
void put_zeros(struct writer *w, size_t len);
/* Overwrite @width bytes at @offset of the table being written. */
void set(struct writer *w, size_t offset, uint64_t value, size_t width);

#endif
