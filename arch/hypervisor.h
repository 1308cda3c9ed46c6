/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hypervisor seam: what the vcpu-worker asks of the kernel's hypervisor.
 * arch/kvm implements it, arch/mshv is the stub of the next one; which of them is
 * linked decides build.mk. Registers cross it as the architecture's own struct
 * (arch/<arch>/state.h), never as the hypervisor's.
 *
 * Called by the vcpu-worker and by the architecture's code. Every function
 * returns 0 or -errno unless it says otherwise. No function but hv_open,
 * hv_create_vm and hv_create_vcpu allocates, maps or makes an fd, so that all
 * others work under the filter. "Any thread" means without a lock of the caller.
 */
#ifndef BULKHEAD_ARCH_HYPERVISOR_H
#define BULKHEAD_ARCH_HYPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hv_vm;			/* one VM; a process has one */
struct hv_vcpu;			/* one virtual CPU of it */
struct arch_cpuid_entry;
struct arch_vcpu_state;
struct arch_vcpu_saved;

/* Why a vCPU came back from hv_vcpu_run(). */
enum hv_exit_kind {
	HV_EXIT_INTERRUPTED,	/* kicked: nothing happened */
	HV_EXIT_IO,		/* a port access */
	HV_EXIT_MMIO,		/* a memory access where no memory is */
	HV_EXIT_EOI,		/* end of a level-triggered interrupt */
	HV_EXIT_HALT,		/* HLT, with no interrupt controller in the kernel */
	HV_EXIT_TRIPLE_FAULT,
	HV_EXIT_SHUTDOWN,	/* the guest asked the hypervisor to power off */
	HV_EXIT_RESET,		/* ... to reset */
	HV_EXIT_ERROR,		/* the vCPU cannot go on */
};

struct hv_exit {
	enum hv_exit_kind kind;
	bool write;		/* IO, MMIO: the guest writes */
	uint32_t len;		/* IO, MMIO: bytes, 1 to 8 */
	uint32_t count;		/* IO: accesses to the same port (rep ins, outs) */
	uint64_t addr;		/* IO: port; MMIO: guest address; EOI: vector */
	uint8_t *data;		/* IO, MMIO: len * count bytes, for the guest to
				 * read or from it; good until the next run */
	const char *what;	/* ERROR: static text */
	uint64_t code;		/* ERROR: what the hypervisor says of it */
};

/* A message-signalled interrupt, as the guest programmed it. */
struct hv_msi {
	uint64_t addr;
	uint32_t data;
};

/* What the machine may be built from, asked before the VM is made. */
struct hv_caps {
	uint32_t max_vcpus;
	uint32_t max_vcpu_id;	/* highest id + 1 */
	uint32_t max_gsi_routes;
	bool tsc_deadline;
	bool x2apic_ids;	/* interrupt targets of 32 bits */
	bool readonly_memory;
};

/* ---- The VM: main thread, before there are vCPU threads ---- */

/*
 * Check the hypervisor's device @dev_fd and ask what it can do. ENODEV, EPROTO
 * (an API version that is not ours). @dev_fd stays the caller's.
 */
int hv_open(int dev_fd, struct hv_caps *caps);

/*
 * Make a VM from @dev_fd with its fd at number @vm_slot. vCPU i gets its fd at
 * @vcpu_slot + i. *out stays good for the life of the process.
 */
int hv_create_vm(int dev_fd, int vm_slot, int vcpu_slot, struct hv_vm **out);

/*
 * Fill @entries with the CPUID that the hypervisor can give (x86), *count in and
 * out. E2BIG. Uses @dev_fd.
 */
int hv_supported_cpuid(int dev_fd, struct arch_cpuid_entry *entries,
    uint32_t *count);

/* Give or (size 0) take away guest memory. Also while vCPUs run. */
int hv_set_memory(struct hv_vm *vm, uint32_t slot, uint64_t gpa, uint64_t size,
    void *host, bool readonly);

