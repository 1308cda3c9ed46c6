// SPDX-License-Identifier: Apache-2.0
/* ACPI and SMBIOS tables: checksums, lengths, and what depends on the VM. */
#include <errno.h>

#include "arch/x86_64/layout.h"
#include "controller/loader/acpi.h"
#include "controller/loader/smbios.h"
#include "loader_fixture.h"

static struct acpi_tables acpi;
static struct smbios_tables smbios;

static uint64_t
le(const uint8_t *at, size_t width)
{
	uint64_t n = 0;

	memcpy(&n, at, width);
	return n;
}

static void
assert_table(size_t at, const char *signature)
{
	uint64_t len = le(acpi.bytes + at + 4, 4);

	assert_memory_equal(acpi.bytes + at, signature, 4);
	assert_true(len >= 36 && at + len <= acpi.len);
	assert_int_equal(acpi_checksum(acpi.bytes + at, len), 0);
	assert_int_equal(at % 16, 0);
}

/* Is @value in a table, as an integer of @width bytes? */
static bool
in_table(size_t table, uint64_t value, size_t width)
{
	uint64_t len = le(acpi.bytes + table + 4, 4);

	for (size_t i = 36; i + width <= len; i++)
		if (le(acpi.bytes + table + i, width) == value)
			return true;
	return false;
}

static bool
in_dsdt(uint64_t value, size_t width)
{
	return in_table(acpi.dsdt, value, width);
}

/* A configuration with @n PCI segments, windows of 1 MiB and 1 GiB each. */
static Bh__LoadConfig
with_segments(uint32_t n)
{
	static Bh__PciSegment segments[PCI_LIMIT_SEGMENTS], *list[PCI_LIMIT_SEGMENTS];
	Bh__LoadConfig c = BH__LOAD_CONFIG__INIT;

	for (uint32_t i = 0; i < n; i++) {
		bh__pci_segment__init(&segments[i]);
		segments[i].mmio32_base = LAYOUT_MMIO32 + i * 0x100000ull;
		segments[i].mmio32_size = 0x100000;
		segments[i].mmio64_base = (1ull << 40) + (i * 1ull << 30);
		segments[i].mmio64_size = 1ull << 30;
		list[i] = &segments[i];
	}
	c.n_segments = n;
	c.segments = list;
	return c;
}

static void
chain(void **state)
{
	Bh__LoadConfig c = with_segments(1);
	uint64_t xsdt;

	(void)state;
	c.boot_vcpus = c.max_vcpus = 4;
	assert_int_equal(acpi_build(&acpi, &c), 0);
	assert_memory_equal(acpi.bytes, "RSD PTR ", 8);
	assert_int_equal(acpi_checksum(acpi.bytes, 20), 0);
	assert_int_equal(acpi_checksum(acpi.bytes, 36), 0);
	assert_table(acpi.dsdt, "DSDT");
	assert_table(acpi.fadt, "FACP");
	assert_table(acpi.madt, "APIC");
	assert_table(acpi.mcfg, "MCFG");
	assert_table(acpi.xsdt, "XSDT");
	xsdt = le(acpi.bytes + 24, 8);
	assert_int_equal(xsdt, LAYOUT_RSDP + acpi.xsdt);
	assert_int_equal(le(acpi.bytes + acpi.xsdt + 36, 8),
	    LAYOUT_RSDP + acpi.fadt);
	assert_int_equal(le(acpi.bytes + acpi.fadt + 140, 8),
	    LAYOUT_RSDP + acpi.dsdt);
	/* Hardware-reduced, with a reset register. */
	assert_int_equal(le(acpi.bytes + acpi.fadt + 112, 4) & (1u << 20 | 1u << 10),
	    1u << 20 | 1u << 10);
	assert_int_equal(le(acpi.bytes + acpi.fadt + 120, 8), 0x601);
	assert_int_equal(le(acpi.bytes + acpi.fadt + 212, 8), 0x608);
	assert_int_equal(le(acpi.bytes + acpi.mcfg + 44, 8), LAYOUT_ECAM);
	assert_int_equal(le(acpi.bytes + acpi.mcfg + 4, 4), 44 + 16);
}

