/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM behind arch/hypervisor.h: all that an x86 vCPU holds; x86_64_clock.c has clocks.
 * Order and meaning: Linux, Documentation/virt/kvm/api.rst and devices/vcpu.rst. What
 * a host has not is known beforehand (its list of MSRs, its capabilities); an ioctl
 * that fails is an error.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/kvm/x86_64.h"
#include "arch/x86_64/saved.h"

#define MSR_TSC 0x10u
#define MSR_TSC_DEADLINE 0x6e0u
/* Hyper-V's, which no guest of ours is offered: reading one makes KVM begin with it. */
#define MSR_HYPERV 0x40000000u
#define MSR_HYPERV_END 0x40000200u
#define LISTED_MSRS 1024u

/* The MSRs of this host's vCPUs; all vCPUs have the same. */
static struct {
	bool probed;
	uint32_t count;
	uint32_t index[ARCH_SAVED_MSRS];
} msrs;

/* What passes between us and KVM: one at a time, main thread. */
static union {
	struct kvm_msr_list list;
	struct kvm_msrs msrs;
	_Alignas(64) uint8_t bytes[sizeof(struct kvm_msrs) +
	    LISTED_MSRS * sizeof(struct kvm_msr_entry)];
} pass;
static char text[120];

/* ---- MSRs ---- */

int
kvm_hv_list_msrs(int dev_fd)
{
	int rc;

	pass.list.nmsrs = LISTED_MSRS;
	rc = kvm_hv_ioctl(dev_fd, KVM_GET_MSR_INDEX_LIST, &pass.list);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < pass.list.nmsrs; i++) {
		uint32_t index = pass.list.indices[i];

		/* The TSC has a way of its own; its deadline comes after it. */
		if (index == MSR_TSC || index == MSR_TSC_DEADLINE ||
		    (index >= MSR_HYPERV && index < MSR_HYPERV_END))
			continue;
		if (msrs.count == ARCH_SAVED_MSRS - 1)
			return -E2BIG;
		msrs.index[msrs.count++] = index;
	}
	msrs.index[msrs.count++] = MSR_TSC_DEADLINE;
	return 0;
}

/* Read @n MSRs into pass; how many, fewer at one that is not there. */
static int
read_msrs(struct hv_vcpu *vcpu, const uint32_t *index, uint32_t n)
{
	pass.msrs.nmsrs = n;
	pass.msrs.pad = 0;
	for (uint32_t i = 0; i < n; i++)
		pass.msrs.entries[i] = (struct kvm_msr_entry){ .index = index[i] };
	return kvm_hv_ioctl(vcpu->fd, KVM_GET_MSRS, &pass.msrs);
}

int
kvm_hv_probe_vcpu(struct hv_vcpu *vcpu)
{
	if (msrs.probed)
		return 0;
	kvm_hv_probe_tsc(vcpu);
	for (;;) {
		int n = read_msrs(vcpu, msrs.index, msrs.count);

		if (n < 0)
			return n;
		if ((uint32_t)n == msrs.count)
			break;
		msrs.count--;
		memmove(msrs.index + n, msrs.index + n + 1,
		    (msrs.count - (uint32_t)n) * sizeof(msrs.index[0]));
	}
	msrs.probed = true;
	return 0;
}

static int
name_msr(const char *what, uint32_t index, const char **why)
{
	(void)snprintf(text, sizeof(text), "MSR 0x%x: %s", index, what);
	*why = text;
	return -EINVAL;
}

static int
get_msrs(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out, const char **why)
{
	int n = read_msrs(vcpu, msrs.index, msrs.count);

	*why = "KVM_GET_MSRS";
	if (n < 0)
		return n;
	if ((uint32_t)n < msrs.count)
		return name_msr("cannot be read", msrs.index[n], why);
	out->nmsrs = msrs.count;
	for (uint32_t i = 0; i < msrs.count; i++) {
		out->msr_index[i] = msrs.index[i];
		out->msr_value[i] = pass.msrs.entries[i].data;
	}
	return 0;
}

/* Its place in what was read of all, or -1: this host has none. */
static int
place_of(uint32_t index)
{
	for (uint32_t i = 0; i < msrs.count; i++)
		if (msrs.index[i] == index)
			return (int)i;
	return -1;
}

