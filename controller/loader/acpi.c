/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables, see acpi.h. Structures are written field by field, little endian,
 * at the offsets of the specification; a field that is not named is 0.
 */
#include "controller/loader/acpi.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/apicid.h"
#include "arch/x86_64/layout.h"
#include "controller/loader/dsdt.h"

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
#define MADT_LOCAL_APIC 0u
#define MADT_IO_APIC 1u
#define MADT_OVERRIDE 2u
#define MADT_LOCAL_X2APIC 9u
#define LAPIC_ENABLED (1u << 0)
#define LAPIC_ONLINE_CAPABLE (1u << 1)
#define INTI_ACTIVE_HIGH_EDGE 0x5u
#define XAPIC_IDS 255u		/* 255 is a broadcast */

_Static_assert(ACPI_MAX_SIZE == LAYOUT_ACPI_END - LAYOUT_RSDP, "layout.h");
_Static_assert(LAYOUT_ECAM_LAST == LAYOUT_ECAM + LAYOUT_ECAM_SIZE - 1,
    "layout.h");
_Static_assert(LAYOUT_MMIO32_LAST == LAYOUT_MMIO32 + LAYOUT_MMIO32_SIZE - 1,
    "layout.h");

/* A table that is being written. */
struct writer {
	struct acpi_tables *t;
	size_t start;		/* of the table */
	int error;
};

static void
put_bytes(struct writer *w, const void *src, size_t len)
{
	if (len > sizeof(w->t->bytes) - w->t->len) {
		w->error = -ENOSPC;
		return;
	}
	memcpy(w->t->bytes + w->t->len, src, len);
	w->t->len += len;
}

static void
put(struct writer *w, uint64_t value, size_t width)
{
	uint8_t le[8];

	for (size_t i = 0; i < width; i++)
		le[i] = (uint8_t)(value >> (8 * i));
	put_bytes(w, le, width);
}

/* Overwrite @width bytes at @offset of the table being written. */
static void
set(struct writer *w, size_t offset, uint64_t value, size_t width)
{
	if (w->error != 0 || offset + width > w->t->len - w->start)
		return;
	for (size_t i = 0; i < width; i++)
		w->t->bytes[w->start + offset + i] = (uint8_t)(value >> (8 * i));
}

static void
put_zeros(struct writer *w, size_t len)
{
	static const uint8_t zeros[64];

	for (; len > sizeof(zeros); len -= sizeof(zeros))
		put_bytes(w, zeros, sizeof(zeros));
	put_bytes(w, zeros, len);
}

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
	put_zeros(w, -w->t->len & 15);
	w->start = w->t->len;
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
	size_t len = w->t->len - w->start;

	set(w, 4, len, 4);
	set(w, 9, 0, 1);
	set(w, 9, acpi_checksum(w->t->bytes + w->start, len), 1);
}

static void
put_dsdt(struct writer *w, const Bh__LoadConfig *config)
{
	put_zeros(w, -w->t->len & 15);
	w->start = w->t->dsdt = w->t->len;
	put_bytes(w, dsdt_aml, dsdt_aml_size);
	set(w, dsdt_offset_P64B, config->mmio64_base, 8);
	set(w, dsdt_offset_P64L, config->mmio64_size == 0 ? 0 :
	    config->mmio64_base + config->mmio64_size - 1, 8);
	/* Present, enabled, shown, working; or none of it (6.3.7). */
	set(w, dsdt_offset_COMS, config->serial ? 0xf : 0, 1);
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
put_fadt(struct writer *w)
{
	uint64_t dsdt = LAYOUT_RSDP + w->t->dsdt;

	w->t->fadt = begin(w, "FACP", 6);
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
		memcpy(w->t->bytes + w->start + 268, "BULKHEAD", 8);
	end(w);
}

/* A vCPU that can come later is described, but not enabled. */
static void
put_cpu(struct writer *w, const Bh__LoadConfig *config, uint32_t cpu)
{
	const Bh__Topology *t = config->topology;
	uint32_t id = t == NULL ? cpu :
	    x86_apic_id(cpu, t->threads, t->cores, t->dies);
	uint32_t flags = cpu < config->boot_vcpus ?
	    LAPIC_ENABLED : LAPIC_ONLINE_CAPABLE;

	if (id < XAPIC_IDS && cpu < XAPIC_IDS) {
		put(w, MADT_LOCAL_APIC, 1);
		put(w, 8, 1);
		put(w, cpu, 1);				/* processor UID */
		put(w, id, 1);
		put(w, flags, 4);
	} else {
		put(w, MADT_LOCAL_X2APIC, 1);
		put(w, 16, 1);
		put(w, 0, 2);
		put(w, id, 4);
		put(w, flags, 4);
		put(w, cpu, 4);				/* processor UID */
	}
}

static void
put_madt(struct writer *w, const Bh__LoadConfig *config)
{
	/* Below 16 a GSI is edge and active high unless said; Linux warns when
	 * DSDT and MADT say different things, so it is said. */
	static const uint8_t edge[] = { LAYOUT_GSI_COM1, LAYOUT_GSI_GED };

	w->t->madt = begin(w, "APIC", 5);
	put(w, LAYOUT_LAPIC, 4);
	put(w, 0, 4);					/* no 8259s */
	for (uint32_t cpu = 0; cpu < config->max_vcpus; cpu++)
		put_cpu(w, config, cpu);
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

/* PCI firmware specification 3.0 4.1.2. */
static void
put_mcfg(struct writer *w)
{
	w->t->mcfg = begin(w, "MCFG", 1);
	put(w, 0, 8);
	put(w, LAYOUT_ECAM, 8);
	put(w, 0, 2);					/* segment */
	put(w, 0, 1);					/* first bus */
	put(w, 255, 1);					/* last bus */
	put(w, 0, 4);
	end(w);
}

static void
put_xsdt(struct writer *w)
{
	w->t->xsdt = begin(w, "XSDT", 1);
	put(w, LAYOUT_RSDP + w->t->fadt, 8);
	put(w, LAYOUT_RSDP + w->t->madt, 8);
	put(w, LAYOUT_RSDP + w->t->mcfg, 8);
	end(w);
}

/* RSDP (5.2.5.3), last, since it says where the XSDT is. */
static void
set_rsdp(struct writer *w)
{
	uint8_t *rsdp = w->t->bytes;

	w->start = 0;
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "BLKHD ", 6);
	rsdp[15] = 2;
	set(w, 20, 36, 4);
	set(w, 24, LAYOUT_RSDP + w->t->xsdt, 8);
	rsdp[8] = acpi_checksum(rsdp, 20);
	rsdp[32] = acpi_checksum(rsdp, 36);
}

int
acpi_build(struct acpi_tables *tables, const Bh__LoadConfig *config)
{
	struct writer w = { .t = tables };

	tables->len = 0;
	put_zeros(&w, 36);
	put_dsdt(&w, config);
	put_fadt(&w);
	put_madt(&w, config);
	put_mcfg(&w);
	put_xsdt(&w);
	set_rsdp(&w);
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
