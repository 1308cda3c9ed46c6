/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM behind arch/hypervisor.h: what is x86 of it. Split irqchip, MSI targets
 * beyond 8 bits, CPUID, and the translation of registers.
 */
#include "arch/kvm/kvm.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "arch/x86_64/state.h"

#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360

int
kvm_hv_arch_vm_init(struct hv_vm *vm)
{
	uint64_t identity = LAYOUT_KVM_IDENTITY_MAP;
	int rc;

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

void
hv_clock_stop(struct hv_vm *vm)
{
	vm->clock_stopped =
	    kvm_hv_ioctl(vm->fd, KVM_GET_CLOCK, &vm->clock) == 0;
	/* Without KVM_CLOCK_REALTIME: it shall not catch up. */
	vm->clock.flags = 0;
}

void
hv_clock_go(struct hv_vm *vm)
{
	if (vm->clock_stopped)
		(void)kvm_hv_ioctl(vm->fd, KVM_SET_CLOCK, &vm->clock);
	vm->clock_stopped = false;
}

/* EINVAL: the guest does not use kvmclock. */
void
hv_vcpu_was_away(struct hv_vcpu *vcpu)
{
	(void)kvm_hv_ioctl_value(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
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
	return kvm_hv_ioctl(vcpu->fd, KVM_SET_CPUID2, table);
}

/* ---- Registers ---- */

static struct kvm_segment
segment_to_kvm(const struct x86_segment *s)
{
	return (struct kvm_segment){
		.base = s->base, .limit = s->limit, .selector = s->selector,
		.type = s->type & 15, .dpl = s->dpl & 3, .present = s->present,
		.db = s->db, .s = s->s, .l = s->l, .g = s->g, .avl = s->avl,
		.unusable = !s->present,
	};
}

static struct x86_segment
segment_from_kvm(const struct kvm_segment *s)
{
	return (struct x86_segment){
		.base = s->base, .limit = s->limit, .selector = s->selector,
		.type = s->type & 15, .dpl = s->dpl & 3,
		.present = s->present != 0, .db = s->db != 0, .s = s->s != 0,
		.l = s->l != 0, .g = s->g != 0, .avl = s->avl != 0,
	};
}

static int
set_regs(struct hv_vcpu *vcpu, const struct arch_vcpu_state *st)
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

static int
get_regs(struct hv_vcpu *vcpu, struct arch_vcpu_state *st)
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
	s.cs = segment_to_kvm(&st->cs);
	s.ds = segment_to_kvm(&st->ds);
	s.es = segment_to_kvm(&st->es);
	s.fs = segment_to_kvm(&st->fs);
	s.gs = segment_to_kvm(&st->gs);
	s.ss = segment_to_kvm(&st->ss);
	s.tr = segment_to_kvm(&st->tr);
	s.ldt = segment_to_kvm(&st->ldt);
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
	st->cs = segment_from_kvm(&s.cs);
	st->ds = segment_from_kvm(&s.ds);
	st->es = segment_from_kvm(&s.es);
	st->fs = segment_from_kvm(&s.fs);
	st->gs = segment_from_kvm(&s.gs);
	st->ss = segment_from_kvm(&s.ss);
	st->tr = segment_from_kvm(&s.tr);
	st->ldt = segment_from_kvm(&s.ldt);
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
		rc = set_regs(vcpu, state);
	if (rc == 0 && (state->parts & X86_STATE_MSRS) != 0)
		rc = set_msrs(vcpu, state);
	if (rc == 0 && (state->parts & X86_STATE_LVT) != 0)
		rc = set_lvt(vcpu, &state->lvt);
	return rc;
}

int
hv_vcpu_get_state(struct hv_vcpu *vcpu, struct arch_vcpu_state *state)
{
	int rc = get_regs(vcpu, state);

	if (rc == 0)
		rc = get_system(vcpu, state);
	if (rc == 0)
		state->parts = X86_STATE_REGS | X86_STATE_SYSTEM;
	return rc;
}