/*
 * The in-kernel part of the interrupt controller: local APICs, with @pins GSIs
 * kept for an IOAPIC in user space. After the memory: the other order costs
 * milliseconds. Before the first vCPU.
 */
int hv_create_irqchip(struct hv_vm *vm, uint32_t pins);

/* ---- Interrupts: any thread ---- */

/*
 * Remember what GSI @gsi means (@msi NULL: nothing); holds from the next
 * hv_commit_routes on. ENOSPC: more routes than the hypervisor takes.
 */
int hv_set_route(struct hv_vm *vm, uint32_t gsi, const struct hv_msi *msi);
int hv_commit_routes(struct hv_vm *vm);

/* Let a write to eventfd @fd raise @gsi, or no more. A signal that is already in
 * the eventfd counts. */
int hv_irqfd(struct hv_vm *vm, int fd, uint32_t gsi, bool assign);

/* Let a guest write of any length at @gpa signal eventfd @fd, or no more. */
int hv_ioeventfd(struct hv_vm *vm, int fd, uint64_t gpa, bool assign);

/* Raise an interrupt now. */
int hv_signal_msi(struct hv_vm *vm, const struct hv_msi *msi);

/* ---- vCPUs ---- */

/*
 * Make vCPU @index (from 0) with hardware id @id (x86: the APIC ID). Main
 * thread, before the filter.
 */
int hv_create_vcpu(struct hv_vm *vm, uint32_t index, uint32_t id,
    struct hv_vcpu **out);

/*
 * Run until something is to be done; *exit says what. Data of an IO or MMIO read
 * is taken up by the next run. Only from the vCPU's thread; never fails: what
 * cannot be is HV_EXIT_ERROR.
 */
void hv_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit);

/*
 * Any thread: make the next run, or the one that is going on once its thread
 * gets a signal, come back with HV_EXIT_INTERRUPTED; for good, until
 * hv_vcpu_resume.
 */
void hv_vcpu_interrupt(struct hv_vcpu *vcpu);
void hv_vcpu_resume(struct hv_vcpu *vcpu);

/*
 * At a standstill that shall not be the guest's time: the clock that the
 * hypervisor gives to guests stops, and goes on where it stood. The vCPU's guest
 * learns why it was away, so that its watchdogs keep quiet. Main thread; a host or
 * guest without such a clock has nothing to do.
 */
void hv_clock_stop(struct hv_vm *vm);
void hv_clock_go(struct hv_vm *vm);
void hv_vcpu_was_away(struct hv_vcpu *vcpu);

/*
 * It was taken out of the machine: should it be put in again, it waits for the guest
 * to start it, as at its first time. From the vCPU's thread.
 */
int hv_vcpu_unplugged(struct hv_vcpu *vcpu);

/*
 * From the vCPU's thread, before its state is read: have what the last exit left
 * undone (an access whose data the guest has not got yet) done. True: there is
 * another exit of it, *exit, to be handled before the next call.
 */
bool hv_vcpu_settle(struct hv_vcpu *vcpu, struct hv_exit *exit);

/*
 * At a standstill, main thread: all that the vCPU holds, and the guest's clock, which
 * is stopped; hv_clock_go lets it go on from what was loaded. Loading is for a vCPU
 * that has CPUID and has not run. An error names in *why what the host has not: static
 * text, or good until the next call.
 */
int hv_vcpu_save(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out, const char **why);
int hv_vcpu_load(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in,
    const char **why);
void hv_clock_save(struct hv_vm *vm, uint64_t *ns, uint64_t *realtime);
void hv_clock_load(struct hv_vm *vm, uint64_t ns);

/* CPUID of the vCPU. Before it has run. */
int hv_vcpu_set_cpuid(struct hv_vcpu *vcpu,
    const struct arch_cpuid_entry *entries, uint32_t count);

/* All registers, at a standstill. set writes what state->parts names. */
int hv_vcpu_get_state(struct hv_vcpu *vcpu, struct arch_vcpu_state *state);
int hv_vcpu_set_state(struct hv_vcpu *vcpu,
    const struct arch_vcpu_state *state);

#endif
