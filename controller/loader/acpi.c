/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables, see acpi.h. Structures are written field by field, little endian,
 * at the offsets of the specification; a field that is not named is 0.
 */
#include "controller/loader/acpi.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "controller/loader/acpi_cpus.h"
#include "controller/loader/acpi_numa.h"
#include "controller/loader/acpi_segments.h"
#include "controller/loader/dsdt.h"
#include "controller/loader/writer.h"

#define HEADER_SIZE 36u		/* of every table but the RSDP */

/* FADT flags (ACPI 6.4 5.2.9, table 5.10) */
#define FADT_WBINVD (1u << 0)
#define FADT_PROC_C1 (1u << 2)
#define FADT_PWR_BUTTON (1u << 4)	/* set: it is a device in the DSDT */
#define FADT_SLP_BUTTON (1u << 5)	/* set: none, or in the DSDT */
#define FADT_TMR_VAL_EXT (1u << 8)	/* PM timer of 32 bits, not 24 */
#define FADT_RESET_REG_SUP (1u << 10)
#define FADT_HW_REDUCED_ACPI (1u << 20)

/* IA-PC boot architecture flags (table 5.11) */
#define BOOT_VGA_NOT_PRESENT (1u << 2)

/* Generic address structure (5.2.3.2): a byte or dword port. */
#define GAS_SYSTEM_IO 1u

/* MADT (5.2.12) */
#define MADT_IO_APIC 1u
#define MADT_OVERRIDE 2u
#define INTI_ACTIVE_HIGH_EDGE 0x5u

_Static_assert(ACPI_MAX_SIZE == LAYOUT_ACPI_END - LAYOUT_RSDP, "layout.h");
_Static_assert(LAYOUT_ECAM_LAST == LAYOUT_ECAM + LAYOUT_ECAM_SIZE - 1,
    "layout.h");
_Static_assert(LAYOUT_MMIO32_LAST == LAYOUT_MMIO32 + LAYOUT_MMIO32_SIZE - 1,
    "layout.h");

