/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of an x86-64 vCPU as the architecture's code makes them and every
 * hypervisor takes them. Plain data; fields are named and encoded as in the
 * Intel SDM.
 */
#ifndef BULKHEAD_ARCH_X86_64_STATE_H
#define BULKHEAD_ARCH_X86_64_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define ARCH_MAX_CPUID 256u
#define ARCH_MAX_MSRS 64u

struct arch_cpuid_entry {
	uint32_t function;
	uint32_t index;		/* sub-leaf */
	bool indexed;		/* the sub-leaf matters */
	uint32_t eax, ebx, ecx, edx;
};

struct x86_segment {
	uint64_t base;
	uint32_t limit;
	uint16_t selector;
	uint8_t type;		/* 4 bits */
	uint8_t dpl;
	bool present, db, s, l, g, avl;
};

struct x86_table {
	uint64_t base;
	uint16_t limit;
};

struct x86_msr {
	uint32_t index;
	uint64_t value;
};

enum x86_gpr {
	X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_RSP, X86_RBP,
	X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15,
	X86_GPR_COUNT,
};

/* Local APIC registers that are set at start. */
struct x86_lvt {
	uint32_t lint0, lint1;
};

enum x86_state_part {
	X86_STATE_REGS = 1 << 0,	/* general registers, rip, rflags */
	X86_STATE_SYSTEM = 1 << 1,	/* segments, tables, control registers */
	X86_STATE_MSRS = 1 << 2,
	X86_STATE_LVT = 1 << 3,
};

struct arch_vcpu_state {
	uint32_t parts;			/* enum x86_state_part: what is valid */
	uint64_t gpr[X86_GPR_COUNT];
	uint64_t rip, rflags;
	struct x86_segment cs, ds, es, fs, gs, ss, tr, ldt;
	struct x86_table gdt, idt;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, apic_base;
	uint32_t nmsrs;
	struct x86_msr msr[ARCH_MAX_MSRS];
	struct x86_lvt lvt;
};

#endif
