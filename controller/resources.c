// SPDX-License-Identifier: Apache-2.0
//
// Memory and fds of the VM, see resources.h.
#include "controller/resources.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/dimms.h"
#include "controller/life.h"
#include "controller/memory.h"
#include "controller/values.h"
#include "device-workers/fs/slots.h"
#include "ipc/bytering.h"
#include "ipc/log.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u		/* Linux 6.3 */
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

/* A sealed memfd of @size bytes, mode 0600. */
static int
sealed_memfd(const char *name, uint64_t size, unsigned int flags)
{
	int fd, rc;

	flags |= MFD_CLOEXEC | MFD_ALLOW_SEALING;
	fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	if (fd < 0)
		return -errno;
	if (size > INT64_MAX)
		rc = -EFBIG;
	else if (fchmod(fd, 0600) < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		rc = -errno;
	else
		return fd;
	close(fd);
	return rc;
}

static unsigned int
huge_flags(const struct plan_zone *z)
{
	unsigned int flags = z->hugepages ? MFD_HUGETLB : 0;

	if (z->hugepage_size != 0)
		flags |= (unsigned int)__builtin_ctzll(z->hugepage_size) <<
		    MFD_HUGE_SHIFT;
	return flags;
}

/* "--memory " or "--memory-zone id=a,". */
static const char *
option_of(const struct vm *vm, const struct plan_zone *z)
{
	static char text[SPEC_MAX_ZONE_ID + 32];

	if (vm->spec.nzones == 0)
		return "--memory ";
	(void)snprintf(text, sizeof(text), "--memory-zone id=%s,", z->id);
	return text;
}

static int
no_memory(struct vm *vm, const struct plan_zone *z, uint64_t bytes, int rc)
{
	char size[VALUE_SIZE_TEXT];

	value_size_text(bytes, size);
	life_fail(vm, "%s%s=%s%s: cannot be made: %s; %s", option_of(vm, z),
	    bytes == z->size ? "size" : "hotplug_size", size,
	    z->hugepages ? ",hugepages=on" : "", log_errtext(rc), z->hugepages ?
	    "reserve huge pages of this size (vm.nr_hugepages), and make size a "
	    "multiple of them" : "lower it");
	return rc;
}

/*
 * The policy is the file's, not the mapping's (shmem, hugetlbfs): whoever touches the
 * memory later gets it from there. The mapping is gone before anybody could.
 */
static int
bind_node(struct vm *vm, const struct plan_zone *z, int fd, uint64_t size)
{
	unsigned long mask[1024 / 64] = { 0 };
	void *at;
	int rc = 0;

	if (z->host_node == SPEC_NO_NODE)
		return 0;
	mask[z->host_node / 64] = 1ul << z->host_node % 64;
	at = mmap(NULL, size, PROT_NONE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		rc = -errno;
	} else {
		if (syscall(SYS_mbind, at, size, MPOL_BIND, mask,
		    sizeof(mask) * 8 + 1, 0) < 0)
			rc = -errno;
		munmap(at, size);
	}
	if (rc != 0)
		life_fail(vm, "%shost_numa_node=%u: %s", option_of(vm, z),
		    z->host_node, rc == -EINVAL ? "this host has no such node, or "
		    "may not use it; see lscpu" : rc == -ENOSYS || rc == -EPERM ?
		    "memory cannot be bound to nodes here (mbind); leave it out" :
		    log_errtext(rc));
	return rc;
}

/* What virtio-mem's region is made of, and the note of what is plugged in it. */
static int
make_hot(struct vm *vm, uint32_t i)
{
	const struct plan_zone *z = &vm->plan.zones[i];
	struct zone_memory *m = &vm->zones[i];

	m->hot = sealed_memfd("bulkhead-ram-hot", z->hot_size, huge_flags(z));
	if (m->hot < 0)
		return no_memory(vm, z, z->hot_size, m->hot);
	if (bind_node(vm, z, m->hot, z->hot_size) != 0)
		return -EINVAL;
	m->state = sealed_memfd("bulkhead-plugged",
	    MEM_STATE_SIZE(z->hot_size / memory_block(vm, i)), 0);
	if (m->state < 0)
		return no_memory(vm, z, z->hot_size, m->state);
	return 0;
}

static int
make_zone(struct vm *vm, uint32_t i)
{
	const struct plan_zone *z = &vm->plan.zones[i];
	struct zone_memory *m = &vm->zones[i];
	char size[VALUE_SIZE_TEXT];
	int rc = 0;

	m->ram = sealed_memfd("bulkhead-ram", z->size, huge_flags(z));
	if (m->ram < 0)
		return no_memory(vm, z, z->size, m->ram);
	rc = bind_node(vm, z, m->ram, z->size);
	if (rc != 0)
		return rc;
	/*
	 * Allocating is what both prefault and reserve come to: shared memory
	 * knows no reservation other than its pages.
	 */
	if ((z->prefault || z->reserve) &&
	    fallocate(m->ram, 0, 0, (off_t)z->size) < 0) {
		rc = -errno;
		value_size_text(z->size, size);
		life_fail(vm, "%ssize=%s,%s=on%s: cannot be "
		    "allocated: %s; %s", option_of(vm, z), size,
		    z->prefault ? "prefault" : "reserve",
		    z->hugepages ? ",hugepages=on" : "", log_errtext(rc),
		    z->hugepages ? "reserve more huge pages of this size "
		    "(vm.nr_hugepages)" : "lower it or free memory");
	}
	return rc == 0 && z->hot_size != 0 ? make_hot(vm, i) : rc;
}

int
resources_dimm(struct vm *vm, uint64_t size, const char **why)
{
	const struct plan_zone *z = &vm->plan.zones[0];
	int fd = sealed_memfd("bulkhead-ram-dimm", size, huge_flags(z)), rc;

	*why = "memory cannot be made";
	if (fd < 0)
		return fd;
	*why = z->hugepages ? "not enough huge pages; reserve more "
	    "(vm.nr_hugepages)" : "not enough memory";
	/* A huge page that is not there would end the guest that touches it. */
	if ((z->hugepages || z->prefault || z->reserve) &&
	    fallocate(fd, 0, 0, (off_t)size) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int
resources_memory(struct vm *vm)
{
	int rc = cgroup_limit(&vm->cgroup, memory_most(vm));

	if (rc != 0)
		log_warn("memory.max of the VM's cgroup cannot be set: %s",
		    log_errtext(rc));
	rc = 0;
	for (uint32_t i = 0; rc == 0 && i < vm->plan.nzones; i++)
		rc = make_zone(vm, i);
	return rc;
}

static int
make_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static int
no_fds(struct vm *vm, const char *what, int error)
{
	life_fail(vm, "cannot make %s: %s; %s", what, log_errtext(error),
	    error == -EMFILE ? "raise the limit of open files (ulimit -n)" :
	    error == -ENFILE ? "raise fs.file-max" : "free memory");
	return error;
}

int
resources_rings(struct vm *vm)
{
	uint64_t size = (sizeof(struct bytering_page) + 4095) & ~4095ull;

	vm->rings = sealed_memfd("bulkhead-rings", size, 0);
	vm->rings_to_far = make_eventfd();
	vm->rings_to_guest = make_eventfd();
	if (vm->rings < 0)
		return no_fds(vm, "the serial port's rings", vm->rings);
	if (vm->rings_to_far < 0)
		return no_fds(vm, "an eventfd", vm->rings_to_far);
	if (vm->rings_to_guest < 0)
		return no_fds(vm, "an eventfd", vm->rings_to_guest);
	return 0;
}

int
resources_limits(struct vm *vm)
{
	/* Zeros are a full bucket. */
	for (uint32_t i = 0; i < vm->spec.nlimit_groups; i++) {
		if (vm->limits[i] >= 0)
			continue;
		vm->limits[i] = sealed_memfd("bulkhead-limit", 4096, 0);
		if (vm->limits[i] < 0)
			return no_fds(vm, "the state of a rate limit group",
			    vm->limits[i]);
	}
	return 0;
}

int
resources_bus(struct child *worker)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    worker->bus) < 0)
		return no_fds(worker->vm, "a socket", -errno);
	return 0;
}