/* Each has its table, its bus, its windows and its name. */
static void
segments(void **state)
{
	Bh__LoadConfig c = with_segments(PCI_LIMIT_SEGMENTS);

	(void)state;
	c.boot_vcpus = 1;
	c.max_vcpus = 256;
	assert_int_equal(acpi_build(&acpi, &c), 0);
	assert_int_equal(acpi.nsegments, PCI_LIMIT_SEGMENTS);
	assert_table(acpi.mcfg, "MCFG");
	assert_int_equal(le(acpi.bytes + acpi.mcfg + 4, 4),
	    44 + 16 * PCI_LIMIT_SEGMENTS);
	for (uint32_t i = 0; i < PCI_LIMIT_SEGMENTS; i++) {
		const uint8_t *e = acpi.bytes + acpi.mcfg + 44 + (size_t)i * 16;

		assert_int_equal(le(e, 8), LAYOUT_ECAM + (i << 20));
		assert_int_equal(le(e + 8, 4), i);	/* segment; bus 0 to 0 */
		assert_table(acpi.segment[i], "SSDT");
	}
	assert_int_equal(le(acpi.bytes + acpi.xsdt + 4, 4), 36 + 8 *
	    (4 + PCI_LIMIT_SEGMENTS));	/* and FADT, MADT, MCFG, the vCPUs' SSDT */
	assert_true(in_table(acpi.segment[1], le((const uint8_t *)"SG01", 4), 4));
	assert_true(in_table(acpi.segment[95], le((const uint8_t *)"SG5F", 4), 4));
	assert_false(in_table(acpi.segment[95], le((const uint8_t *)"SG00", 4), 4));
	/* Name (SEGN, 0x5f): the name, its prefix, the number. */
	assert_true(in_table(acpi.segment[95], 0x5f0c4e474553ull, 8));
	assert_true(in_table(acpi.segment[2], LAYOUT_ECAM + (2u << 20), 4));
	assert_true(in_table(acpi.segment[2], c.segments[2]->mmio32_base, 4));
	assert_true(in_table(acpi.segment[2], c.segments[2]->mmio32_base + 0xfffff, 4));
	assert_true(in_table(acpi.segment[2], c.segments[2]->mmio64_base, 8));
	assert_true(in_table(acpi.segment[2], c.segments[2]->mmio64_base + 0x3fffffff, 8));
	/* The first one's are in the DSDT. */
	assert_true(in_dsdt(LAYOUT_MMIO32 + 0xfffff, 4));
	assert_true(in_dsdt((1ull << 40) + 0x3fffffff, 8));
}


static void
dsdt_patched(void **state)
{
	Bh__LoadConfig c = with_segments(1);

	(void)state;
	c.boot_vcpus = c.max_vcpus = 1;
	c.segments[0]->mmio64_base = 0x6543210000;
	c.segments[0]->mmio64_size = 0x10000000;
	assert_int_equal(acpi_build(&acpi, &c), 0);
	assert_table(acpi.dsdt, "DSDT");
	assert_true(in_dsdt(0x6543210000, 8));
	assert_true(in_dsdt(0x655320ffff, 8));
	/* Nothing of the placeholders is left. */
	assert_false(in_dsdt(0x1122334455667788, 8));
	assert_false(in_dsdt(0x1122334455667799, 8));
	assert_false(in_dsdt(0x5a0a534d4f43, 6));
	assert_true(in_dsdt(0x000a534d4f43, 6));
	c.serial = true;
	assert_int_equal(acpi_build(&acpi, &c), 0);
	assert_true(in_dsdt(0x0f0a534d4f43, 6));
}

/* Walk the MADT: entries of type @type, the n-th's bytes. */
static const uint8_t *
madt_entry(uint8_t type, unsigned int n)
{
	size_t at = acpi.madt + 44;
	size_t end = acpi.madt + le(acpi.bytes + acpi.madt + 4, 4);

	for (; at < end; at += acpi.bytes[at + 1]) {
		assert_true(acpi.bytes[at + 1] >= 2);
		if (acpi.bytes[at] == type && n-- == 0)
			return acpi.bytes + at;
	}
	assert_int_equal(at, end);
	return NULL;
}

static void
madt(void **state)
{
	Bh__LoadConfig c = with_segments(1);
	const uint8_t *e;

	(void)state;
	c.boot_vcpus = 300;
	c.max_vcpus = 1024;
	assert_int_equal(acpi_build(&acpi, &c), 0);
	assert_table(acpi.madt, "APIC");
	assert_int_equal(madt_entry(0, 254)[3], 254);
	assert_null(madt_entry(0, 255));
	e = madt_entry(9, 0);
	assert_int_equal(le(e + 4, 4), 255);
	assert_int_equal(le(e + 8, 4), 1);
	assert_int_equal(le(e + 12, 4), 255);
	e = madt_entry(9, 45);
	assert_int_equal(le(e + 4, 4), 300);
	assert_int_equal(le(e + 8, 4), 2);
	assert_int_equal(le(madt_entry(9, 1023 - 255) + 4, 4), 1023);
	assert_null(madt_entry(9, 1024 - 255));
	assert_int_equal(le(madt_entry(1, 0) + 4, 4), LAYOUT_IOAPIC);
	assert_int_equal(madt_entry(2, 0)[3], LAYOUT_GSI_COM1);
	assert_int_equal(madt_entry(2, 1)[3], LAYOUT_GSI_GED);
}

