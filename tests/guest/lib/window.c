/* SPDX-License-Identifier: Apache-2.0 */
/* High memory through a window, see window.h. */
#include "lib/window.h"

#include "lib/guest.h"

void window_open(uint64_t high)
{
	uint64_t *pml4 = alloc(PAGE, PAGE), *pdpt = alloc(PAGE, PAGE);
	uint64_t *pd = alloc(4 * PAGE, PAGE);

	for (uint32_t i = 0; i < 2048; i++) {
		uint64_t phys = (uint64_t)i << 21;

		if (i >= 512 && i < 1024)
			phys += high - WINDOW;
		pd[i] = phys | 0x83;
	}
	for (uint32_t i = 0; i < 4; i++)
		pdpt[i] = (uintptr_t)(pd + i * 512) | 3;
	pml4[0] = (uintptr_t)pdpt | 3;
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 0x100);	/* EFER.LME */
	__asm__ volatile(
	    "movl %%cr4, %%eax\n\torl $0x20, %%eax\n\tmovl %%eax, %%cr4\n\t"
	    "movl %0, %%cr3\n\t"
	    "movl %%cr0, %%eax\n\torl $0x80000000, %%eax\n\tmovl %%eax, %%cr0"
	    : : "r"(pml4) : "eax", "memory");
}
