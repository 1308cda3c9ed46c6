/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the configuration to running vCPUs. The order is the one that KVM is fast
 * with: VM, memory, irqchip, vCPUs (the irqchip before the memory costs ten times
 * as much). All of it is before the filter; only memory comes and goes later.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/bytering.h"
#include "ipc/log.h"
#include "sandbox/jail.h"
#include "vcpu-worker/vm.h"

_Static_assert((int)JAIL_ENFORCE == (int)BH__SECCOMP_MODE__SECCOMP_MODE_ENFORCE &&
    (int)JAIL_LOG == (int)BH__SECCOMP_MODE__SECCOMP_MODE_LOG &&
    (int)JAIL_ERRNO == (int)BH__SECCOMP_MODE__SECCOMP_MODE_ERRNO &&
    (int)JAIL_OFF == (int)BH__SECCOMP_MODE__SECCOMP_MODE_OFF, "the same modes");
_Static_assert((int)ARCH_BOOT_PVH == (int)BH__BOOT_PROTOCOL__BOOT_PROTOCOL_PVH &&
    (int)ARCH_BOOT_LINUX32 ==
    (int)BH__BOOT_PROTOCOL__BOOT_PROTOCOL_LINUX32 &&
    (int)ARCH_BOOT_ARM64 == (int)BH__BOOT_PROTOCOL__BOOT_PROTOCOL_ARM64,
    "the same boot protocols");

static void
platform_stop(void *owner, enum arch_stop reason)
{
	if (reason == ARCH_STOP_SHUTDOWN)
		vm_stop(owner, BH__STOP_REASON__STOP_REASON_SHUTDOWN,
		    "the guest powered off");
	else
		vm_stop(owner, BH__STOP_REASON__STOP_REASON_RESET,
		    "the guest asked for a reset");
}

static void
port_reset(void *owner)
{
	platform_stop(owner, ARCH_STOP_RESET);
}

static int
map_rings(struct vm *vm, const char **why)
{
	void *at;

	if (!vm->serial && !vm->debug_console)
		return 0;
	*why = "cannot map the rings of the serial port";
	at = mmap(NULL, sizeof(*vm->rings), PROT_READ | PROT_WRITE, MAP_SHARED,
	    FD_RINGS, 0);
	if (at == MAP_FAILED)
		return -errno;
	vm->rings = at;
	return 0;
}

static int
copy_affinity(struct vm *vm, const Bh__VcpuAffinity *a, const char **why)
{
	cpu_set_t *set;

	if (a->vcpu >= vm->cpus.max_vcpus)
		return 0;
	set = calloc(1, sizeof(*set));
	if (set == NULL)
		return -ENOMEM;
	*why = "--cpus affinity=: a host CPU beyond 1023";
	for (size_t i = 0; i < a->n_host_cpus; i++) {
		if (a->host_cpus[i] >= CPU_SETSIZE) {
			free(set);
			return -EINVAL;
		}
		CPU_SET(a->host_cpus[i], set);
	}
	free(vm->vcpu[a->vcpu].affinity);
	vm->vcpu[a->vcpu].affinity = set;
	return 0;
}

static int
configure_cpus(struct vm *vm, const Bh__VmConfig *c, const char **why)
{
	int rc = 0;

	vm->cpus = (struct arch_cpu_config){
		.boot_vcpus = c->boot_vcpus, .max_vcpus = c->max_vcpus,
		.max_phys_bits = c->max_phys_bits, .nested = c->nested,
	};
	if (c->topology != NULL) {
		vm->cpus.threads = c->topology->threads;
		vm->cpus.cores = c->topology->cores;
		vm->cpus.dies = c->topology->dies;
		vm->cpus.packages = c->topology->packages;
	}
	*why = "out of memory";
	vm->vcpu = calloc(c->max_vcpus, sizeof(*vm->vcpu));
	if (vm->vcpu == NULL)
		return -ENOMEM;
	for (size_t i = 0; rc == 0 && i < c->n_affinity; i++)
		rc = copy_affinity(vm, c->affinity[i], why);
	if (rc == 0)
		rc = arch_cpu_init(FD_KVM, &vm->caps, &vm->cpus, why);
	return rc;
}

