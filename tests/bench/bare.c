// SPDX-License-Identifier: Apache-2.0
//
// bare GUEST.elf [MIB]: the floor of tests/bench/run. What KVM alone costs: a memfd as
// guest memory, a PVH guest loaded into it, one vCPU in 32-bit protected mode, and its
// bytes for COM1 on standard output, until a signal. No device, no jail, no checks.
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void
need(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

/* Returns the entry of PVH. */
static uint32_t
load(const char *name, unsigned char *ram)
{
	const Elf64_Ehdr *e;
	const Elf64_Phdr *ph;
	const unsigned char *file;
	struct stat st;
	uint32_t entry = 0;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	need(fd >= 0 && fstat(fd, &st) == 0, name);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	need(file != MAP_FAILED, name);
	e = (const void *)file;
	ph = (const void *)(file + e->e_phoff);
	for (int i = 0; i < e->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			memcpy(ram + ph[i].p_paddr, file + ph[i].p_offset, ph[i].p_filesz);
		/* One note is in these guests: name "Xen" of 4 bytes, then the entry. */
		if (ph[i].p_type == PT_NOTE)
			memcpy(&entry, file + ph[i].p_offset + 16, sizeof(entry));
	}
	return entry;
}

int
main(int argc, char **argv)
{
	struct kvm_userspace_memory_region region = { 0 };
	size_t size = (argc > 2 ? strtoul(argv[2], NULL, 10) : 128) << 20;
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_segment flat = { .limit = 0xffffffff, .type = 3, .present = 1, .db = 1,
		.s = 1, .g = 1, .selector = 16 };
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;
	unsigned char *ram;
	int kvm, vm, vcpu, memory;

	need(argc > 1, "usage");
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	need(kvm >= 0, "/dev/kvm");
	memory = memfd_create("guest", MFD_CLOEXEC);
	need(memory >= 0 && ftruncate(memory, (off_t)size) == 0, "memfd");
	ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	need(ram != MAP_FAILED, "mmap");
	regs.rip = load(argv[1], ram);
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	need(vm >= 0, "KVM_CREATE_VM");
	region.memory_size = size;
	region.userspace_addr = (uintptr_t)ram;
	need(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0, "memory");
	need(ioctl(vm, KVM_ENABLE_CAP, &split) == 0, "KVM_CAP_SPLIT_IRQCHIP");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	need(vcpu >= 0, "KVM_CREATE_VCPU");
	run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
	    MAP_SHARED, vcpu, 0);
	need(run != MAP_FAILED && ioctl(vcpu, KVM_GET_SREGS, &sregs) == 0, "vcpu");
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	sregs.cs = flat;
	sregs.cs.type = 11;
	sregs.cs.selector = 8;
	sregs.cr0 |= 1;
	need(ioctl(vcpu, KVM_SET_SREGS, &sregs) == 0, "KVM_SET_SREGS");
	need(ioctl(vcpu, KVM_SET_REGS, &regs) == 0, "KVM_SET_REGS");
	for (;;) {
		need(ioctl(vcpu, KVM_RUN, 0) == 0, "KVM_RUN");
		if (run->exit_reason == KVM_EXIT_IO && run->io.port == 0x3f8)
			need(write(1, (char *)run + run->io.data_offset, 1) == 1, "write");
		else if (run->exit_reason != KVM_EXIT_IO)
			pause();
	}
}
