/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU as a message, and back: what the hypervisor saves (saved.h), the CPUID that
 * the guest was given, and whether this host can give it again. The platform's
 * devices are saved by their own files, see platform.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/cpuid.h"
#include "arch/x86_64/saved.h"
#include "proto/limits.h"

#define CPUID_WORDS 7u
#define NSEGMENTS 8u
#define CONTROL_CR4 3u	/* places in control */
#define CONTROL_EFER 5u
#define EFER_SVME (1ull << 12)
#define CR4_VMXE (1ull << 13)
#define F1_EBX_ID(ebx) ((ebx) >> 24)
#define LEAF_ADDRESS_SIZES 0x80000008u

_Static_assert(ARCH_MAX_CPUID == VM_LIMIT_CPUID && ARCH_SAVED_MSRS == VM_LIMIT_MSRS &&
    ARCH_SAVED_XSAVE == VM_LIMIT_XSAVE, "limits.h");

/* One vCPU at a time, main thread: too much for a stack. */
static struct arch_vcpu_saved saved;
static struct cpuid_table table;
static struct {
	Bh__X86Vcpu x86;
	Bh__X86Segment segment[NSEGMENTS], *segments[NSEGMENTS];
	Bh__X86Events events;
	uint32_t cpuid[ARCH_MAX_CPUID * CPUID_WORDS];
	uint64_t tables[4], control[7];
} out;
static char text[120];

/* ---- To a message ---- */

static void
put_cpuid(uint32_t index)
{
	uint32_t *w = out.cpuid;

	arch_vcpu_cpuid(index, &table);
	for (uint32_t i = 0; i < table.count; i++) {
		const struct arch_cpuid_entry *e = &table.entry[i];

		*w++ = e->function;
		*w++ = e->index;
		*w++ = e->indexed;
		*w++ = e->eax;
		*w++ = e->ebx;
		*w++ = e->ecx;
		*w++ = e->edx;
	}
	out.x86.n_cpuid = (size_t)table.count * CPUID_WORDS;
	out.x86.cpuid = out.cpuid;
}

static void
put_segments(const struct arch_vcpu_state *st)
{
	const struct x86_segment *const all[NSEGMENTS] = { &st->cs, &st->ds, &st->es,
		&st->fs, &st->gs, &st->ss, &st->tr, &st->ldt };

	for (uint32_t i = 0; i < NSEGMENTS; i++) {
		Bh__X86Segment *m = &out.segment[i];
		const struct x86_segment *s = all[i];

		bh__x86_segment__init(m);
		m->address = s->base;
		m->limit = s->limit;
		m->selector = s->selector;
		m->type = s->type;
		m->dpl = s->dpl;
		m->flags = (uint32_t)s->present | (uint32_t)s->db << 1 |
		    (uint32_t)s->s << 2 | (uint32_t)s->l << 3 | (uint32_t)s->g << 4 |
		    (uint32_t)s->avl << 5;
		out.segments[i] = m;
	}
	out.x86.n_segments = NSEGMENTS;
	out.x86.segments = out.segments;
}

static void
put_system(const struct arch_vcpu_state *st)
{
	memcpy(out.tables, (const uint64_t[4]){ st->gdt.base, st->gdt.limit,
	    st->idt.base, st->idt.limit }, sizeof(out.tables));
	out.x86.n_tables = 4;
	out.x86.tables = out.tables;
	memcpy(out.control, (const uint64_t[7]){ st->cr0, st->cr2, st->cr3, st->cr4,
	    st->cr8, st->efer, st->apic_base }, sizeof(out.control));
	out.x86.n_control = 7;
	out.x86.control = out.control;
}

static void
put_events(const struct x86_events *e)
{
	Bh__X86Events *m = &out.events;

	bh__x86_events__init(m);
	m->exception_flags = e->exception_flags;
	m->exception = e->exception;
	m->error_code = e->error_code;
	m->payload = e->payload;
	m->interrupt_flags = e->interrupt_flags;
	m->interrupt = e->interrupt;
	m->shadow = e->shadow;
	m->nmi_flags = e->nmi_flags;
	m->smi_flags = e->smi_flags;
	m->sipi_vector = e->sipi_vector;
	m->triple_fault = e->triple_fault;
	out.x86.events = m;
}