uint8_t
acpi_checksum(const uint8_t *bytes, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

/* The header's checksum and length are filled in by end(). */
static size_t
begin(struct writer *w, const char *signature, uint8_t revision)
{
	put_zeros(w, -w->len & 15);
	w->start = w->len;
	put_bytes(w, signature, 4);
	put(w, 0, 4);				/* length */
	put(w, revision, 1);
	put(w, 0, 1);				/* checksum */
	put_bytes(w, "BLKHD ", 6);
	put_bytes(w, "BULKHEAD", 8);
	put(w, 1, 4);				/* OEM revision */
	put_bytes(w, "BLKH", 4);		/* creator */
	put(w, 1, 4);
	return w->start;
}

static void
end(struct writer *w)
{
	size_t len = w->len - w->start;

	set(w, 4, len, 4);
	set(w, 9, 0, 1);
	set(w, 9, acpi_checksum(w->bytes + w->start, len), 1);
}

static void
put_dsdt(struct acpi_tables *t, struct writer *w, const Bh__LoadConfig *config)
{
	const Bh__PciSegment *first = config->segments[0];

	put_zeros(w, -w->len & 15);
	w->start = t->dsdt = w->len;
	put_bytes(w, dsdt_aml, dsdt_aml_size);
	set(w, dsdt_offset_P32L, first->mmio32_base + first->mmio32_size - 1, 4);
	set(w, dsdt_offset_P64B, first->mmio64_base, 8);
	set(w, dsdt_offset_P64L, first->mmio64_size == 0 ? 0 :
	    first->mmio64_base + first->mmio64_size - 1, 8);
	set(w, dsdt_offset_NSEG, config->n_segments, 4);
	/* Present, enabled, shown, working; or none of it (6.3.7). */
	set(w, dsdt_offset_COMS, config->serial ? 0xf : 0, 1);
	set(w, dsdt_offset_NCPU, acpi_cpus_change(config) ? config->max_vcpus : 0,
	    4);
	set(w, dsdt_offset_NMEM, config->dimms ? LAYOUT_DIMMS : 0, 4);
	end(w);
}

/* A generic address structure at @offset for @width bytes of ports at @port. */
static void
set_port(struct writer *w, size_t offset, uint16_t port, uint8_t width)
{
	set(w, offset, GAS_SYSTEM_IO, 1);
	set(w, offset + 1, 8ull * width, 1);
	set(w, offset + 2, 0, 1);
	/* Access size: 1 byte, 2 word, 3 dword. */
	set(w, offset + 3, width == 4 ? 3 : 1, 1);
	set(w, offset + 4, port, 8);
}

/*
 * FADT of ACPI 6.4 (5.2.9). Of the fixed hardware only the PM timer is there:
 * hardware-reduced ACPI has the field ignored, but Linux (acpi_parse_fadt) and
 * BSD take the timer from it all the same, and Cloud Hypervisor gives it to them.
 */
static void
put_fadt(struct acpi_tables *t, struct writer *w)
{
	uint64_t dsdt = LAYOUT_RSDP + t->dsdt;

	t->fadt = begin(w, "FACP", 6);
	put_zeros(w, 276 - HEADER_SIZE);
	set(w, 40, dsdt, 4);				/* DSDT */
	set(w, 76, LAYOUT_PORT_PM_TIMER, 4);		/* PM_TMR_BLK */
	set(w, 91, 4, 1);				/* PM_TMR_LEN */
	set(w, 96, 0xffff, 2);				/* no C2 ... */
	set(w, 98, 0xffff, 2);				/* ... and no C3 */
	/* No 8042 to look for: its port only resets. */
	set(w, 109, BOOT_VGA_NOT_PRESENT, 2);		/* IAPC_BOOT_ARCH */
	set(w, 112, FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON |
	    FADT_SLP_BUTTON | FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP |
	    FADT_HW_REDUCED_ACPI, 4);
	set_port(w, 116, LAYOUT_PORT_ACPI_RESET, 1);	/* RESET_REG */
	set(w, 128, LAYOUT_ACPI_RESET_VALUE, 1);
	set(w, 131, 4, 1);				/* minor version */
	set(w, 140, dsdt, 8);				/* X_DSDT */
	set_port(w, 208, LAYOUT_PORT_PM_TIMER, 4);	/* X_PM_TMR_BLK */
	set_port(w, 244, LAYOUT_PORT_ACPI_SLEEP, 1);	/* SLEEP_CONTROL_REG */
	set_port(w, 256, LAYOUT_PORT_ACPI_SLEEP, 1);	/* SLEEP_STATUS_REG */
	if (w->error == 0)				/* hypervisor vendor */
		memcpy(w->bytes + w->start + 268, "BULKHEAD", 8);
	end(w);
}

static void
put_madt(struct acpi_tables *t, struct writer *w, const Bh__LoadConfig *config)
{
	/* Below 16 a GSI is edge and active high unless said; Linux warns when
	 * DSDT and MADT say different things, so it is said. */
	static const uint8_t edge[] = { LAYOUT_GSI_COM1, LAYOUT_GSI_GED };

	t->madt = begin(w, "APIC", 5);
	put(w, LAYOUT_LAPIC, 4);
	put(w, 0, 4);					/* no 8259s */
	for (uint32_t cpu = 0; cpu < config->max_vcpus; cpu++)
		acpi_put_cpu(w, config, cpu, cpu < config->boot_vcpus);
	put(w, MADT_IO_APIC, 1);
	put(w, 12, 1);
	put(w, LAYOUT_IOAPIC_ID, 1);
	put(w, 0, 1);
	put(w, LAYOUT_IOAPIC, 4);
	put(w, 0, 4);					/* first GSI */
	for (size_t i = 0; i < sizeof(edge); i++) {
		put(w, MADT_OVERRIDE, 1);
		put(w, 10, 1);
		put(w, 0, 1);				/* bus: ISA */
		put(w, edge[i], 1);			/* IRQ */
		put(w, edge[i], 4);			/* GSI */
		put(w, INTI_ACTIVE_HIGH_EDGE, 2);
	}
	end(w);
}

/* What comes and goes of the vCPUs, devices of \\_SB.CPUS in the DSDT. */
static void
put_ssdt(struct acpi_tables *t, struct writer *w, const Bh__LoadConfig *config)
{
	t->ssdt = 0;
	if (!acpi_cpus_change(config))
		return;
	t->ssdt = begin(w, "SSDT", 2);
	acpi_put_cpu_devices(w, config);
	end(w);
}

/* A table for each PCI segment but the first, and one that has events reach them. */
static void
put_segments(struct acpi_tables *t, struct writer *w, const Bh__LoadConfig *config)
{
	t->nsegments = (uint32_t)config->n_segments;
	for (uint32_t i = 1; i < t->nsegments; i++) {
		put_zeros(w, -w->len & 15);
		w->start = t->segment[i] = w->len;
		acpi_put_segment(w, config->segments[i], i);
		end(w);
	}
	if (t->nsegments == 1)
		return;
	t->segment[0] = begin(w, "SSDT", 2);
	acpi_put_segment_events(w, t->nsegments);
	end(w);
}

/* PCI firmware specification 3.0 4.1.2. */
static void
put_mcfg(struct acpi_tables *t, struct writer *w, const Bh__LoadConfig *config)
{
	t->mcfg = begin(w, "MCFG", 1);
	put(w, 0, 8);
	for (uint32_t i = 0; i < config->n_segments; i++) {
		put(w, LAYOUT_ECAM + i * LAYOUT_ECAM_BUS, 8);
		put(w, i, 2);				/* segment */
		put(w, 0, 1);				/* first bus */
		put(w, 0, 1);				/* last bus */
		put(w, 0, 4);
	}
	end(w);
}

static void
put_nodes(struct acpi_tables *t, struct writer *w, const Bh__LoadConfig *config)
{
	t->srat = t->slit = 0;
	if (config->numa == NULL)
		return;
	t->srat = begin(w, "SRAT", 3);
	acpi_put_srat(w, config);
	end(w);
	t->slit = begin(w, "SLIT", 1);
	acpi_put_slit(w, config->numa);
	end(w);
}

static void
put_xsdt(struct acpi_tables *t, struct writer *w)
{
	t->xsdt = begin(w, "XSDT", 1);
	put(w, LAYOUT_RSDP + t->fadt, 8);
	put(w, LAYOUT_RSDP + t->madt, 8);
	put(w, LAYOUT_RSDP + t->mcfg, 8);
	if (t->ssdt != 0)
		put(w, LAYOUT_RSDP + t->ssdt, 8);
	if (t->srat != 0) {
		put(w, LAYOUT_RSDP + t->srat, 8);
		put(w, LAYOUT_RSDP + t->slit, 8);
	}
	for (uint32_t i = 0; t->nsegments > 1 && i < t->nsegments; i++)
		put(w, LAYOUT_RSDP + t->segment[i], 8);
	end(w);
}

/* RSDP (5.2.5.3), last, since it says where the XSDT is. */
static void
set_rsdp(const struct acpi_tables *t, struct writer *w)
{
	uint8_t *rsdp = w->bytes;

	w->start = 0;
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "BLKHD ", 6);
	rsdp[15] = 2;
	set(w, 20, 36, 4);
	set(w, 24, LAYOUT_RSDP + t->xsdt, 8);
	rsdp[8] = acpi_checksum(rsdp, 20);
	rsdp[32] = acpi_checksum(rsdp, 36);
}

int
acpi_build(struct acpi_tables *t, const Bh__LoadConfig *config)
{
	struct writer w = { .bytes = t->bytes, .size = sizeof(t->bytes) };

	put_zeros(&w, 36);
	put_dsdt(t, &w, config);
	put_fadt(t, &w);
	put_madt(t, &w, config);
	put_mcfg(t, &w, config);
	put_ssdt(t, &w, config);
	put_segments(t, &w, config);
	put_nodes(t, &w, config);
	put_xsdt(t, &w);
	set_rsdp(t, &w);
	t->len = w.len;
	return w.error;
}

int
acpi_load(struct gmem *mem, const Bh__LoadConfig *config,
    struct load_report *report)
{
	static struct acpi_tables tables;
	int rc = acpi_build(&tables, config);

	if (rc == 0)
		rc = gmem_write(mem, gpa(LAYOUT_RSDP), tables.bytes, tables.len);
	if (rc < 0)
		return load_fail(report, -rc, "ACPI tables",
		    "do not fit below 1 MiB");
	return 0;
}