/* Only what differs from a fresh vCPU's: some cannot be written, and need not be. */
static int
set_msrs(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in, const char **why)
{
	static uint64_t now[ARCH_SAVED_MSRS];
	uint32_t n = 0;
	int rc = read_msrs(vcpu, msrs.index, msrs.count);

	*why = "KVM_GET_MSRS";
	if (rc < 0 || (uint32_t)rc < msrs.count)
		return rc < 0 ? rc : -EIO;
	for (uint32_t i = 0; i < msrs.count; i++)
		now[i] = pass.msrs.entries[i].data;
	for (uint32_t i = 0; i < in->nmsrs; i++) {
		int at = place_of(in->msr_index[i]);

		if (at < 0 && in->msr_value[i] != 0)
			return name_msr("this host has none", in->msr_index[i], why);
		if (at < 0 || now[at] == in->msr_value[i])
			continue;
		pass.msrs.entries[n++] = (struct kvm_msr_entry){
			.index = in->msr_index[i], .data = in->msr_value[i],
		};
	}
	pass.msrs.nmsrs = n;
	*why = "KVM_SET_MSRS";
	rc = n == 0 ? 0 : kvm_hv_ioctl(vcpu->fd, KVM_SET_MSRS, &pass.msrs);
	if (rc >= 0 && (uint32_t)rc < n)
		return name_msr("this host refuses its value",
		    pass.msrs.entries[rc].index, why);
	return rc < 0 ? rc : 0;
}

/* ---- Segments, tables, control registers ---- */

static int
get_system(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out)
{
	struct arch_vcpu_state *st = &out->regs;
	struct kvm_sregs2 s;
	int rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_SREGS2, &s);

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
	out->npdptr = (s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) != 0 ? 4 : 0;
	for (uint32_t i = 0; i < 4; i++)
		out->pdptr[i] = out->npdptr != 0 ? s.pdptrs[i] : 0;
	return 0;
}

static int
set_system(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in)
{
	const struct arch_vcpu_state *st = &in->regs;
	struct kvm_sregs2 s = {
		.cs = kvm_hv_segment(&st->cs), .ds = kvm_hv_segment(&st->ds),
		.es = kvm_hv_segment(&st->es), .fs = kvm_hv_segment(&st->fs),
		.gs = kvm_hv_segment(&st->gs), .ss = kvm_hv_segment(&st->ss),
		.tr = kvm_hv_segment(&st->tr), .ldt = kvm_hv_segment(&st->ldt),
		.gdt = { .base = st->gdt.base, .limit = st->gdt.limit },
		.idt = { .base = st->idt.base, .limit = st->idt.limit },
		.cr0 = st->cr0, .cr2 = st->cr2, .cr3 = st->cr3, .cr4 = st->cr4,
		.cr8 = st->cr8, .efer = st->efer, .apic_base = st->apic_base,
		.flags = in->npdptr != 0 ? KVM_SREGS2_FLAGS_PDPTRS_VALID : 0,
	};

	for (uint32_t i = 0; i < in->npdptr; i++)
		s.pdptrs[i] = in->pdptr[i];
	return kvm_hv_ioctl(vcpu->fd, KVM_SET_SREGS2, &s);
}

/* ---- Vector and floating point, debug registers, local APIC ---- */

static int
get_extended(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out, const char **why)
{
	const uint32_t size = vcpu->vm->xsave_size;
	struct kvm_xcrs xcrs;
	int rc;

	*why = "the vector registers of this host's guests are too large";
	if (size > sizeof(out->xsave))
		return -E2BIG;
	memset(out->xsave, 0, sizeof(out->xsave));
	out->xsave_len = size;
	*why = "KVM_GET_XSAVE";
	rc = kvm_hv_ioctl(vcpu->fd, size > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 :
	    KVM_GET_XSAVE, out->xsave);
	if (rc < 0)
		return rc;
	*why = "KVM_GET_XCRS";
	memset(&xcrs, 0, sizeof(xcrs));
	rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs);
	if (rc < 0)
		return rc;
	out->nxcrs = xcrs.nr_xcrs <= ARCH_SAVED_XCRS ? xcrs.nr_xcrs : ARCH_SAVED_XCRS;
	for (size_t i = 0; i < out->nxcrs; i++) {
		out->xcr[2 * i] = xcrs.xcrs[i].xcr;
		out->xcr[2 * i + 1] = xcrs.xcrs[i].value;
	}
	return 0;
}

