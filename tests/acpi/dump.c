// SPDX-License-Identifier: Apache-2.0
/*
 * acpi-dump DIRECTORY: write the ACPI tables of a VM to files, one each, for
 * iasl. The VM has what makes tables large: 300 vCPUs that start, 1024 at most,
 * serial port, and three PCI segments with a 64-bit window.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/layout.h"
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
	Bh__PciSegment segments[3], *list[3];
	Bh__Numa numa = BH__NUMA__INIT;
	Bh__NumaMemory memory[2] = { BH__NUMA_MEMORY__INIT, BH__NUMA_MEMORY__INIT };
	Bh__NumaMemory *memory_list[2] = { &memory[0], &memory[1] };
	uint8_t vcpus[1024], distances[9] = { 10, 15, 254, 15, 10, 20, 254, 20, 10 };

	if (argc != 2) {
		fprintf(stderr, "usage: acpi-dump DIRECTORY\n");
		return 2;
	}
	c.boot_vcpus = 300;
	c.max_vcpus = 1024;
	c.dimms = true;
	c.serial = true;
	for (uint32_t i = 0; i < 3; i++) {
		bh__pci_segment__init(&segments[i]);
		segments[i].mmio32_base = LAYOUT_MMIO32 + i * 0x8000000u;
		segments[i].mmio32_size = 0x8000000;
		segments[i].mmio64_base = (i + 1ull) << 40;
		segments[i].mmio64_size = 1ull << 40;
		list[i] = &segments[i];
	}
	for (uint32_t i = 0; i < 1024; i++)
		vcpus[i] = (uint8_t)(i % 3);
	memory[0].size = LAYOUT_LOW_RAM_END;
	memory[1] = memory[0];
	memory[1].gpa = LAYOUT_RAM64;
	memory[1].node = 2;
	memory[1].hot = true;
	segments[2].node = 2;
	numa.nodes = 3;
	numa.n_memory = 2;
	numa.memory = memory_list;
	numa.vcpus.len = sizeof(vcpus);
	numa.vcpus.data = vcpus;
	numa.distances.len = sizeof(distances);
	numa.distances.data = distances;
	c.numa = &numa;
	c.n_segments = 3;
	c.segments = list;
	if (acpi_build(&t, &c) != 0) {
		fprintf(stderr, "acpi-dump: the tables do not fit\n");
		return 1;
	}
	dump(argv[1], "dsdt", t.bytes + t.dsdt);
	dump(argv[1], "facp", t.bytes + t.fadt);
	dump(argv[1], "apic", t.bytes + t.madt);
	dump(argv[1], "mcfg", t.bytes + t.mcfg);
	dump(argv[1], "ssdt", t.bytes + t.ssdt);
	dump(argv[1], "ssdt-segments", t.bytes + t.segment[0]);
	dump(argv[1], "ssdt-segment1", t.bytes + t.segment[1]);
	dump(argv[1], "ssdt-segment2", t.bytes + t.segment[2]);
	dump(argv[1], "srat", t.bytes + t.srat);
	dump(argv[1], "slit", t.bytes + t.slit);
	dump(argv[1], "xsdt", t.bytes + t.xsdt);
	return 0;
}
