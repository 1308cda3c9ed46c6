/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM behind arch/hypervisor.h: the VM, its memory slots, its interrupt routes,
 * irqfds and ioeventfds. Linux, Documentation/virt/kvm/api.rst.
 */
#include "arch/kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define KVM_MIN_VCPUS 1

int
kvm_hv_ioctl(int fd, unsigned long request, void *arg)
{
	int rc;

	do {
		rc = ioctl(fd, request, arg);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

int
kvm_hv_ioctl_value(int fd, unsigned long request, unsigned long value)
{
	int rc = ioctl(fd, request, value);

	return rc < 0 ? -errno : rc;
}

static uint32_t
capability(int fd, unsigned long cap)
{
	int rc = kvm_hv_ioctl_value(fd, KVM_CHECK_EXTENSION, cap);

	return rc < 0 ? 0 : (uint32_t)rc;
}

int
hv_open(int dev_fd, struct hv_caps *caps)
{
	int version = kvm_hv_ioctl_value(dev_fd, KVM_GET_API_VERSION, 0);
	uint32_t x2apic = capability(dev_fd, KVM_CAP_X2APIC_API);

	if (version < 0)
		return -ENODEV;
	if (version != KVM_API_VERSION)
		return -EPROTO;
	*caps = (struct hv_caps){
		.max_vcpus = capability(dev_fd, KVM_CAP_MAX_VCPUS),
		.max_vcpu_id = capability(dev_fd, KVM_CAP_MAX_VCPU_ID),
		.max_gsi_routes = capability(dev_fd, KVM_CAP_IRQ_ROUTING),
		.tsc_deadline = capability(dev_fd,
		    KVM_CAP_TSC_DEADLINE_TIMER) != 0,
		.x2apic_ids = (x2apic & KVM_X2APIC_API_USE_32BIT_IDS) != 0,
		.readonly_memory = capability(dev_fd,
		    KVM_CAP_READONLY_MEM) != 0,
	};
	if (caps->max_vcpus < KVM_MIN_VCPUS)
		caps->max_vcpus = KVM_MIN_VCPUS;
	if (caps->max_vcpu_id < caps->max_vcpus)
		caps->max_vcpu_id = caps->max_vcpus;
	/* Without these there is no machine of ours. */
	if (capability(dev_fd, KVM_CAP_SPLIT_IRQCHIP) == 0 ||
	    capability(dev_fd, KVM_CAP_IRQFD) == 0 ||
	    capability(dev_fd, KVM_CAP_IOEVENTFD) == 0 ||
	    capability(dev_fd, KVM_CAP_IMMEDIATE_EXIT) == 0 ||
	    capability(dev_fd, KVM_CAP_SIGNAL_MSI) == 0)
		return -ENODEV;
	return 0;
}

static struct hv_vm the_vm = {
	.fd = -1,
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

int
hv_create_vm(int dev_fd, int vm_slot, int vcpu_slot, struct hv_vm **out)
{
	struct hv_vm *vm = &the_vm;
	int fd, run_size;

	if (vm->fd >= 0)
		return -EEXIST;
	run_size = kvm_hv_ioctl_value(dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_size < (int)sizeof(struct kvm_run))
		return -ENODEV;
	do {
		/* EINTR: KVM_CREATE_VM looks at pending signals. */
		fd = kvm_hv_ioctl_value(dev_fd, KVM_CREATE_VM, 0);
	} while (fd == -EINTR);
	if (fd < 0)
		return fd;
	if (fd != vm_slot) {
		int moved = dup3(fd, vm_slot, O_CLOEXEC);
		int error = errno;

		close(fd);
		if (moved < 0)
			return -error;
		fd = moved;
	}
	vm->fd = fd;
	vm->vcpu_slot = vcpu_slot;
	vm->run_size = (size_t)run_size;
	vm->max_routes = capability(fd, KVM_CAP_IRQ_ROUTING);
	if (vm->max_routes > KVM_HV_MAX_ROUTES)
		vm->max_routes = KVM_HV_MAX_ROUTES;
	vm->any_length = capability(fd, KVM_CAP_IOEVENTFD_ANY_LENGTH) != 0;
	*out = vm;
	return kvm_hv_arch_vm_init(vm, dev_fd);
}

int
hv_set_memory(struct hv_vm *vm, uint32_t slot, uint64_t gpa, uint64_t size,
    void *host, bool readonly)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = readonly ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	return kvm_hv_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

int
hv_create_irqchip(struct hv_vm *vm, uint32_t pins)
{
	return kvm_hv_arch_irqchip(vm, pins);
}

int
hv_set_route(struct hv_vm *vm, uint32_t gsi, const struct hv_msi *msi)
{
	struct kvm_hv_route *r;
	int rc = 0;

	if (gsi >= KVM_HV_MAX_ROUTES)
		return -ENOSPC;
	pthread_mutex_lock(&vm->lock);
	r = &vm->route[gsi];
	if (msi == NULL) {
		if (r->used) {
			r->used = false;
			vm->nroutes--;
			vm->routes_changed = true;
		}
	} else if (!r->used && vm->nroutes >= vm->max_routes) {
		rc = -ENOSPC;
	} else if (!r->used || r->msi.addr != msi->addr ||
	    r->msi.data != msi->data) {
		if (!r->used)
			vm->nroutes++;
		r->used = true;
		r->msi = *msi;
		vm->routes_changed = true;
	}
	pthread_mutex_unlock(&vm->lock);
	return rc;
}

int
hv_commit_routes(struct hv_vm *vm)
{
	struct kvm_irq_routing *table = (void *)vm->table;
	uint32_t n = 0;
	int rc = 0;

	pthread_mutex_lock(&vm->lock);
	if (vm->routes_changed) {
		for (uint32_t gsi = 0; gsi < KVM_HV_MAX_ROUTES &&
		    n < vm->nroutes; gsi++)
			if (vm->route[gsi].used)
				kvm_hv_arch_route(&table->entries[n++], gsi,
				    &vm->route[gsi].msi);
		table->nr = n;
		table->flags = 0;
		rc = kvm_hv_ioctl(vm->fd, KVM_SET_GSI_ROUTING, table);
		vm->routes_changed = rc < 0;
	}
	pthread_mutex_unlock(&vm->lock);
	return rc;
}

int
hv_irqfd(struct hv_vm *vm, int fd, uint32_t gsi, bool assign)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
		.flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return kvm_hv_ioctl(vm->fd, KVM_IRQFD, &irqfd);
}

int
hv_ioeventfd(struct hv_vm *vm, int fd, uint64_t gpa, bool assign)
{
	struct kvm_ioeventfd io = {
		.addr = gpa,
		/* The driver writes 16 bits (virtio 1.2, 4.1.5.2). */
		.len = vm->any_length ? 0 : 2,
		.fd = fd,
		.flags = assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return kvm_hv_ioctl(vm->fd, KVM_IOEVENTFD, &io);
}

int
hv_signal_msi(struct hv_vm *vm, const struct hv_msi *msi)
{
	struct kvm_msi m;
	int rc;

	kvm_hv_arch_msi(&m, msi);
	rc = kvm_hv_ioctl(vm->fd, KVM_SIGNAL_MSI, &m);
	/* 0: the guest blocked it; that is its business. */
	return rc < 0 ? rc : 0;
}
