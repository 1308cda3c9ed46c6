/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How vCPUs of the x86-64 machine start: features, model-specific registers, and
 * the entry state of the boot CPU. The others wait for INIT and SIPI in the
 * kernel's local APIC. Entry states: Xen docs/misc/pvh.pandoc; Linux
 * Documentation/x86/boot.rst, "32-bit boot protocol".
 */
#include <errno.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/cpuid.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/state.h"
#include "ipc/gmem.h"

#define MSR_MISC_ENABLE 0x1a0u
#define MISC_ENABLE_FAST_STRING 1ull
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MTRR_ENABLE (1ull << 11)
#define MTRR_WRITE_BACK 6ull

#define CR0_PE 0x1ull
#define CR0_ET 0x10ull
#define RFLAGS_FIXED 0x2ull
#define LVT_MASKED 0x10000u
#define LVT_NMI 0x400u

/* The selectors that Linux wants, __BOOT_CS and __BOOT_DS. */
enum gdt_index { GDT_CODE = 2, GDT_DATA = 3, GDT_TSS = 4, GDT_COUNT };

static struct {
	struct arch_cpu_config config;
	struct cpuid_table common;
	struct cpuid_table vcpu;	/* of the vCPU that is being made */
	struct arch_vcpu_state state;
} cpus;

int
arch_cpu_init(int dev_fd, const struct hv_caps *caps,
    const struct arch_cpu_config *config, const char **why)
{
	uint32_t host_bits;
	int rc;

	cpus.config = *config;
	cpus.common.count = ARCH_MAX_CPUID;
	rc = hv_supported_cpuid(dev_fd, cpus.common.entry, &cpus.common.count);
	if (rc < 0) {
		*why = "cannot read the CPU features that KVM supports";
		return rc;
	}
	cpuid_common(&cpus.common, config, caps, &host_bits);
	if (config->max_vcpus > caps->max_vcpus) {
		*why = "--cpus: more vCPUs than KVM on this host can have";
		return -EINVAL;
	}
	if (arch_vcpu_id(config, config->max_vcpus - 1) >= caps->max_vcpu_id) {
		*why = "--cpus topology=: APIC IDs beyond what KVM takes";
		return -EINVAL;
	}
	if (config->max_vcpus > 254 && !caps->x2apic_ids) {
		*why = "--cpus: more than 254 vCPUs need KVM_CAP_X2APIC_API";
		return -EINVAL;
	}
	return 0;
}

static struct x86_segment
flat_segment(enum gdt_index index, uint8_t type)
{
	return (struct x86_segment){
		.limit = 0xffffffff, .selector = (uint16_t)(index * 8),
		.type = type, .present = true, .db = true, .s = true, .g = true,
	};
}

static struct x86_segment
task_segment(void)
{
	/* Busy: VMX refuses to enter with any other type. */
	return (struct x86_segment){
		.limit = 0x67, .selector = GDT_TSS * 8, .type = 11,
		.present = true,
	};
}

/* Intel SDM vol. 3A, figure 3-8. */
static uint64_t
descriptor(const struct x86_segment *s)
{
	uint32_t limit = s->g ? s->limit >> 12 : s->limit;

	return (limit & 0xffffull) | (s->base & 0xffffff) << 16 |
	    (uint64_t)s->type << 40 | (uint64_t)s->s << 44 |
	    (uint64_t)s->dpl << 45 | (uint64_t)s->present << 47 |
	    (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)s->l << 53 |
	    (uint64_t)s->db << 54 | (uint64_t)s->g << 55 |
	    (s->base >> 24 & 0xff) << 56;
}

int
arch_boot_memory(struct gmem *mem, const struct arch_boot *boot)
{
	struct x86_segment code = flat_segment(GDT_CODE, 11);
	struct x86_segment data = flat_segment(GDT_DATA, 3);
	struct x86_segment tss = task_segment();
	uint64_t gdt[GDT_COUNT] = {
		[GDT_CODE] = descriptor(&code),
		[GDT_DATA] = descriptor(&data),
		[GDT_TSS] = descriptor(&tss),
	};

	(void)boot;
	return gmem_write(mem, gpa(LAYOUT_GDT), gdt, sizeof(gdt));
}

static void
entry_state(struct arch_vcpu_state *st, const struct arch_boot *boot)
{
	memset(st->gpr, 0, sizeof(st->gpr));
	st->rip = boot->entry;
	st->rflags = RFLAGS_FIXED;
	st->gpr[X86_RSP] = LAYOUT_BOOT_STACK;
	st->gpr[boot->protocol == ARCH_BOOT_PVH ? X86_RBX : X86_RSI] =
	    boot->param;
	st->cs = flat_segment(GDT_CODE, 11);
	st->ds = flat_segment(GDT_DATA, 3);
	st->es = st->fs = st->gs = st->ss = st->ds;
	st->tr = task_segment();
	st->gdt = (struct x86_table){ LAYOUT_GDT, GDT_COUNT * 8 - 1 };
	st->idt = (struct x86_table){ 0, 0 };
	st->cr0 = CR0_PE | CR0_ET;
	st->cr3 = st->cr4 = 0;
	st->efer = 0;
	st->parts |= X86_STATE_REGS | X86_STATE_SYSTEM;
}

void
arch_vcpu_cpuid(uint32_t index, struct cpuid_table *out)
{
	*out = cpus.common;
	/* It had room when the vCPU was made. */
	(void)cpuid_vcpu(out, &cpus.config, index);
}

int
arch_vcpu_init(struct hv_vcpu *vcpu, uint32_t index,
    const struct arch_boot *boot)
{
	struct arch_vcpu_state *st = &cpus.state;
	int rc;

	cpus.vcpu = cpus.common;
	rc = cpuid_vcpu(&cpus.vcpu, &cpus.config, index);
	if (rc == 0)
		rc = hv_vcpu_set_cpuid(vcpu, cpus.vcpu.entry, cpus.vcpu.count);
	if (rc == 0)
		rc = hv_vcpu_get_state(vcpu, st);
	if (rc < 0)
		return rc;
	st->nmsrs = 2;
	st->msr[0] = (struct x86_msr){ MSR_MISC_ENABLE,
		MISC_ENABLE_FAST_STRING };
	/* Memory is cached where the guest's tables do not say otherwise. */
	st->msr[1] = (struct x86_msr){ MSR_MTRR_DEF_TYPE,
		MTRR_ENABLE | MTRR_WRITE_BACK };
	/* There is no PIC at LINT0; LINT1 is NMI, as the MADT says. */
	st->lvt = (struct x86_lvt){ .lint0 = LVT_MASKED, .lint1 = LVT_NMI };
	st->parts = X86_STATE_MSRS | X86_STATE_LVT;
	if (index == 0 && boot != NULL) {
		if (boot->protocol == ARCH_BOOT_ARM64)
			return -EINVAL;
		entry_state(st, boot);
	}
	return hv_vcpu_set_state(vcpu, st);
}

uint64_t
arch_vcpu_pc(struct hv_vcpu *vcpu)
{
	struct arch_vcpu_state st;

	if (hv_vcpu_get_state(vcpu, &st) < 0)
		return 0;
	return st.cs.base + st.rip;
}
