/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM to save and load, for tests/unit/vm_state_test.c and tests/fuzz/vm_state_fuzz.c:
 * two vCPUs of a hypervisor that only keeps what it is given, a virtio device, pvpanic,
 * the watchdog and the x86 platform. A process has one, made anew as often as it likes.
 */
#ifndef BULKHEAD_TESTS_UNIT_VM_FIXTURE_H
#define BULKHEAD_TESTS_UNIT_VM_FIXTURE_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/x86_64/cpuid.h"
#include "arch/x86_64/saved.h"
#include "ipc/bytering.h"
#include "tests/unit/fake_hv.h"
#include "vcpu-worker/save.h"

#define FIXTURE_VCPUS 2u
#define FIXTURE_QUEUES 2u
#define FIXTURE_FEATURES (1ull << 32 | 1ull << 5)
#define FIXTURE_TIMER 60
#define FIXTURE_BDF (2u << 3)

static struct vm fixture;
static struct device fixture_device;
static struct vcpu fixture_vcpus[FIXTURE_VCPUS];
static struct bytering_page fixture_rings;
static struct gmem fixture_mem;
static uint8_t fixture_page[DEVICE_LIMIT_CONFIG];
static int fixture_fds[2 * FIXTURE_QUEUES + 1];
static uint64_t fixture_clock;
/* What the hypervisor holds, and what CPU it has. */
static struct arch_vcpu_saved fixture_hv[FIXTURE_VCPUS];
static struct cpuid_table fixture_cpuid;
static uint32_t fixture_loads;

/* ---- The hypervisor, as far as fake_hv.c does not have it ---- */

struct hv_vcpu {
	uint32_t index;
};

static struct hv_vcpu fixture_hv_vcpu[FIXTURE_VCPUS];

int
hv_vcpu_save(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out, const char **why)
{
	*why = "";
	*out = fixture_hv[vcpu->index];
	return 0;
}

int
hv_vcpu_load(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in, const char **why)
{
	*why = "";
	fixture_hv[vcpu->index] = *in;
	fixture_loads++;
	return 0;
}

int
hv_vcpu_set_cpuid(struct hv_vcpu *vcpu, const struct arch_cpuid_entry *entries,
    uint32_t count)
{
	(void)vcpu;
	(void)entries;
	return count <= ARCH_MAX_CPUID ? 0 : -1;
}

void
hv_vcpu_was_away(struct hv_vcpu *vcpu)
{
	(void)vcpu;
}

void
hv_clock_save(struct hv_vm *vm, uint64_t *ns, uint64_t *realtime)
{
	(void)vm;
	*ns = fixture_clock;
	*realtime = 1;
}

void
hv_clock_load(struct hv_vm *vm, uint64_t ns)
{
	(void)vm;
	fixture_clock = ns;
}

int
hv_create_irqchip(struct hv_vm *vm, uint32_t pins)
{
	(void)vm;
	(void)pins;
	return 0;
}

void
arch_vcpu_cpuid(uint32_t index, struct cpuid_table *out)
{
	(void)index;
	*out = fixture_cpuid;
}

bool
devices_dead(const struct vm *vm)
{
	(void)vm;
	return false;
}

/* ---- Building ---- */

static void
fixture_nothing(void *owner)
{
	(void)owner;
}

static void
fixture_make_device(void)
{
	static const uint8_t config[16] = { 1, 2, 3, 4 }, writable[4] = { 0, 0, 0xff, 0 };
	struct virtio_pci_config c = {
		.bdf = FIXTURE_BDF, .virtio_id = 2, .features = FIXTURE_FEATURES,
		.nqueues = FIXTURE_QUEUES, .first_gsi = 24, .config = config,
		.config_len = sizeof(config), .config_writable = writable,
		.config_writable_len = sizeof(writable), .config_page = fixture_page,
	};

	for (uint32_t i = 0; i < 2 * FIXTURE_QUEUES + 1; i++) {
		uint64_t n;

		if (fixture_fds[i] == 0)
			fixture_fds[i] = eventfd(0, EFD_NONBLOCK);
		(void)!read(fixture_fds[i], &n, sizeof(n));
	}
	for (uint32_t q = 0; q < FIXTURE_QUEUES; q++) {
		c.queue_max[q] = 64;
		c.kick[q] = fixture_fds[2 * q];
		c.call[q] = fixture_fds[2 * q + 1];
	}
	c.config_call = fixture_fds[2 * FIXTURE_QUEUES];
	memset(&fixture_device, 0, sizeof(fixture_device));
	fixture_device.index = 3;
	if (virtio_pci_init(&fixture_device.vp, &fixture.pci, fixture.hv, &c,
	    fixture_nothing, NULL) != 0)
		abort();
	fixture.device[3] = &fixture_device;
}

