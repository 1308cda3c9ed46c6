/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest finds at its start: memory map, command line, module, ACPI
 * tables, processors. Prints them for the runner and checks what must hold.
 */
#include "lib/guest.h"
#include "lib/pci.h"

static void memory_map(void)
{
	uint64_t total = 0;

	begin("memory-map");
	check(boot.map_entries > 0);
	for (uint32_t i = 0; i < boot.map_entries; i++) {
		const struct memmap_entry *e = &boot.map[i];

		print("# map 0x%llx+0x%llx type %u\n", e->addr, e->size,
		    e->type);
		check(e->size != 0);
		check(e->addr + e->size > e->addr);
		if (e->type != 1)
			continue;
		total += e->size;
		for (uint32_t j = 0; j < i; j++) {
			const struct memmap_entry *o = &boot.map[j];

			check(o->addr + o->size <= e->addr ||
			    e->addr + e->size <= o->addr);
		}
		/* No RAM where devices are. */
		check(e->addr + e->size <= LAYOUT_LOW_RAM_END ||
		    e->addr >= LAYOUT_RAM64);
	}
	end();
	print("# ram %u KiB\n", (uint32_t)(total >> 10));
	print("# cmdline %s\n", boot.cmdline);
	print("# modules %u size %u\n", boot.modules,
	    (uint32_t)boot.module_size);
}

static void memory(void)
{
	uint32_t top = (uint32_t)low_ram_end();

	begin("memory");
	check(top > HEAP_START);
	/* The last page of low RAM, and a page of the middle: zero, writable. */
	for (unsigned int i = 0; i < 2; i++) {
		uint32_t p = i ? top / 2 & ~0xfffu : top - PAGE;

		if (boot.modules && p + PAGE > boot.module_addr &&
		    p < boot.module_addr + boot.module_size)
			continue;
		for (uint32_t o = 0; o < PAGE; o += 4)
			check(read32(p + o) == 0);
		write32(p + 8, 0x12345678);
		check(read32(p + 8) == 0x12345678);
	}
	end();
}

static void module(void)
{
	uint32_t sum = 0;

	if (!boot.modules)
		return;
	for (uint32_t i = 0; i < boot.module_size; i += 64)
		sum = sum * 31 + read8((uintptr_t)boot.module_addr + i);
	print("# module sum 0x%08x\n", sum);
}

static void tables(void)
{
	static const char *const want[] = { "FACP", "APIC", "MCFG" };
	const struct acpi_header *facp;

	begin("acpi");
	for (unsigned int i = 0; i < ARRAY_LEN(want); i++)
		if (!acpi_find(want[i]))
			fail("no table %s, or a wrong checksum", want[i]);
	facp = acpi_find("FACP");
	if (facp) {
		uintptr_t f = (uintptr_t)facp;
		uintptr_t dsdt = read32(f + 140);

		if (!dsdt)
			dsdt = read32(f + 40);
		check(acpi_checksum((const void *)dsdt, read32(dsdt + 4)));
		if (!cmdline_has("qemu")) {
			/* Hardware-reduced, with sleep and reset registers. */
			check(read32(f + 112) & 1u << 20);
			check_eq(read32(f + 116 + 4), LAYOUT_PORT_ACPI_RESET);
			check_eq(read8(f + 128), LAYOUT_ACPI_RESET_VALUE);
			check_eq(read32(f + 244 + 4), LAYOUT_PORT_ACPI_SLEEP);
		}
	}
	end();
}

static void processors(void)
{
	const struct acpi_header *madt = acpi_find("APIC");
	uint32_t enabled = 0, possible = 0, ioapics = 0, r[4];

	begin("processors");
	check(madt != NULL);
	for (uint32_t o = 44; madt && o < madt->length;) {
		uintptr_t e = (uintptr_t)madt + o;
		uint32_t flags;

		if (read8(e + 1) == 0) {
			fail("MADT entry of length 0");
			break;
		}
		o += read8(e + 1);
		if (read8(e) == 1) {
			ioapics++;
			check_eq(read32(e + 4), LAYOUT_IOAPIC);
		}
		if (read8(e) != 0 && read8(e) != 9)
			continue;
		flags = read32(e + (read8(e) == 9 ? 8 : 4));
		enabled += flags & 1;
		possible += flags != 0;
	}
	check(enabled >= 1);
	check_eq(ioapics, 1);
	print("# cpus %u of %u\n", enabled, possible);
	cpuid(1, 0, r);
	check(r[2] & 1u << 31);		/* a hypervisor is there */
	check_eq(r[1] >> 24, 0);	/* APIC id of the boot processor */
	cpuid(0x40000000, 0, r);
	print("# hypervisor leaf 0x%x %s\n", r[0],
	    r[1] == 0x4b4d564b ? "KVM" : "other");
	end();
}

void guest_main(void)
{
	memory_map();
	memory();
	module();
	tables();
	processors();
}