int
resources_device(struct child *worker)
{
	if (!worker->dev->on_pci)
		return 0;
	for (uint32_t i = 0; i < plan_nevents(worker->dev); i++) {
		worker->events[i] = make_eventfd();
		if (worker->events[i] < 0)
			return no_fds(worker->vm, "an eventfd",
			    worker->events[i]);
	}
	if (process_kinds[worker->kind].replaced) {
		worker->record = sealed_memfd("bulkhead-record",
		    RECORD_SIZE(worker->dev->nqueues), 0);
		if (worker->record < 0)
			return no_fds(worker->vm, "the record of a device",
			    worker->record);
	}
	if (worker->kind == PROC_FS) {
		worker->table = sealed_memfd("bulkhead-table", FS_TABLE_SIZE, 0);
		if (worker->table < 0)
			return no_fds(worker->vm, "the table of a shared directory",
			    worker->table);
	}
	if (worker->kind == PROC_FRONT) {
		worker->inflight = sealed_memfd("bulkhead-inflight",
		    FRONT_LIMIT_INFLIGHT, 0);
		if (worker->inflight < 0)
			return no_fds(worker->vm, "the record of a back end",
			    worker->inflight);
	}
	if (process_kinds[worker->kind].config_page) {
		worker->config_page = sealed_memfd("bulkhead-config", 4096, 0);
		if (worker->config_page < 0)
			return no_fds(worker->vm, "a device's configuration "
			    "page", worker->config_page);
	}
	return resources_bus(worker);
}

static int
punch(int fd)
{
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0 ||
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
	    st.st_size) < 0)
		return -errno;
	return 0;
}

int
resources_punch(struct vm *vm)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < vm->plan.nzones; i++) {
		const struct plan_zone *z = &vm->plan.zones[i];
		const struct zone_memory *m = &vm->zones[i];

		rc = punch(m->ram);
		if (rc == 0 && (z->prefault || z->reserve) &&
		    fallocate(m->ram, 0, 0, (off_t)z->size) < 0)
			rc = -errno;
		/* A machine that begins has nothing plugged (virtio 1.2, 5.15.5.2). */
		if (rc == 0)
			rc = punch(m->hot);
		if (rc == 0)
			rc = punch(m->state);
	}
	return rc == 0 ? dimms_punch(vm) : rc;
}

void
resources_drain_events(struct child *worker)
{
	uint64_t count;

	for (uint32_t i = 0; i < plan_nevents(worker->dev); i++)
		(void)!read(worker->events[i], &count, sizeof(count));
}