static int
set_extended(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in, const char **why)
{
	static _Alignas(64) uint8_t area[ARCH_SAVED_XSAVE];
	struct kvm_xcrs xcrs = { .nr_xcrs = in->nxcrs };
	int rc;

	*why = "the guest's vector registers are larger than this host's";
	if (in->xsave_len > vcpu->vm->xsave_size || vcpu->vm->xsave_size > sizeof(area))
		return -EINVAL;
	for (size_t i = 0; i < in->nxcrs; i++) {
		xcrs.xcrs[i].xcr = (uint32_t)in->xcr[2 * i];
		xcrs.xcrs[i].value = in->xcr[2 * i + 1];
	}
	*why = "KVM_SET_XCRS";
	rc = kvm_hv_ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs);
	if (rc < 0)
		return rc;
	/* KVM reads as much as this host's guests have. */
	memset(area, 0, sizeof(area));
	memcpy(area, in->xsave, in->xsave_len);
	*why = "KVM_SET_XSAVE";
	return kvm_hv_ioctl(vcpu->fd, KVM_SET_XSAVE, area);
}

static int
get_debug(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out)
{
	struct kvm_debugregs d;
	int rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &d);

	if (rc < 0)
		return rc;
	memcpy(out->debug, (const uint64_t[ARCH_SAVED_DEBUG]){ d.db[0], d.db[1],
	    d.db[2], d.db[3], d.dr6, d.dr7 }, sizeof(out->debug));
	return 0;
}

static int
set_debug(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in)
{
	struct kvm_debugregs d = {
		.db = { in->debug[0], in->debug[1], in->debug[2], in->debug[3] },
		.dr6 = in->debug[4], .dr7 = in->debug[5],
	};

	return kvm_hv_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &d);
}

_Static_assert(sizeof(struct kvm_lapic_state) == ARCH_SAVED_LAPIC, "saved.h");

static int
set_lapic(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in)
{
	struct kvm_lapic_state lapic;

	memcpy(&lapic, in->lapic, sizeof(lapic));
	return kvm_hv_ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic);
}

/* ---- Events ---- */

_Static_assert((int)X86_MP_RUNS == KVM_MP_STATE_RUNNABLE &&
    (int)X86_MP_NOT_STARTED == KVM_MP_STATE_UNINITIALIZED &&
    (int)X86_MP_INIT == KVM_MP_STATE_INIT_RECEIVED &&
    (int)X86_MP_HALTED == KVM_MP_STATE_HALTED &&
    (int)X86_MP_SIPI == KVM_MP_STATE_SIPI_RECEIVED, "saved.h");

static unsigned int
bit(bool set, unsigned int which)
{
	return set ? which : 0;
}

static int
get_events(struct hv_vcpu *vcpu, struct x86_events *out)
{
	struct kvm_vcpu_events e;
	int rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e);
	bool smm;

	if (rc < 0)
		return rc;
	smm = (e.flags & KVM_VCPUEVENT_VALID_SMM) != 0;
	*out = (struct x86_events){
		.exception_flags = (uint8_t)(
		    bit(e.exception.injected, X86_EXCEPTION_INJECTED) |
		    bit(e.exception.pending && vcpu->vm->event_payloads,
		    X86_EXCEPTION_PENDING) |
		    bit(e.exception.has_error_code, X86_EXCEPTION_HAS_ERROR) |
		    bit(e.exception_has_payload && vcpu->vm->event_payloads,
		    X86_EXCEPTION_HAS_PAYLOAD)),
		.exception = e.exception.nr, .error_code = e.exception.error_code,
		.payload = vcpu->vm->event_payloads ? e.exception_payload : 0,
		.interrupt_flags = (uint8_t)(
		    bit(e.interrupt.injected, X86_INTERRUPT_INJECTED) |
		    bit(e.interrupt.soft, X86_INTERRUPT_SOFT)),
		.interrupt = e.interrupt.nr, .shadow = e.interrupt.shadow,
		.nmi_flags = (uint8_t)(bit(e.nmi.injected, X86_NMI_INJECTED) |
		    bit(e.nmi.pending, X86_NMI_PENDING) |
		    bit(e.nmi.masked, X86_NMI_MASKED)),
		.smi_flags = (uint8_t)(bit(smm && e.smi.smm, X86_SMI_SMM) |
		    bit(smm && e.smi.pending, X86_SMI_PENDING) |
		    bit(smm && e.smi.smm_inside_nmi, X86_SMI_INSIDE_NMI) |
		    bit(smm && e.smi.latched_init, X86_SMI_LATCHED_INIT)),
		.triple_fault = vcpu->vm->event_triple_faults &&
		    e.triple_fault.pending != 0,
	};
	return 0;
}

