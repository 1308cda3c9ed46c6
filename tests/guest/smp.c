/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts every processor that the MADT names by INIT and SIPI, all at once, in
 * xAPIC mode or ("x2apic") x2APIC mode; each counts, and its APIC id must be one
 * of the MADT's. "cpus=N": how many there must be.
 */
#include "lib/pci.h"

#define AP_PAGE 0x8000u
#define MAX 256u

static volatile uint32_t started, ids[MAX];
static bool x2apic;

static uint32_t apic_read(uint32_t reg)
{
	if (x2apic)
		return (uint32_t)rdmsr(0x800 + (reg >> 4));
	return read32(LAYOUT_LAPIC + reg);
}

static void send_ipi(uint32_t dest, uint32_t low)
{
	if (x2apic) {
		wrmsr(0x830, (uint64_t)dest << 32 | low);
		return;
	}
	write32(LAYOUT_LAPIC + 0x310, dest << 24);
	write32(LAYOUT_LAPIC + 0x300, low);
}

static uint32_t apic_id(void)
{
	return x2apic ? apic_read(0x20) : apic_read(0x20) >> 24;
}

void ap_main(uint32_t n)
{
	if (x2apic)
		wrmsr(0x1b, rdmsr(0x1b) | 0x400);
	if (n < MAX)
		ids[n] = apic_id() + 1;
	__asm__ volatile("lock incl %0" : "+m"(started) : : "memory");
}

void guest_main(void)
{
	extern const uint8_t ap_code[], ap_code_end[];
	const struct acpi_header *madt = acpi_find("APIC");
	uint32_t want = 0, r[4], t;
	static bool listed[MAX * 2];

	x2apic = cmdline_has("x2apic");
	begin("processors");
	cpuid(1, 0, r);
	if (x2apic) {
		check(r[2] & 1u << 21);
		wrmsr(0x1b, rdmsr(0x1b) | 0x400);
	}
	check_eq(apic_id(), 0);
	memcpy((void *)AP_PAGE, ap_code, (size_t)(ap_code_end - ap_code));
	for (uint32_t o = 44; madt && o < madt->length;) {
		uintptr_t e = (uintptr_t)madt + o;
		uint32_t id, flags;

		if (read8(e + 1) == 0)
			break;
		o += read8(e + 1);
		if (read8(e) == 0) {
			id = read8(e + 3);
			flags = read32(e + 4);
		} else if (read8(e) == 9) {
			id = read32(e + 4);
			flags = read32(e + 8);
		} else {
			continue;
		}
		if (!(flags & 1) || id >= MAX * 2)
			continue;
		check(!listed[id]);
		listed[id] = true;
		if (id == 0)
			continue;
		want++;
		send_ipi(id, 0x4500);			/* INIT */
		send_ipi(id, 0x4600 | AP_PAGE >> 12);	/* SIPI */
	}
	for (t = now_ms(); started < want && now_ms() - t < 30000;)
		;
	print("# started %u of %u in %u ms\n", started, want, now_ms() - t);
	check_eq(started, want);
	if (cmdline_num("cpus", 0))
		check_eq(want + 1, cmdline_num("cpus", 0));
	for (uint32_t i = 1; i <= started && i < MAX; i++) {
		uint32_t id = ids[i] - 1;

		if (id >= MAX * 2 || !listed[id] || id == 0) {
			fail("processor %u has APIC id %u", i, id);
			break;
		}
		listed[id] = false;
	}
	end();
}
