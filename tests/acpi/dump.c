// SPDX-License-Identifier: Apache-2.0
/*
 * acpi-dump DIRECTORY: write the ACPI tables of a VM to files, one each, for
 * iasl. The VM has what makes tables large: 300 vCPUs that start, 1024 at most,
 * serial port and 64-bit window.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/loader/acpi.h"

static void
dump(const char *dir, const char *name, const uint8_t *table)
{
	uint32_t len;
	char path[4096];
	FILE *f;

	memcpy(&len, table + 4, 4);
	snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
	f = fopen(path, "we");
	if (f == NULL || fwrite(table, 1, len, f) != len || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	static struct acpi_tables t;
	Bh__LoadConfig c = BH__LOAD_CONFIG__INIT;

	if (argc != 2) {
		fprintf(stderr, "usage: acpi-dump DIRECTORY\n");
		return 2;
	}
	c.boot_vcpus = 300;
	c.max_vcpus = 1024;
	c.dimms = true;
	c.serial = true;
	c.mmio64_base = 1ull << 40;
	c.mmio64_size = 1ull << 40;
	if (acpi_build(&t, &c) != 0) {
		fprintf(stderr, "acpi-dump: the tables do not fit\n");
		return 1;
	}
	dump(argv[1], "dsdt", t.bytes + t.dsdt);
	dump(argv[1], "facp", t.bytes + t.fadt);
	dump(argv[1], "apic", t.bytes + t.madt);
	dump(argv[1], "mcfg", t.bytes + t.mcfg);
	dump(argv[1], "ssdt", t.bytes + t.ssdt);
	dump(argv[1], "xsdt", t.bytes + t.xsdt);
	return 0;
}
