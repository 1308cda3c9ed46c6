// SPDX-License-Identifier: Apache-2.0
//
// PCI segments in the ACPI tables, see acpi_segments.h.
#include "controller/loader/acpi_segments.h"

#include <stdio.h>

#include "arch/x86_64/layout.h"
#include "controller/loader/aml.h"
#include "controller/loader/dsdt.h"

/* "SG01": the segment's host bridge. */
static uint32_t
name_of(uint32_t number)
{
	char name[5];
	uint32_t value = 0;

	(void)snprintf(name, sizeof(name), "SG%02X", number & 0xff);
	for (unsigned int i = 4; i-- > 0;)
		value = value << 8 | (uint8_t)name[i];
	return value;
}

void
acpi_put_segment(struct writer *w, const Bh__PciSegment *s, uint32_t number)
{
	put_bytes(w, segment_aml, segment_aml_size);
	set(w, segment_offset_SG00, name_of(number), 4);
	set(w, segment_offset_SEGN, number, 4);
	set(w, segment_offset_NODE, s->node, 4);
	set(w, segment_offset_ECAM, LAYOUT_ECAM + number * LAYOUT_ECAM_BUS, 4);
	set(w, segment_offset_W32B, s->mmio32_base, 4);
	set(w, segment_offset_W32L, s->mmio32_base + s->mmio32_size - 1, 4);
	set(w, segment_offset_W64B, s->mmio64_base, 8);
	set(w, segment_offset_W64L, s->mmio64_size == 0 ? 0 :
	    s->mmio64_base + s->mmio64_size - 1, 8);
}

/* STFY (segment, slots, event). */
void
acpi_put_segment_events(struct writer *w, uint32_t nsegments)
{
	size_t scope = aml_scope_in_sb(w, "SLTS"), method, block;

	put(w, AML_METHOD, 1);
	method = aml_open(w);
	put_bytes(w, "STFY", 4);
	put(w, 3, 1);
	for (uint32_t i = 1; i < nsegments; i++) {
		block = aml_if_arg0_is(w, i);
		put(w, AML_ROOT, 1);
		put(w, AML_MULTI_NAME, 1);
		put(w, 3, 1);
		put_bytes(w, "_SB_", 4);
		put(w, name_of(i), 4);
		put_bytes(w, "STEL", 4);
		put(w, AML_ARG1, 1);
		put(w, AML_ARG2, 1);
		aml_close(w, block);
	}
	aml_close(w, method);
	aml_close(w, scope);
}