static void
put_arrays(void)
{
	Bh__X86Vcpu *m = &out.x86;

	m->n_gpr = X86_GPR_COUNT;
	m->gpr = saved.regs.gpr;
	m->rip = saved.regs.rip;
	m->rflags = saved.regs.rflags;
	m->n_pdptr = saved.npdptr;
	m->pdptr = saved.pdptr;
	m->xsave.len = saved.xsave_len;
	m->xsave.data = saved.xsave;
	m->n_xcr = (size_t)2 * saved.nxcrs;
	m->xcr = saved.xcr;
	m->n_debug = ARCH_SAVED_DEBUG;
	m->debug = saved.debug;
	m->n_msr_index = m->n_msr_value = saved.nmsrs;
	m->msr_index = saved.msr_index;
	m->msr_value = saved.msr_value;
	m->lapic.len = sizeof(saved.lapic);
	m->lapic.data = saved.lapic;
	m->mp_state = (uint32_t)saved.mp_state;
	m->tsc = saved.tsc;
	m->tsc_khz = saved.tsc_khz;
}

/* What such a guest's own guests hold is not saved. */
static const char nested_guest[] = "a guest that runs VMs of its own cannot be saved";

static bool
is_nested(uint64_t cr4, uint64_t efer)
{
	return (cr4 & CR4_VMXE) != 0 || (efer & EFER_SVME) != 0;
}

int
arch_vcpu_save(struct hv_vcpu *vcpu, Bh__VcpuState *state, const char **why)
{
	int rc;

	memset(&saved, 0, sizeof(saved));
	rc = hv_vcpu_save(vcpu, &saved, why);
	if (rc < 0)
		return rc;
	*why = nested_guest;
	if (is_nested(saved.regs.cr4, saved.regs.efer))
		return -EOPNOTSUPP;
	bh__x86_vcpu__init(&out.x86);
	put_cpuid(state->index);
	put_segments(&saved.regs);
	put_system(&saved.regs);
	put_events(&saved.events);
	put_arrays();
	state->x86 = &out.x86;
	return 0;
}

/* ---- From a message that was checked ---- */

static void
take_segments(const Bh__X86Vcpu *m, struct arch_vcpu_state *st)
{
	struct x86_segment *const all[NSEGMENTS] = { &st->cs, &st->ds, &st->es,
		&st->fs, &st->gs, &st->ss, &st->tr, &st->ldt };

	for (uint32_t i = 0; i < NSEGMENTS; i++) {
		const Bh__X86Segment *s = m->segments[i];

		*all[i] = (struct x86_segment){
			.base = s->address, .limit = s->limit,
			.selector = (uint16_t)s->selector, .type = (uint8_t)s->type,
			.dpl = (uint8_t)s->dpl, .present = (s->flags & 1) != 0,
			.db = (s->flags & 2) != 0, .s = (s->flags & 4) != 0,
			.l = (s->flags & 8) != 0, .g = (s->flags & 16) != 0,
			.avl = (s->flags & 32) != 0,
		};
	}
}

static void
take_regs(const Bh__X86Vcpu *m, struct arch_vcpu_state *st)
{
	memcpy(st->gpr, m->gpr, sizeof(st->gpr));
	st->rip = m->rip;
	st->rflags = m->rflags;
	take_segments(m, st);
	st->gdt = (struct x86_table){ m->tables[0], (uint16_t)m->tables[1] };
	st->idt = (struct x86_table){ m->tables[2], (uint16_t)m->tables[3] };
	st->cr0 = m->control[0];
	st->cr2 = m->control[1];
	st->cr3 = m->control[2];
	st->cr4 = m->control[3];
	st->cr8 = m->control[4];
	st->efer = m->control[5];
	st->apic_base = m->control[6];
}

static void
take_events(const Bh__X86Events *m, struct x86_events *e)
{
	*e = (struct x86_events){
		.exception_flags = (uint8_t)m->exception_flags,
		.exception = (uint8_t)m->exception, .error_code = m->error_code,
		.payload = m->payload,
		.interrupt_flags = (uint8_t)m->interrupt_flags,
		.interrupt = (uint8_t)m->interrupt, .shadow = (uint8_t)m->shadow,
		.nmi_flags = (uint8_t)m->nmi_flags, .smi_flags = (uint8_t)m->smi_flags,
		.sipi_vector = m->sipi_vector, .triple_fault = m->triple_fault,
	};
}