static void
wake_main(void *owner)
{
	vm_wake(owner);
}

static int
make_buses(struct vm *vm, const Bh__VmConfig *c, const char **why)
{
	const struct pci_window low = {
		arch_layout.mmio32, arch_layout.mmio32_size,
	};
	const struct pci_window high = { c->mmio64_base, c->mmio64_size };

	pci_host_init(&vm->pci, &low, &high, port_reset, vm);
	*why = "a PCI segment lies outside the 32-bit window";
	for (size_t i = 0; i < c->n_segments; i++) {
		const struct pci_window part = {
			c->segments[i]->mmio32_base, c->segments[i]->mmio32_size,
		};

		if (!pci_add_segment(&vm->pci, &part))
			return -EINVAL;
	}
	*why = "the 64-bit PCI window overlaps something";
	return pci_host_attach(&vm->pci, &vm->ports, &vm->mmio,
	    arch_layout.ecam, arch_layout.ecam_size);
}

int
vm_configure(struct vm *vm, const Bh__VmConfig *c, const char **why)
{
	int rc;

	vm->seccomp = c->seccomp;
	vm->core_scheduling = c->core_scheduling;
	vm->serial = c->serial;
	vm->debug_console = c->debug_console;
	vm->debug_console_port = (uint16_t)c->debug_console_port;
	vm->ram_end = c->ram_end;
	span_map_mark(&vm->gsis, 0, arch_layout.first_msi_gsi, true);
	*why = "/dev/kvm is not a KVM that this program can use";
	rc = hv_open(FD_KVM, &vm->caps);
	if (rc == 0)
		rc = configure_cpus(vm, c, why);
	if (rc < 0)
		return rc;
	*why = "KVM cannot create a VM";
	rc = hv_create_vm(FD_KVM, FD_VM, FD_VCPU, &vm->hv);
	if (rc < 0)
		return rc;
	/* With it this process could make a second VM. */
	close(FD_KVM);
	*why = "no address space for guest memory; raise ulimit -v";
	rc = gmem_init(&vm->mem, c->memory_reserve);
	if (rc == 0)
		rc = devices_reserve(vm);
	if (rc == 0)
		rc = map_rings(vm, why);
	if (rc == 0)
		rc = make_buses(vm, c, why);
	if (rc == 0 && c->pvpanic_bdf != 0) {
		*why = "--pvpanic: no room on PCI";
		rc = pvpanic_add(&vm->pvpanic, &vm->pci,
		    (uint16_t)c->pvpanic_bdf, wake_main, vm);
	}
	if (rc == 0 && c->i6300esb_bdf != 0) {
		*why = "--watchdog: no room on PCI, or no timer";
		rc = i6300esb_add(&vm->watchdog, &vm->pci,
		    (uint16_t)c->i6300esb_bdf, FD_TIMER, c->watchdog_fired);
	}
	return rc;
}

int
vm_add_memory(struct vm *vm, const Bh__MemoryRegion *r, int fd,
    const char **why)
{
	/* In its reserved range: the filter maps from nowhere else. */
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_INCOMING), rc;

	*why = "cannot map guest memory";
	if (moved < 0)
		return -errno;
	pthread_mutex_lock(&vm->mem_lock);
	rc = r->discard ? gmem_add_discarding(&vm->mem, r->slot, r->gpa, r->size,
	    moved, r->offset) : gmem_add(&vm->mem, r->slot, r->gpa, r->size, moved,
	    r->offset, r->readonly);
	close(moved);
	if (rc == 0) {
		*why = "KVM refuses guest memory";
		rc = hv_set_memory(vm->hv, r->slot, r->gpa, r->size,
		    vm->mem.region[r->slot].host, r->readonly);
		if (rc < 0)
			(void)gmem_remove(&vm->mem, r->slot);
	}
	pthread_mutex_unlock(&vm->mem_lock);
	return rc;
}

