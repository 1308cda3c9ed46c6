# SPDX-License-Identifier: Apache-2.0
# The two seams. HV and ARCH could be chosen here; there is one real one of each,
# and the stubs of the next are built and linked so that the contracts hold.
KVM_SRCS := arch/kvm/vm.c arch/kvm/vcpu.c arch/kvm/x86_64.c
X86_SRCS := arch/x86_64/boot.c arch/x86_64/cpuid.c arch/x86_64/platform.c \
	arch/x86_64/ioapic.c arch/x86_64/acpi.c arch/x86_64/cmos.c \
	arch/x86_64/i8042.c

# Every function of both contracts, called: links only if all are there.
PROGRAMS += stub-check
stub-check_SRCS := arch/stub_check.c arch/mshv/mshv.c arch/aarch64/arch.c
