/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for a non-maskable interrupt on every processor, which the runner asks
 * for. Each counts its own and stands still: nothing here returns from one, which
 * KVM's instruction emulator could not. "cpus=N": how many there are.
 */
#include "lib/guest.h"

#define AP_PAGE 0x8000u

static uint64_t idt[3];
static volatile uint32_t seen, ready;

static void stand(void)
{
	for (;;)
		__asm__ volatile("hlt");
}

/* Entered by the gate, with interrupts off. */
static __attribute__((used)) void on_nmi(void)
{
	uint32_t n = cmdline_num("cpus", 1);

	__asm__ volatile("lock incl %0" : "+m"(seen) : : "memory");
	/* The first processor's id is 0, and it is the one that tells. */
	if (read32(LAYOUT_LAPIC + 0x20) >> 24 != 0)
		stand();
	for (uint32_t t = now_ms(); seen < n && now_ms() - t < 15000;)
		;
	begin("nmi");
	check_eq(seen, n);
	end();
	print("done\n");
	power_off();
}

/* Intel SDM vol. 3A, 6.11: vector 2, a 32-bit interrupt gate in segment 8. */
static void load_idt(void)
{
	struct __attribute__((packed)) { uint16_t limit; uint32_t base; } at = {
		sizeof(idt) - 1, (uint32_t)(uintptr_t)idt,
	};
	uint64_t handler = (uint32_t)(uintptr_t)on_nmi;

	idt[2] = (handler & 0xffff) | 0x8ull << 16 | 0x8eull << 40 |
	    (handler >> 16) << 48;
	__asm__ volatile("lidt %0" : : "m"(at));
}

void ap_main(uint32_t n);
void ap_main(uint32_t n)
{
	(void)n;
	load_idt();
	__asm__ volatile("lock incl %0" : "+m"(ready) : : "memory");
	stand();
}

void guest_main(void)
{
	extern const uint8_t ap_code[], ap_code_end[];
	uint32_t n = cmdline_num("cpus", 1), t;

	load_idt();
	memcpy((void *)AP_PAGE, ap_code, (size_t)(ap_code_end - ap_code));
	/* INIT and SIPI to all but self. */
	write32(LAYOUT_LAPIC + 0xf0, 0x1ff);
	write32(LAYOUT_LAPIC + 0x300, 0xc4500);
	delay_ms(10);
	write32(LAYOUT_LAPIC + 0x300, 0xc4600 | AP_PAGE >> 12);
	for (t = now_ms(); ready < n - 1 && now_ms() - t < 15000;)
		;
	print("waiting\n");
	stand();
}