int
vm_remove_memory(struct vm *vm, uint32_t slot, const char **why)
{
	int rc;

	*why = "no such memory region";
	if (slot >= GMEM_MAX_REGIONS || vm->mem.region[slot].size == 0)
		return -ENOENT;
	/* From the guest first, then from under KVM. */
	pthread_mutex_lock(&vm->mem_lock);
	*why = "KVM keeps guest memory";
	rc = hv_set_memory(vm->hv, slot, vm->mem.region[slot].gpa, 0,
	    vm->mem.region[slot].host, false);
	if (rc == 0) {
		*why = "cannot unmap guest memory";
		rc = gmem_remove(&vm->mem, slot);
	}
	pthread_mutex_unlock(&vm->mem_lock);
	return rc;
}

static void
platform_let_go(void *owner, uint32_t cpu, bool gone)
{
	vcpus_let_go(owner, cpu, gone);
}

static void
platform_dimm(void *owner, uint32_t i, bool gone)
{
	struct vm *vm = owner;

	atomic_fetch_or(gone ? &vm->dimms_gone : &vm->dimms_kept, 1u << i);
	vm_wake(vm);
}

static void
platform_ejected(void *owner, uint32_t bus, uint32_t slot)
{
	devices_ejected(owner, bus, slot);
}

static int
make_platform(struct vm *vm, const char **why)
{
	const struct arch_platform_config config = {
		.vm = vm->hv, .ports = &vm->ports, .mmio = &vm->mmio,
		.boot_vcpus = vm->cpus.boot_vcpus,
		.max_vcpus = vm->cpus.max_vcpus,
		.mem = &vm->mem, .ram_end = vm->ram_end,
		.host = { platform_stop, platform_let_go, platform_dimm,
		    platform_ejected, vm },
		.rings = vm->rings, .to_far = FD_RINGS_TO_FAR,
		.serial = vm->serial, .debug_console = vm->debug_console,
		.debug_console_port = vm->debug_console_port,
	};
	int rc;

	*why = "KVM cannot make the interrupt controller";
	rc = arch_irqchip_init(vm->hv);
	if (rc == 0)
		rc = arch_platform_init(&config, why);
	pci_host_finish(&vm->pci);
	return rc;
}

static int
close_jail(struct vm *vm, int *listener, const char **why)
{
	const char *stage = "";
	int rc = jail_confine(&stage);

	if (rc == 0)
		rc = vcpus_spawn(vm, why);
	else
		*why = stage;
	if (rc == 0) {
		rc = jail_load((enum jail_mode)vm->seccomp, listener, &stage);
		*why = stage;
	}
	return rc;
}

int
vm_start(struct vm *vm, const Bh__BootState *b, int *listener,
    const char **why)
{
	struct arch_boot boot = { 0 };
	int rc = make_platform(vm, why);

	if (rc < 0)
		return rc;
	*why = "no guest memory at the bottom";
	if (b != NULL) {
		boot.protocol = (enum arch_boot_protocol)b->protocol;
		boot.entry = b->entry;
		boot.param = b->param;
		rc = arch_boot_memory(&vm->mem, &boot);
	} else {
		vm->loading = true;
		atomic_store(&vm->pausing, true);
		i6300esb_pause(&vm->watchdog, true);
	}
	if (rc == 0)
		rc = vcpus_create(vm, b != NULL ? &boot : NULL, why);
	/* Capabilities and Landlock are a thread's: before there are threads.
	 * The filter is the process': when they have done what it forbids. */
	if (rc == 0)
		rc = close_jail(vm, listener, why);
	return rc;
}
