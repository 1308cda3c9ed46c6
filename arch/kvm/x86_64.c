/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM behind arch/hypervisor.h: what is x86 of it. Split irqchip, MSI targets
 * beyond 8 bits, CPUID, and the translation of registers.
 */
#include "arch/kvm/x86_64.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "arch/x86_64/state.h"

#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360

/*
 * What a vCPU is about to do when it is saved comes in its events, where KVM has that
 * (payloads 4.20, triple faults 6.1; both for good).
 */
static void
whole_events(struct hv_vm *vm)
{
	struct kvm_enable_cap payload = {
		.cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = { 1 },
	};
	struct kvm_enable_cap triple = {
		.cap = KVM_CAP_X86_TRIPLE_FAULT_EVENT, .args = { 1 },
	};

	vm->event_payloads = kvm_hv_ioctl(vm->fd, KVM_ENABLE_CAP, &payload) == 0;
	vm->event_triple_faults = kvm_hv_ioctl(vm->fd, KVM_ENABLE_CAP, &triple) == 0;
}

int
kvm_hv_arch_vm_init(struct hv_vm *vm, int dev_fd)
{
	uint64_t identity = LAYOUT_KVM_IDENTITY_MAP;
	int rc;

	whole_events(vm);
	rc = kvm_hv_ioctl_value(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	vm->xsave_size = rc > (int)sizeof(struct kvm_xsave) ? (uint32_t)rc :
	    (uint32_t)sizeof(struct kvm_xsave);
	rc = kvm_hv_list_msrs(dev_fd);
	if (rc < 0)
		return rc;

	/* Only VMX without unrestricted guest uses them; always set, since
	 * nobody can tell from here. The TSS takes its address by value. */
	rc = kvm_hv_ioctl_value(vm->fd, KVM_SET_TSS_ADDR, LAYOUT_KVM_TSS);
	if (rc == 0)
		rc = kvm_hv_ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR,
		    &identity);
	return rc;
}

int
kvm_hv_arch_irqchip(struct hv_vm *vm, uint32_t pins)
{
	struct kvm_enable_cap split = {
		.cap = KVM_CAP_SPLIT_IRQCHIP, .args = { pins },
	};
	/* 32-bit targets; and 0xff is a CPU, not everybody. */
	struct kvm_enable_cap x2apic = {
		.cap = KVM_CAP_X2APIC_API,
		.args = { KVM_X2APIC_API_USE_32BIT_IDS |
		    KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	};
	int rc = kvm_hv_ioctl(vm->fd, KVM_ENABLE_CAP, &split);

	if (rc < 0)
		return rc;
	vm->x2apic_api = kvm_hv_ioctl(vm->fd, KVM_ENABLE_CAP, &x2apic) == 0;
	return 0;
}

int
hv_vcpu_unplugged(struct hv_vcpu *vcpu)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_UNINITIALIZED };

	return kvm_hv_ioctl(vcpu->fd, KVM_SET_MP_STATE, &state);
}

/*
 * Target bits 8 to 14 are in address bits 5 to 11 (KVM_FEATURE_MSI_EXT_DEST_ID);
 * KVM takes them in the high half, as with interrupt remapping, and refuses a
 * whole table for one entry with something in the low byte there.
 */
static void
split_address(uint64_t addr, uint32_t *lo, uint32_t *hi)
{
	*lo = (uint32_t)addr & ~0xfe0u;
	*hi = ((uint32_t)(addr >> 32) & ~0xffu) |
	    ((uint32_t)addr & 0xfe0u) << 3;
}

void
kvm_hv_arch_route(struct kvm_irq_routing_entry *entry, uint32_t gsi,
    const struct hv_msi *msi)
{
	memset(entry, 0, sizeof(*entry));
	entry->gsi = gsi;
	entry->type = KVM_IRQ_ROUTING_MSI;
	split_address(msi->addr, &entry->u.msi.address_lo,
	    &entry->u.msi.address_hi);
	entry->u.msi.data = msi->data;
}

void
kvm_hv_arch_msi(struct kvm_msi *out, const struct hv_msi *msi)
{
	memset(out, 0, sizeof(*out));
	split_address(msi->addr, &out->address_lo, &out->address_hi);
	out->data = msi->data;
}

/* ---- CPUID ---- */

/* struct kvm_cpuid2 with room; too large for a stack, used before the filter. */
static _Alignas(8) uint8_t cpuid_buf[sizeof(struct kvm_cpuid2) +
    ARCH_MAX_CPUID * sizeof(struct kvm_cpuid_entry2)];

