/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that a vCPU holds, as it is saved and loaded: arch/x86_64/save.c makes a
 * message of it, the hypervisor gives and takes it. Plain data, encoded as in the
 * Intel SDM.
 */
#ifndef BULKHEAD_ARCH_X86_64_SAVED_H
#define BULKHEAD_ARCH_X86_64_SAVED_H

#include "arch/x86_64/state.h"

#define ARCH_SAVED_MSRS 512u
#define ARCH_SAVED_XSAVE 16384u
#define ARCH_SAVED_XCRS 16u
#define ARCH_SAVED_LAPIC 1024u
#define ARCH_SAVED_DEBUG 6u	/* db0 to db3, dr6, dr7 */

/* Bits of x86_events, in the order of their names in X86Events. */
#define X86_EXCEPTION_INJECTED 1u
#define X86_EXCEPTION_PENDING 2u
#define X86_EXCEPTION_HAS_ERROR 4u
#define X86_EXCEPTION_HAS_PAYLOAD 8u
#define X86_INTERRUPT_INJECTED 1u
#define X86_INTERRUPT_SOFT 2u
#define X86_NMI_INJECTED 1u
#define X86_NMI_PENDING 2u
#define X86_NMI_MASKED 4u
#define X86_SMI_SMM 1u
#define X86_SMI_PENDING 2u
#define X86_SMI_INSIDE_NMI 4u
#define X86_SMI_LATCHED_INIT 8u

struct x86_events {
	uint8_t exception_flags, exception, interrupt_flags, interrupt, shadow;
	uint8_t nmi_flags, smi_flags;
	uint32_t error_code, sipi_vector;
	uint64_t payload;
	bool triple_fault;
};

enum x86_mp_state { X86_MP_RUNS, X86_MP_NOT_STARTED, X86_MP_INIT, X86_MP_HALTED,
	X86_MP_SIPI, X86_MP_COUNT };

struct arch_vcpu_saved {
	struct arch_vcpu_state regs;	/* without MSRs and LVT */
	uint32_t npdptr;		/* 0 or 4 */
	uint64_t pdptr[4];
	uint32_t xsave_len;
	_Alignas(64) uint8_t xsave[ARCH_SAVED_XSAVE];
	uint32_t nxcrs;
	uint64_t xcr[2 * ARCH_SAVED_XCRS];	/* number and value */
	uint64_t debug[ARCH_SAVED_DEBUG];
	uint32_t nmsrs;
	uint32_t msr_index[ARCH_SAVED_MSRS];
	uint64_t msr_value[ARCH_SAVED_MSRS];
	uint8_t lapic[ARCH_SAVED_LAPIC];
	enum x86_mp_state mp_state;
	struct x86_events events;
	uint64_t tsc;			/* at the same moment in all vCPUs */
	uint32_t tsc_khz;
};

#endif
