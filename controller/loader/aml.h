/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AML (ACPI 6.4 chapter 20) written by hand, for tables of which only now is known how
 * many devices they have. acpi_cpus.c and acpi_segments.c call it; knows no table.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_AML_H
#define BULKHEAD_CONTROLLER_LOADER_AML_H

#include <stddef.h>
#include <stdint.h>

#include "controller/loader/writer.h"

enum aml {
	AML_NAME = 0x08, AML_BYTE = 0x0a, AML_DWORD = 0x0c, AML_STRING = 0x0d,
	AML_SCOPE = 0x10, AML_BUFFER = 0x11, AML_METHOD = 0x14, AML_EXT = 0x5b,
	AML_ROOT = 0x5c, AML_DUAL_NAME = 0x2e, AML_MULTI_NAME = 0x2f,
	AML_ARG0 = 0x68, AML_ARG1 = 0x69, AML_ARG2 = 0x6a,
	AML_NOTIFY = 0x86, AML_EQUAL = 0x93,
	AML_IF = 0xa0, AML_RETURN = 0xa4, AML_EXT_DEVICE = 0x82,
};

/*
 * A PkgLength (20.2.4) in its form of four bytes, filled in by aml_close(), which gets
 * what aml_open() returned; it counts itself.
 */
size_t aml_open(struct writer *w);
void aml_close(struct writer *w, size_t at);

/* A constant of 32 bits. */
void aml_number(struct writer *w, uint32_t number);

/* Scope (\_SB.@name), of four characters; aml_close() ends it. */
size_t aml_scope_in_sb(struct writer *w, const char *name);

/* If (Arg0 == @number); aml_close() ends it. */
size_t aml_if_arg0_is(struct writer *w, uint32_t number);

#endif