int
hv_supported_cpuid(int dev_fd, struct arch_cpuid_entry *entries,
    uint32_t *count)
{
	struct kvm_cpuid2 *table = (void *)cpuid_buf;
	int rc;

	memset(cpuid_buf, 0, sizeof(cpuid_buf));
	table->nent = ARCH_MAX_CPUID;
	rc = kvm_hv_ioctl(dev_fd, KVM_GET_SUPPORTED_CPUID, table);
	if (rc < 0)
		return rc;
	if (table->nent > *count)
		return -E2BIG;
	*count = table->nent;
	for (uint32_t i = 0; i < *count; i++) {
		const struct kvm_cpuid_entry2 *e = &table->entries[i];

		entries[i] = (struct arch_cpuid_entry){
			.function = e->function, .index = e->index,
			.indexed = (e->flags &
			    KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0,
			.eax = e->eax, .ebx = e->ebx,
			.ecx = e->ecx, .edx = e->edx,
		};
	}
	return 0;
}

int
hv_vcpu_set_cpuid(struct hv_vcpu *vcpu,
    const struct arch_cpuid_entry *entries, uint32_t count)
{
	struct kvm_cpuid2 *table = (void *)cpuid_buf;
	int rc;

	if (count > ARCH_MAX_CPUID)
		return -E2BIG;
	memset(cpuid_buf, 0, sizeof(cpuid_buf));
	table->nent = count;
	for (uint32_t i = 0; i < count; i++) {
		const struct arch_cpuid_entry *e = &entries[i];

		table->entries[i] = (struct kvm_cpuid_entry2){
			.function = e->function, .index = e->index,
			.flags = e->indexed ?
			    KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
			.eax = e->eax, .ebx = e->ebx,
			.ecx = e->ecx, .edx = e->edx,
		};
	}
	rc = kvm_hv_ioctl(vcpu->fd, KVM_SET_CPUID2, table);
	return rc < 0 ? rc : kvm_hv_probe_vcpu(vcpu);
}

/* ---- Registers ---- */

struct kvm_segment
kvm_hv_segment(const struct x86_segment *s)
{
	return (struct kvm_segment){
		.base = s->base, .limit = s->limit, .selector = s->selector,
		.type = s->type & 15, .dpl = s->dpl & 3, .present = s->present,
		.db = s->db, .s = s->s, .l = s->l, .g = s->g, .avl = s->avl,
		.unusable = !s->present,
	};
}

struct x86_segment
kvm_hv_segment_from(const struct kvm_segment *s)
{
	return (struct x86_segment){
		.base = s->base, .limit = s->limit, .selector = s->selector,
		.type = s->type & 15, .dpl = s->dpl & 3,
		.present = s->present != 0, .db = s->db != 0, .s = s->s != 0,
		.l = s->l != 0, .g = s->g != 0, .avl = s->avl != 0,
	};
}

int
kvm_hv_set_regs(struct hv_vcpu *vcpu, const struct arch_vcpu_state *st)
{
	const uint64_t *g = st->gpr;
	struct kvm_regs r = {
		.rax = g[X86_RAX], .rbx = g[X86_RBX], .rcx = g[X86_RCX],
		.rdx = g[X86_RDX], .rsi = g[X86_RSI], .rdi = g[X86_RDI],
		.rsp = g[X86_RSP], .rbp = g[X86_RBP], .r8 = g[X86_R8],
		.r9 = g[X86_R9], .r10 = g[X86_R10], .r11 = g[X86_R11],
		.r12 = g[X86_R12], .r13 = g[X86_R13], .r14 = g[X86_R14],
		.r15 = g[X86_R15], .rip = st->rip, .rflags = st->rflags,
	};

	return kvm_hv_ioctl(vcpu->fd, KVM_SET_REGS, &r);
}

int
kvm_hv_get_regs(struct hv_vcpu *vcpu, struct arch_vcpu_state *st)
{
	struct kvm_regs r;
	int rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_REGS, &r);

	if (rc < 0)
		return rc;
	memcpy(st->gpr, (const uint64_t[X86_GPR_COUNT]){
	    r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rsp, r.rbp,
	    r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15 },
	    sizeof(st->gpr));
	st->rip = r.rip;
	st->rflags = r.rflags;
	return 0;
}