static void
fixture_make_vcpus(void)
{
	memset(fixture_hv, 0, sizeof(fixture_hv));
	for (uint32_t i = 0; i < FIXTURE_VCPUS; i++) {
		fixture_hv_vcpu[i].index = i;
		fixture_vcpus[i] = (struct vcpu){ .vm = &fixture, .index = i,
			.hv = &fixture_hv_vcpu[i], .place = i == 0 ? VCPU_IN : VCPU_OUT };
		fixture_hv[i].xsave_len = 4096;
		fixture_hv[i].tsc_khz = 1000000;
	}
	fixture_cpuid = (struct cpuid_table){ .count = 2, .entry = {
		{ .function = 0, .eax = 1, .ebx = 0x756e6547 },
		{ .function = 1, .ecx = 1u << 28, .edx = 1 } } };
	fixture.vcpu = fixture_vcpus;
	fixture.cpus.boot_vcpus = 1;
	fixture.cpus.max_vcpus = FIXTURE_VCPUS;
}

static void
fixture_make(void)
{
	const struct pci_window low = { 0xc0000000ull, 0x28000000 };
	const struct pci_window high = { 0x4000000000ull, 1ull << 30 };
	struct arch_platform_config config = {
		.ports = &fixture.ports, .mmio = &fixture.mmio, .boot_vcpus = 1,
		.max_vcpus = FIXTURE_VCPUS, .mem = &fixture_mem,
		.rings = &fixture_rings, .to_far = -1, .serial = true,
	};
	const char *why = "";

	fake_hv_clear();
	memset(&fixture, 0, sizeof(fixture));
	memset(&fixture_rings, 0, sizeof(fixture_rings));
	fixture_make_vcpus();
	pci_host_init(&fixture.pci, &low, &high, fixture_nothing, NULL);
	if (!pci_add_segment(&fixture.pci, &low) ||
	    pci_host_attach(&fixture.pci, &fixture.ports, &fixture.mmio, 0xe8000000ull,
	    0x10000000) != 0 || pvpanic_add(&fixture.pvpanic, &fixture.pci, 3 << 3,
	    fixture_nothing, NULL) != 0 || i6300esb_add(&fixture.watchdog, &fixture.pci,
	    4 << 3, FIXTURE_TIMER, false) != 0)
		abort();
	fixture.watchdog.paused = true;
	fixture_make_device();
	if (arch_platform_init(&config, &why) != 0)
		abort();
	pci_host_finish(&fixture.pci);
}

/* ---- Files ---- */

/* A memfd at FD_VM_STATE; @sealed: with these bytes, for good. */
static void
fixture_file(const uint8_t *bytes, size_t len, bool sealed)
{
	int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || (len > 0 && write(fd, bytes, len) != (ssize_t)len))
		abort();
	if (sealed)
		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
	if (dup2(fd, FD_VM_STATE) < 0)
		abort();
	close(fd);
}

static size_t
fixture_save(uint8_t *bytes, size_t max)
{
	const char *why = "";
	ssize_t n;

	fixture_file(NULL, 0, false);
	if (vm_save(&fixture, &why) != 0)
		return 0;
	n = pread(FD_VM_STATE, bytes, max, 0);
	return n < 0 ? 0 : (size_t)n;
}

static int
fixture_load(const uint8_t *bytes, size_t len, bool *touched, const char **why)
{
	*touched = false;
	fixture_file(bytes, len, true);
	return vm_load(&fixture, touched, why);
}

#endif