/* The message's CPUID into the table. */
static void
take_cpuid(const Bh__X86Vcpu *m)
{
	table.count = (uint32_t)(m->n_cpuid / CPUID_WORDS);
	for (uint32_t i = 0; i < table.count; i++) {
		const uint32_t *w = m->cpuid + (size_t)i * CPUID_WORDS;

		table.entry[i] = (struct arch_cpuid_entry){
			.function = w[0], .index = w[1], .indexed = w[2] != 0,
			.eax = w[3], .ebx = w[4], .ecx = w[5], .edx = w[6],
		};
	}
}

/* The other CPU, the other place, or fewer address bits. */
static const char *
other_cpu(struct cpuid_table *theirs, struct cpuid_table *mine)
{
	const struct arch_cpuid_entry *a = cpuid_find(theirs, 0, 0);
	const struct arch_cpuid_entry *b = cpuid_find(mine, 0, 0);

	if (a == NULL || b == NULL || a->ebx != b->ebx || a->ecx != b->ecx ||
	    a->edx != b->edx)
		return "its CPU is of another vendor than this host's";
	a = cpuid_find(theirs, 1, 0);
	b = cpuid_find(mine, 1, 0);
	if (a == NULL || b == NULL || F1_EBX_ID(a->ebx) != F1_EBX_ID(b->ebx))
		return "its vCPU has another APIC ID: another topology";
	a = cpuid_find(theirs, LEAF_ADDRESS_SIZES, 0);
	b = cpuid_find(mine, LEAF_ADDRESS_SIZES, 0);
	if (a != NULL && (b == NULL || (a->eax & 0xff) > (b->eax & 0xff)))
		return "its CPU has more physical address bits than this host's";
	return NULL;
}

int
arch_vcpu_fits(const Bh__VcpuState *state, const char **why)
{
	static struct cpuid_table mine;
	const char *wrong;

	take_cpuid(state->x86);
	arch_vcpu_cpuid(state->index, &mine);
	wrong = other_cpu(&table, &mine);
	if (is_nested(state->x86->control[CONTROL_CR4], state->x86->control[CONTROL_EFER]))
		wrong = nested_guest;
	if (wrong == NULL && cpuid_missing(&table, &mine, text, sizeof(text)))
		wrong = text;
	if (wrong == NULL)
		return 0;
	*why = wrong;
	return -EINVAL;
}

/* Of a field that is empty there is no address. */
static void
take_bytes(void *to, const void *from, size_t len)
{
	if (len > 0)
		memcpy(to, from, len);
}

int
arch_vcpu_load(struct hv_vcpu *vcpu, const Bh__VcpuState *state, const char **why)
{
	const Bh__X86Vcpu *m = state->x86;
	int rc;

	*why = "KVM refuses the CPUID of a vCPU";
	take_cpuid(m);
	rc = hv_vcpu_set_cpuid(vcpu, table.entry, table.count);
	if (rc < 0)
		return rc;
	memset(&saved, 0, sizeof(saved));
	take_regs(m, &saved.regs);
	take_events(m->events, &saved.events);
	saved.npdptr = (uint32_t)m->n_pdptr;
	take_bytes(saved.pdptr, m->pdptr, m->n_pdptr * sizeof(saved.pdptr[0]));
	saved.xsave_len = (uint32_t)m->xsave.len;
	memcpy(saved.xsave, m->xsave.data, m->xsave.len);
	saved.nxcrs = (uint32_t)(m->n_xcr / 2);
	take_bytes(saved.xcr, m->xcr, m->n_xcr * sizeof(saved.xcr[0]));
	memcpy(saved.debug, m->debug, sizeof(saved.debug));
	saved.nmsrs = (uint32_t)m->n_msr_index;
	take_bytes(saved.msr_index, m->msr_index,
	    saved.nmsrs * sizeof(saved.msr_index[0]));
	take_bytes(saved.msr_value, m->msr_value,
	    saved.nmsrs * sizeof(saved.msr_value[0]));
	memcpy(saved.lapic, m->lapic.data, sizeof(saved.lapic));
	saved.mp_state = (enum x86_mp_state)m->mp_state;
	saved.tsc = m->tsc;
	saved.tsc_khz = m->tsc_khz;
	return hv_vcpu_load(vcpu, &saved, why);
}