static int
set_system(struct hv_vcpu *vcpu, const struct arch_vcpu_state *st)
{
	struct kvm_sregs s;
	int rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_SREGS, &s);

	if (rc < 0)
		return rc;
	s.cs = kvm_hv_segment(&st->cs);
	s.ds = kvm_hv_segment(&st->ds);
	s.es = kvm_hv_segment(&st->es);
	s.fs = kvm_hv_segment(&st->fs);
	s.gs = kvm_hv_segment(&st->gs);
	s.ss = kvm_hv_segment(&st->ss);
	s.tr = kvm_hv_segment(&st->tr);
	s.ldt = kvm_hv_segment(&st->ldt);
	s.gdt = (struct kvm_dtable){ .base = st->gdt.base,
		.limit = st->gdt.limit };
	s.idt = (struct kvm_dtable){ .base = st->idt.base,
		.limit = st->idt.limit };
	s.cr0 = st->cr0;
	s.cr2 = st->cr2;
	s.cr3 = st->cr3;
	s.cr4 = st->cr4;
	s.cr8 = st->cr8;
	s.efer = st->efer;
	s.apic_base = st->apic_base;
	return kvm_hv_ioctl(vcpu->fd, KVM_SET_SREGS, &s);
}

static int
get_system(struct hv_vcpu *vcpu, struct arch_vcpu_state *st)
{
	struct kvm_sregs s;
	int rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_SREGS, &s);

	if (rc < 0)
		return rc;
	st->cs = kvm_hv_segment_from(&s.cs);
	st->ds = kvm_hv_segment_from(&s.ds);
	st->es = kvm_hv_segment_from(&s.es);
	st->fs = kvm_hv_segment_from(&s.fs);
	st->gs = kvm_hv_segment_from(&s.gs);
	st->ss = kvm_hv_segment_from(&s.ss);
	st->tr = kvm_hv_segment_from(&s.tr);
	st->ldt = kvm_hv_segment_from(&s.ldt);
	st->gdt = (struct x86_table){ s.gdt.base, s.gdt.limit };
	st->idt = (struct x86_table){ s.idt.base, s.idt.limit };
	st->cr0 = s.cr0;
	st->cr2 = s.cr2;
	st->cr3 = s.cr3;
	st->cr4 = s.cr4;
	st->cr8 = s.cr8;
	st->efer = s.efer;
	st->apic_base = s.apic_base;
	return 0;
}

static int
set_msrs(struct hv_vcpu *vcpu, const struct arch_vcpu_state *st)
{
	_Alignas(8) uint8_t buf[sizeof(struct kvm_msrs) +
	    ARCH_MAX_MSRS * sizeof(struct kvm_msr_entry)];
	struct kvm_msrs *table = (void *)buf;
	uint32_t at = 0;

	if (st->nmsrs > ARCH_MAX_MSRS)
		return -E2BIG;
	/* KVM stops at one that it does not have: step over it. */
	while (at < st->nmsrs) {
		int rc;

		memset(buf, 0, sizeof(buf));
		table->nmsrs = st->nmsrs - at;
		for (uint32_t i = at; i < st->nmsrs; i++) {
			table->entries[i - at].index = st->msr[i].index;
			table->entries[i - at].data = st->msr[i].value;
		}
		rc = kvm_hv_ioctl(vcpu->fd, KVM_SET_MSRS, table);
		if (rc < 0)
			return rc;
		at += (uint32_t)rc + (at + (uint32_t)rc < st->nmsrs);
	}
	return 0;
}

static int
set_lvt(struct hv_vcpu *vcpu, const struct x86_lvt *lvt)
{
	struct kvm_lapic_state lapic;
	int rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic);

	if (rc < 0)
		return rc;
	memcpy(lapic.regs + LAPIC_LVT_LINT0, &lvt->lint0, sizeof(lvt->lint0));
	memcpy(lapic.regs + LAPIC_LVT_LINT1, &lvt->lint1, sizeof(lvt->lint1));
	return kvm_hv_ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic);
}

int
hv_vcpu_set_state(struct hv_vcpu *vcpu, const struct arch_vcpu_state *state)
{
	int rc = 0;

	if ((state->parts & X86_STATE_SYSTEM) != 0)
		rc = set_system(vcpu, state);
	if (rc == 0 && (state->parts & X86_STATE_REGS) != 0)
		rc = kvm_hv_set_regs(vcpu, state);
	if (rc == 0 && (state->parts & X86_STATE_MSRS) != 0)
		rc = set_msrs(vcpu, state);
	if (rc == 0 && (state->parts & X86_STATE_LVT) != 0)
		rc = set_lvt(vcpu, &state->lvt);
	return rc;
}

int
hv_vcpu_get_state(struct hv_vcpu *vcpu, struct arch_vcpu_state *state)
{
	int rc = kvm_hv_get_regs(vcpu, state);

	if (rc == 0)
		rc = get_system(vcpu, state);
	if (rc == 0)
		state->parts = X86_STATE_REGS | X86_STATE_SYSTEM;
	return rc;
}
