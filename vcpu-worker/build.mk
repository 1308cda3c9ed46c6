# SPDX-License-Identifier: Apache-2.0
VCPU_BUS_SRCS := vcpu-worker/bus.c vcpu-worker/pci.c vcpu-worker/msix.c \
	vcpu-worker/virtio_pci.c vcpu-worker/virtio_common.c vcpu-worker/virtio_save.c

PROGRAMS += bulkhead-vcpu
bulkhead-vcpu_SRCS := vcpu-worker/main.c vcpu-worker/setup.c \
	vcpu-worker/vcpu.c vcpu-worker/devbus.c vcpu-worker/serial.c \
	vcpu-worker/pvpanic.c vcpu-worker/i6300esb.c \
	vcpu-worker/save.c vcpu-worker/load.c proto/check_vm.c $(VCPU_BUS_SRCS) arch/kvm/vm.c arch/kvm/vcpu.c arch/kvm/x86_64.c arch/kvm/x86_64_saved.c \
	arch/kvm/x86_64_clock.c \
	arch/x86_64/boot.c arch/x86_64/cpuid.c arch/x86_64/cpuid_missing.c arch/x86_64/save.c arch/x86_64/platform.c \
	arch/x86_64/ioapic.c arch/x86_64/acpi.c arch/x86_64/cmos.c arch/x86_64/cpus.c arch/x86_64/dimms.c arch/x86_64/slots.c \
	arch/x86_64/i8042.c ipc/gmem.c ipc/bytering.c $(CHILD_SRCS)
bulkhead-vcpu_POLICY := vcpu-worker/vcpu_policy.c
bulkhead-vcpu_LDLIBS := -lpthread

# The controller's side of a vcpu-worker, for tests/native/vcpu.
PROGRAMS += bulkhead-test-vcpu
bulkhead-test-vcpu_SRCS := tests/native/vcpu_test.c tests/native/vcpu_drive.c \
	ipc/bytering.c $(IPC_SRCS)

# The same, saved and loaded.
PROGRAMS += bulkhead-test-vcpu-save
bulkhead-test-vcpu-save_SRCS := tests/native/vcpu_save_test.c tests/native/vcpu_drive.c \
	ipc/bytering.c $(IPC_SRCS)

FAKE_HV_SRCS := tests/unit/fake_hv.c ipc/log.c ipc/errname.c
UNIT_TESTS += virtio_pci bus serial ioapic cpuid platform i6300esb
unit_i6300esb_SRCS := tests/unit/i6300esb_test.c vcpu-worker/i6300esb.c vcpu-worker/pci.c \
	vcpu-worker/bus.c
unit_i6300esb_LDLIBS := -lpthread
unit_virtio_pci_SRCS := tests/unit/virtio_pci_test.c $(VCPU_BUS_SRCS) $(FAKE_HV_SRCS)
unit_virtio_pci_LDLIBS := -lpthread
unit_bus_SRCS := tests/unit/bus_test.c vcpu-worker/bus.c
unit_serial_SRCS := tests/unit/serial_test.c vcpu-worker/serial.c \
	ipc/bytering.c
unit_serial_LDLIBS := -lpthread
unit_ioapic_SRCS := tests/unit/ioapic_test.c arch/x86_64/ioapic.c \
	vcpu-worker/bus.c $(FAKE_HV_SRCS)
unit_ioapic_LDLIBS := -lpthread
unit_cpuid_SRCS := tests/unit/cpuid_test.c arch/x86_64/cpuid.c
unit_platform_SRCS := tests/unit/platform_test.c arch/x86_64/acpi.c \
	arch/x86_64/cpus.c arch/x86_64/dimms.c \
	arch/x86_64/cmos.c arch/x86_64/i8042.c arch/x86_64/ioapic.c \
	vcpu-worker/bus.c $(FAKE_HV_SRCS)
unit_platform_LDLIBS := -lpthread

FUZZERS += virtio_pci i6300esb
fuzz_i6300esb_SRCS := tests/fuzz/i6300esb_fuzz.c vcpu-worker/i6300esb.c vcpu-worker/pci.c \
	vcpu-worker/bus.c
fuzz_i6300esb_LDLIBS := -lpthread
fuzz_virtio_pci_SRCS := tests/fuzz/virtio_pci_fuzz.c $(VCPU_BUS_SRCS) $(FAKE_HV_SRCS)
fuzz_virtio_pci_LDLIBS := -lpthread

# The state of a VM; the hypervisor is tests/unit/vm_fixture.h.
VM_STATE_SRCS := vcpu-worker/save.c vcpu-worker/load.c vcpu-worker/pvpanic.c \
	vcpu-worker/i6300esb.c vcpu-worker/serial.c $(VCPU_BUS_SRCS) arch/x86_64/save.c \
	arch/x86_64/cpuid.c arch/x86_64/cpuid_missing.c arch/x86_64/platform.c arch/x86_64/ioapic.c \
	arch/x86_64/acpi.c arch/x86_64/cmos.c arch/x86_64/cpus.c arch/x86_64/dimms.c \
	arch/x86_64/slots.c arch/x86_64/i8042.c ipc/bytering.c ipc/chan.c \
	proto/check_vm.c $(PROTO_SRCS) tests/unit/fake_hv.c ipc/log.c ipc/errname.c
UNIT_TESTS += vm_state
unit_vm_state_SRCS := tests/unit/vm_state_test.c $(VM_STATE_SRCS)
unit_vm_state_LDLIBS := -lpthread
FUZZERS += vm_state
fuzz_vm_state_SRCS := tests/fuzz/vm_state_fuzz.c $(VM_STATE_SRCS)
fuzz_vm_state_LDLIBS := -lpthread
