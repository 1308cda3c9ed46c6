/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The architecture seam: what the vcpu-worker needs to know about the machine
 * that it makes. arch/x86_64 implements it, arch/aarch64 is a stub. The worker
 * itself knows vCPUs, buses, PCI and virtio, and nothing of APICs or ports.
 *
 * All functions but arch_eoi, arch_power_button and what hangs on the buses are
 * called from the main thread before vCPUs run. 0 or -errno.
 */
#ifndef BULKHEAD_ARCH_ARCH_H
#define BULKHEAD_ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/hypervisor.h"
#include "bulkhead.pb-c.h"

struct bus;
struct gmem;
struct loop;
struct bytering_page;

/* Where the worker's own devices are. */
struct arch_layout {
	uint64_t ecam, ecam_size;	/* PCIe configuration space */
	uint64_t mmio32, mmio32_size;	/* PCI memory below 4 GiB */
	uint64_t virtio_bar_size;
	uint32_t first_msi_gsi;		/* GSIs below are wired */
};

extern const struct arch_layout arch_layout;

struct arch_cpu_config {
	uint32_t boot_vcpus, max_vcpus;
	uint32_t threads, cores, dies, packages;	/* 0: not given */
	uint32_t max_phys_bits;		/* 0: as the host */
	bool nested;
};

enum arch_boot_protocol { ARCH_BOOT_PVH, ARCH_BOOT_LINUX32, ARCH_BOOT_ARM64 };

struct arch_boot {
	enum arch_boot_protocol protocol;
	uint64_t entry, param;		/* guest-physical */
};

/* What a device of the platform may ask of the machine. Any thread. */
enum arch_stop { ARCH_STOP_SHUTDOWN, ARCH_STOP_RESET };

struct arch_host {
	void (*stop)(void *owner, enum arch_stop reason);
	/* The guest has let vCPU @cpu go, never the first, or will not (!@gone). */
	void (*let_go)(void *owner, uint32_t cpu, bool gone);
	/* ... DIMM @i, below ARCH_DIMMS. */
	void (*dimm_let_go)(void *owner, uint32_t i, bool gone);
	/* The guest has let the devices in @slot of PCI bus @bus go. */
	void (*ejected)(void *owner, uint32_t bus, uint32_t slot);
	void *owner;
};

/* vCPU @cpu is to run from now on: it waits for the guest to start it. */
typedef void arch_plug_fn(void *arg, uint32_t cpu);

struct arch_platform_config {
	struct hv_vm *vm;
	uint32_t boot_vcpus, max_vcpus;
	struct bus *ports;		/* x86: the I/O space; else empty */
	struct bus *mmio;
	const struct gmem *mem;
	uint64_t ram_end;		/* memory from here on came later, or will */
	struct arch_host host;
	struct bytering_page *rings;	/* NULL: no serial, no debug console */
	int to_far;			/* eventfd: FD_RINGS_TO_FAR */
	bool serial;
	bool debug_console;
	uint16_t debug_console_port;
};

/* The hardware id of vCPU @index. */
uint32_t arch_vcpu_id(const struct arch_cpu_config *config, uint32_t index);

/*
 * Ask the hypervisor behind @dev_fd for its CPU features and make of them those
 * of this VM. EINVAL: a configuration that this host cannot give; *why says what.
 */
int arch_cpu_init(int dev_fd, const struct hv_caps *caps,
    const struct arch_cpu_config *config, const char **why);

/* Features and reset state of vCPU @index; the first gets @boot (NULL: none, its
 * state is loaded later). */
int arch_vcpu_init(struct hv_vcpu *vcpu, uint32_t index,
    const struct arch_boot *boot);

/* Write what the entry state needs into guest memory. EFAULT: none there. */
int arch_boot_memory(struct gmem *mem, const struct arch_boot *boot);

/* Interrupt controller: after the memory, before the vCPUs. */
int arch_irqchip_init(struct hv_vm *vm);

/* Platform devices onto the buses; *why as above. */
int arch_platform_init(const struct arch_platform_config *config,
    const char **why);

/* vCPU threads: the guest has ended level interrupt @vector. */
void arch_eoi(uint32_t vector);

/* The address of the instruction that @vcpu is at, for a report; 0: unknown.
 * From the vCPU's thread. */
uint64_t arch_vcpu_pc(struct hv_vcpu *vcpu);

/*
 * Main thread, as all that follows. The guest shall have @want vCPUs, 1 to max_vcpus:
 * what comes is plugged here, what goes the guest ejects when it likes
 * (arch_host.let_go). EBUSY: it is still asked to let others go; EOPNOTSUPP: this
 * machine cannot.
 */
int arch_vcpus_resize(uint32_t want, arch_plug_fn *plug, void *arg);
/* How many it has. */
uint32_t arch_vcpus_count(void);
/*
 * There is memory from @base on, as DIMM @i; @fresh: the guest, which runs, is told.
 * arch_dimm_ask(): it is asked to let it go (arch_host.dimm_let_go). EEXIST, ENOENT,
 * EBUSY: it is asked already; EOPNOTSUPP: this machine cannot.
 */
#define ARCH_DIMMS 16u
int arch_dimm_add(uint32_t i, uint64_t base, uint64_t size, bool fresh);
int arch_dimm_ask(uint32_t i);
/* Something came into slot @slot of PCI bus @bus, or (!@came) is asked to leave it:
 * the guest is told. */
void arch_slot_changed(uint32_t bus, uint32_t slot, bool came);
void arch_power_button(void);
void arch_nmi(struct hv_vm *vm, const struct arch_cpu_config *config);
void arch_rings_ready(void);	/* bytes or room in the serial rings */

/*
 * At a standstill: what the machine holds, for a VmState. What save puts into a message
 * is good until the next call. Fits: whether a message that was checked (proto/
 * check_vm.h) belongs to this VM on this host, with nothing changed; what does not
 * load. EINVAL and *why: static text, or good until the next call.
 */
int arch_vcpu_save(struct hv_vcpu *vcpu, Bh__VcpuState *state, const char **why);
int arch_vcpu_fits(const Bh__VcpuState *state, const char **why);
int arch_vcpu_load(struct hv_vcpu *vcpu, const Bh__VcpuState *state,
    const char **why);
void arch_platform_save(Bh__VmState *state);
bool arch_platform_is_last(const Bh__VmState *state);	/* it has the platform's part */
int arch_platform_fits(const Bh__VmState *state, const char **why);
void arch_platform_load(const Bh__VmState *state);

#endif