static int
set_events(struct hv_vcpu *vcpu, const struct x86_events *in)
{
	struct kvm_vcpu_events e = {
		.exception = {
			.injected = (in->exception_flags & X86_EXCEPTION_INJECTED) != 0,
			.pending = (in->exception_flags & X86_EXCEPTION_PENDING) != 0,
			.has_error_code =
			    (in->exception_flags & X86_EXCEPTION_HAS_ERROR) != 0,
			.nr = in->exception, .error_code = in->error_code,
		},
		.exception_has_payload =
		    (in->exception_flags & X86_EXCEPTION_HAS_PAYLOAD) != 0,
		.exception_payload = in->payload,
		.interrupt = {
			.injected = (in->interrupt_flags & X86_INTERRUPT_INJECTED) != 0,
			.soft = (in->interrupt_flags & X86_INTERRUPT_SOFT) != 0,
			.nr = in->interrupt, .shadow = in->shadow,
		},
		.nmi = {
			.injected = (in->nmi_flags & X86_NMI_INJECTED) != 0,
			.pending = (in->nmi_flags & X86_NMI_PENDING) != 0,
			.masked = (in->nmi_flags & X86_NMI_MASKED) != 0,
		},
		.smi = {
			.smm = (in->smi_flags & X86_SMI_SMM) != 0,
			.pending = (in->smi_flags & X86_SMI_PENDING) != 0,
			.smm_inside_nmi = (in->smi_flags & X86_SMI_INSIDE_NMI) != 0,
			.latched_init = (in->smi_flags & X86_SMI_LATCHED_INIT) != 0,
		},
		.sipi_vector = in->sipi_vector,
		.triple_fault = { .pending = in->triple_fault },
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
	};

	/* Without the capability KVM refuses the flag: the state needs it. */
	if (vcpu->vm->event_payloads ||
	    (in->exception_flags & X86_EXCEPTION_HAS_PAYLOAD) != 0)
		e.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (in->smi_flags != 0)
		e.flags |= KVM_VCPUEVENT_VALID_SMM;
	if (in->sipi_vector != 0)
		e.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	if (in->triple_fault)
		e.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	return kvm_hv_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e);
}

/* ---- All of it ---- */

int
hv_vcpu_save(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out, const char **why)
{
	struct kvm_mp_state mp;
	int rc;

	/* First: reading it is when KVM looks at an INIT or SIPI that has come. */
	*why = "KVM_GET_MP_STATE";
	rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp);
	if (rc < 0)
		return rc;
	if (mp.mp_state >= X86_MP_COUNT)
		return -EINVAL;
	out->mp_state = (enum x86_mp_state)mp.mp_state;
	*why = "KVM_GET_REGS";
	rc = kvm_hv_get_regs(vcpu, &out->regs);
	if (rc == 0)
		*why = "KVM_GET_SREGS2", rc = get_system(vcpu, out);
	if (rc == 0)
		rc = get_extended(vcpu, out, why);
	if (rc == 0)
		*why = "KVM_GET_DEBUGREGS", rc = get_debug(vcpu, out);
	if (rc == 0)
		*why = "KVM_GET_LAPIC", rc = kvm_hv_ioctl(vcpu->fd, KVM_GET_LAPIC,
		    out->lapic);
	if (rc == 0)
		rc = get_msrs(vcpu, out, why);
	if (rc == 0)
		*why = "KVM_GET_VCPU_EVENTS", rc = get_events(vcpu, &out->events);
	if (rc == 0)
		*why = "the TSC", rc = kvm_hv_get_tsc(vcpu, out);
	return rc;
}

int
hv_vcpu_load(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in, const char **why)
{
	struct kvm_mp_state mp = { .mp_state = (uint32_t)in->mp_state };
	int rc;

	/* The local APIC's base before its registers, the TSC before its deadline. */
	*why = "KVM_SET_SREGS2";
	rc = set_system(vcpu, in);
	if (rc == 0)
		*why = "KVM_SET_REGS", rc = kvm_hv_set_regs(vcpu, &in->regs);
	if (rc == 0)
		rc = set_extended(vcpu, in, why);
	if (rc == 0)
		*why = "KVM_SET_LAPIC", rc = set_lapic(vcpu, in);
	if (rc == 0)
		rc = kvm_hv_set_tsc(vcpu, in, why);
	if (rc == 0)
		rc = set_msrs(vcpu, in, why);
	if (rc == 0)
		*why = "KVM_SET_MP_STATE", rc = kvm_hv_ioctl(vcpu->fd,
		    KVM_SET_MP_STATE, &mp);
	if (rc == 0)
		*why = "KVM_SET_VCPU_EVENTS", rc = set_events(vcpu, &in->events);
	if (rc == 0)
		*why = "KVM_SET_DEBUGREGS", rc = set_debug(vcpu, in);
	return rc;
}