/* Three cores of one thread in two packages: two bits for the core. */
static void
madt_topology(void **state)
{
	Bh__LoadConfig c = with_segments(1);
	Bh__Topology t = BH__TOPOLOGY__INIT;

	(void)state;
	t.threads = 1;
	t.cores = 3;
	t.dies = 1;
	t.packages = 2;
	c.boot_vcpus = c.max_vcpus = 6;
	c.topology = &t;
	assert_int_equal(acpi_build(&acpi, &c), 0);
	assert_int_equal(madt_entry(0, 2)[3], 2);
	assert_int_equal(madt_entry(0, 3)[3], 4);
	assert_int_equal(madt_entry(0, 3)[2], 3);
	assert_int_equal(madt_entry(0, 5)[3], 6);
}

/* protobuf-c's strings are not const; nobody writes to these. */
static char *
text_of(const char *text)
{
	union { const char *in; char *out; } constless = { .in = text };

	return constless.out;
}

/* The structure of a type; *strings to its first string. */
static const uint8_t *
smbios_structure(uint8_t type, const char **strings)
{
	size_t at = le(smbios.bytes + 16, 8) - LAYOUT_SMBIOS;
	size_t end = at + le(smbios.bytes + 12, 4);

	assert_int_equal(end, smbios.len);
	while (at < end) {
		const uint8_t *s = smbios.bytes + at;

		at += s[1];
		*strings = (const char *)smbios.bytes + at;
		if (s[0] == type)
			return s;
		while (smbios.bytes[at] != 0 || smbios.bytes[at + 1] != 0)
			at++;
		at += 2;
	}
	assert_int_equal(at, end);
	return NULL;
}

static void
smbios_strings(void **state)
{
	static char one[] = "first", two[] = "second", empty[] = "";
	char *oem[] = { one, empty, two };
	static const uint8_t uuid[16] = { 0x67, 0x45, 0x23, 0x01, 0xab, 0x89,
		0xef, 0xcd, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	Bh__LoadConfig c = with_segments(1);
	Bh__Smbios s = BH__SMBIOS__INIT;
	const uint8_t *p;
	const char *strings;

	(void)state;
	c.smbios = &s;
	s.serial_number = text_of("S/N 1");
	s.uuid = text_of("01234567-89ab-cdef-0123-456789ABCDEF");
	s.oem_strings = oem;
	s.n_oem_strings = 3;
	assert_int_equal(smbios_build(&smbios, &c), 0);
	assert_memory_equal(smbios.bytes, "_SM3_", 5);
	assert_int_equal(acpi_checksum(smbios.bytes, 24), 0);
	p = smbios_structure(1, &strings);
	assert_non_null(p);
	assert_memory_equal(p + 8, uuid, 16);
	/* Manufacturer, product; no version; serial number is string 3. */
	assert_int_equal(p[6], 0);
	assert_int_equal(p[7], 3);
	assert_string_equal(strings, "Bulkhead");
	p = smbios_structure(11, &strings);
	assert_non_null(p);
	assert_int_equal(p[4], 3);
	assert_memory_equal(strings, "first\0 \0second\0", 16);
	assert_non_null(smbios_structure(0, &strings));
	assert_non_null(smbios_structure(3, &strings));
	assert_non_null(smbios_structure(127, &strings));
	assert_null(smbios_structure(4, &strings));
}

static void
smbios_bad(void **state)
{
	static char text[70000];
	Bh__LoadConfig c = with_segments(1);
	Bh__Smbios s = BH__SMBIOS__INIT;

	(void)state;
	c.smbios = &s;
	s.uuid = text_of("01234567-89ab-cdef-0123-456789abcde");
	assert_int_equal(smbios_build(&smbios, &c), -EINVAL);
	s.uuid = text_of("01234567-89ab-cdef-0123-456789abcdef0");
	assert_int_equal(smbios_build(&smbios, &c), -EINVAL);
	s.uuid = text_of("0123456789ab-cdef-0123-456789abcdef");
	assert_int_equal(smbios_build(&smbios, &c), -EINVAL);
	s.uuid = text_of("");
	memset(text, 'x', sizeof(text) - 1);
	s.family = text;
	assert_int_equal(smbios_build(&smbios, &c), -ENOSPC);
	c.smbios = NULL;
	assert_int_equal(smbios_build(&smbios, &c), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chain), cmocka_unit_test(segments),
		cmocka_unit_test(dsdt_patched),
		cmocka_unit_test(madt),
		cmocka_unit_test(madt_topology),
		cmocka_unit_test(smbios_strings),
		cmocka_unit_test(smbios_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
