/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to arch/kvm: what its files share. vm.c owns the VM and its interrupts,
 * vcpu.c the vCPUs and their exits, x86_64.c what of it is x86, x86_64_saved.c all that
 * a vCPU holds.
 */
#ifndef BULKHEAD_ARCH_KVM_KVM_H
#define BULKHEAD_ARCH_KVM_KVM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

#include "arch/hypervisor.h"

#define KVM_HV_MAX_ROUTES 4096u		/* KVM_MAX_IRQ_ROUTES */

struct kvm_hv_route {
	bool used;
	struct hv_msi msi;
};

struct hv_vm {
	int fd;
	int vcpu_slot;
	size_t run_size;		/* bytes of the mapping of a vCPU */
	uint32_t max_routes;
	bool any_length;		/* ioeventfds of any access length */
	bool x2apic_api;
	bool clock_stopped;
	struct kvm_clock_data clock;	/* where it stood */
	uint64_t realtime;		/* then: ns since 1970 */
	bool event_payloads, event_triple_faults;
	uint32_t xsave_size;
	bool tsc_offsets;		/* the offset of a vCPU's TSC can be set */
	bool has_tsc_base;
	uint64_t tsc_base;		/* a TSC of offset 0, at one moment */

	pthread_mutex_t lock;		/* of what follows */
	bool routes_changed;
	uint32_t nroutes;
	struct kvm_hv_route route[KVM_HV_MAX_ROUTES];	/* by GSI */
	/* A struct kvm_irq_routing: what KVM gets of it. */
	_Alignas(8) uint8_t table[sizeof(struct kvm_irq_routing) +
	    KVM_HV_MAX_ROUTES * sizeof(struct kvm_irq_routing_entry)];
};

struct hv_vcpu {
	struct hv_vm *vm;
	int fd;
	struct kvm_run *run;
};

/* -errno of ioctl(2), or its result. */
int kvm_hv_ioctl(int fd, unsigned long request, void *arg);
/* The same for requests whose argument is a number. */
int kvm_hv_ioctl_value(int fd, unsigned long request, unsigned long value);

/* x86_64.c */
int kvm_hv_arch_vm_init(struct hv_vm *vm, int dev_fd);
int kvm_hv_arch_irqchip(struct hv_vm *vm, uint32_t pins);
void kvm_hv_arch_route(struct kvm_irq_routing_entry *entry, uint32_t gsi,
    const struct hv_msi *msi);
void kvm_hv_arch_msi(struct kvm_msi *out, const struct hv_msi *msi);

#endif
