/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest that tells a processor from an emulator, see stock_guest.h: an SSE2
 * addition and an iretq, which every 64-bit processor executes and no version of
 * KVM's emulator does, and then a halt.
 */
#include "controller/ctl/stock_guest.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controller/ctl/probe.h"

/* Guest memory, identity mapped by one 2 MiB page. */
#define RAM_SIZE 0x10000u
#define GDT 0x500u
#define CODE 0x1000u
#define PML4 0x2000u
#define PDPT 0x3000u
#define PD 0x4000u
#define STACK 0x8000u
#define HALTED (CODE + 22)	/* of the hlt below */

#define CPUID_ENTRIES 256u	/* KVM_MAX_CPUID_ENTRIES */

#define SEL_CODE 8u
#define SEL_DATA 16u

/* Architecture constants (Intel SDM vol. 3A 2.5, 4.5, 3.4.5) */
#define CR0_PE_MP_ET_NE_PG 0x80000033u
#define CR4_PAE_OSFXSR_OSXMMEXCPT 0x620u
#define EFER_LME_LMA 0x500u
#define PTE_PRESENT_WRITE 0x3u
#define PTE_LARGE 0x80u

static const uint8_t code[] = {
	0x66, 0x0f, 0xfe, 0xc1,		/* paddd %xmm1, %xmm0 */
	0x6a, SEL_DATA,			/* push  ss */
	0x68, 0x00, 0x80, 0x00, 0x00,	/* push  $STACK */
	0x6a, 0x02,			/* push  rflags */
	0x6a, SEL_CODE,			/* push  cs */
	0x68, HALTED & 0xff, HALTED >> 8, 0, 0,	/* push  $HALTED */
	0x48, 0xcf,			/* iretq */
	0xf4,				/* hlt */
};

_Static_assert(sizeof(code) == HALTED + 1 - CODE, "the iretq returns to hlt");

static void
fill_memory(uint8_t *ram)
{
	/* Null, 64-bit code, data; flat, present, accessed. */
	static const uint64_t gdt[] = { 0, 0x00af9b000000ffff,
		0x00cf93000000ffff };
	const uint64_t pml4 = PDPT | PTE_PRESENT_WRITE;
	const uint64_t pdpt = PD | PTE_PRESENT_WRITE;
	const uint64_t pd = PTE_PRESENT_WRITE | PTE_LARGE;

	memcpy(ram + GDT, gdt, sizeof(gdt));
	memcpy(ram + CODE, code, sizeof(code));
	memcpy(ram + PML4, &pml4, sizeof(pml4));
	memcpy(ram + PDPT, &pdpt, sizeof(pdpt));
	memcpy(ram + PD, &pd, sizeof(pd));
}

/* Long mode needs a CPU that says it has it. */
static int
set_cpuid(int kvm, int vcpu)
{
	static _Alignas(struct kvm_cpuid2) uint8_t buf[
	    sizeof(struct kvm_cpuid2) +
	    CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2)];
	struct kvm_cpuid2 *cpuid = (void *)buf;

	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) != 0)
		return -1;
	return ioctl(vcpu, KVM_SET_CPUID2, cpuid);
}

static int
set_registers(int vcpu)
{
	struct kvm_segment cs = { .limit = 0xffffffff, .selector = SEL_CODE,
		.type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment ds = { .limit = 0xffffffff, .selector = SEL_DATA,
		.type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) != 0)
		return -1;
	sregs.cs = cs;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = ds;
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 23;
	sregs.cr3 = PML4;
	sregs.cr0 = CR0_PE_MP_ET_NE_PG;
	sregs.cr4 = CR4_PAE_OSFXSR_OSXMMEXCPT;
	sregs.efer = EFER_LME_LMA;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) != 0)
		return -1;
	return ioctl(vcpu, KVM_SET_REGS, &regs);
}

/* The vCPU, ready to run, and its run page; NULL. */
static struct kvm_run *
make_guest(int *vcpu)
{
	struct kvm_userspace_memory_region region = { .memory_size = RAM_SIZE };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *run;

	if (kvm < 0 || vm < 0 || size <= 0 || ram == MAP_FAILED)
		return NULL;
	fill_memory(ram);
	region.userspace_addr = (uint64_t)(uintptr_t)ram;
	/* VMX wants pages of its own in the guest's addresses. */
	(void)ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) != 0)
		return NULL;
	*vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (*vcpu < 0 || set_cpuid(kvm, *vcpu) != 0 || set_registers(*vcpu) != 0)
		return NULL;
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    *vcpu, 0);
	return run == MAP_FAILED ? NULL : run;
}

/* Runs in a child; a guest that does not come back is the parent's to end. */
static int
run_guest(void *arg)
{
	int vcpu = -1;
	struct kvm_run *run = make_guest(&vcpu);
	struct kvm_regs regs;

	(void)arg;
	if (run == NULL || ioctl(vcpu, KVM_RUN, 0) != 0)
		return STOCK_GUEST_FAILED;
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return STOCK_GUEST_EMULATED;
	if (run->exit_reason != KVM_EXIT_HLT ||
	    ioctl(vcpu, KVM_GET_REGS, &regs) != 0 || regs.rip != HALTED + 1)
		return STOCK_GUEST_FAILED;
	return STOCK_GUEST_RUNS;
}

enum stock_guest
stock_guest_try(void)
{
	int rc = probe_in_child(run_guest, NULL, 5);

	return rc == STOCK_GUEST_RUNS || rc == STOCK_GUEST_EMULATED ?
	    (enum stock_guest)rc : STOCK_GUEST_FAILED;
}
