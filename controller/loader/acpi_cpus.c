/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs in the ACPI tables, see acpi_cpus.h. How many devices there are is known
 * only now, so their AML (ACPI 6.4 chapter 20) is written by hand. A package's
 * length is written in its form of four bytes, however short it is.
 */
#include "controller/loader/acpi_cpus.h"

#include <stdio.h>

#include "arch/x86_64/apicid.h"

#define MADT_LOCAL_APIC 0u
#define MADT_LOCAL_X2APIC 9u
#define LAPIC_ENABLED (1u << 0)
#define LAPIC_ONLINE_CAPABLE (1u << 1)
#define XAPIC_IDS 255u		/* 255 is a broadcast */

enum aml {
	AML_NAME = 0x08, AML_BYTE = 0x0a, AML_DWORD = 0x0c, AML_STRING = 0x0d,
	AML_SCOPE = 0x10, AML_BUFFER = 0x11, AML_METHOD = 0x14, AML_EXT = 0x5b,
	AML_ROOT = 0x5c, AML_DUAL_NAME = 0x2e, AML_ARG0 = 0x68, AML_ARG1 = 0x69,
	AML_NOTIFY = 0x86, AML_EQUAL = 0x93,
	AML_IF = 0xa0, AML_RETURN = 0xa4, AML_EXT_DEVICE = 0x82,
};

bool
acpi_cpus_change(const Bh__LoadConfig *config)
{
	return config->max_vcpus > config->boot_vcpus;
}

void
acpi_put_cpu(struct writer *w, const Bh__LoadConfig *config, uint32_t cpu,
    bool enabled)
{
	const Bh__Topology *t = config->topology;
	uint32_t id = t == NULL ? cpu :
	    x86_apic_id(cpu, t->threads, t->cores, t->dies);
	uint32_t flags = enabled ? LAPIC_ENABLED : LAPIC_ONLINE_CAPABLE;

	if (id < XAPIC_IDS && cpu < XAPIC_IDS) {
		put(w, MADT_LOCAL_APIC, 1);
		put(w, 8, 1);
		put(w, cpu, 1);				/* processor UID */
		put(w, id, 1);
		put(w, flags, 4);
	} else {
		put(w, MADT_LOCAL_X2APIC, 1);
		put(w, 16, 1);
		put(w, 0, 2);
		put(w, id, 4);
		put(w, flags, 4);
		put(w, cpu, 4);				/* processor UID */
	}
}

/* A PkgLength (20.2.4), filled in by close_package(); it counts itself. */
static size_t
open_package(struct writer *w)
{
	put_zeros(w, 4);
	return w->len - 4;
}

static void
close_package(struct writer *w, size_t at)
{
	size_t len = w->len - at;

	/* Bits 0 to 3 of the first byte, then three whole bytes. */
	set(w, at - w->start, 0xc0 | (len & 0xf), 1);
	set(w, at - w->start + 1, len >> 4, 3);
}

static void
put_number(struct writer *w, uint32_t number)
{
	put(w, AML_DWORD, 1);
	put(w, number, 4);
}

/* "C000": the vCPU's device. */
static void
put_cpu_name(struct writer *w, uint32_t cpu)
{
	char name[5];

	(void)snprintf(name, sizeof(name), "C%03X", cpu & 0xfff);
	put_bytes(w, name, 4);
}

/* Method (@name, @args): call of @callee in CPUS for vCPU @cpu; who has no arguments
 * returns what it returns. */
static void
put_call(struct writer *w, const char *name, uint8_t args, const char *callee,
    uint32_t cpu)
{
	size_t method;

	put(w, AML_METHOD, 1);
	method = open_package(w);
	put_bytes(w, name, 4);
	put(w, args, 1);
	if (args == 0)
		put(w, AML_RETURN, 1);
	put_bytes(w, callee, 4);
	put_number(w, cpu);
	/* Its arguments follow that of the vCPU; the last one says nothing. */
	for (uint8_t i = 0; i + 1 < args; i++)
		put(w, AML_ARG0 + i, 1);
	close_package(w, method);
}

static void
put_device(struct writer *w, const Bh__LoadConfig *config, uint32_t cpu)
{
	size_t device, buffer, size;

	put(w, AML_EXT, 1);
	put(w, AML_EXT_DEVICE, 1);
	device = open_package(w);
	put_cpu_name(w, cpu);
	put(w, AML_NAME, 1);
	put_bytes(w, "_HID", 4);
	put(w, AML_STRING, 1);
	put_bytes(w, "ACPI0007", sizeof("ACPI0007"));
	put(w, AML_NAME, 1);
	put_bytes(w, "_UID", 4);
	put_number(w, cpu);
	put_call(w, "_STA", 0, "CSTA", cpu);
	/* The first one stays. */
	if (cpu != 0) {
		put_call(w, "_EJ0", 1, "CEJT", cpu);
		put_call(w, "_OST", 3, "COST", cpu);
	}
	/* The MADT's entry, as it is when the vCPU is there. */
	put(w, AML_NAME, 1);
	put_bytes(w, "_MAT", 4);
	put(w, AML_BUFFER, 1);
	buffer = open_package(w);
	put(w, AML_BYTE, 1);
	size = w->len;
	put(w, 0, 1);
	acpi_put_cpu(w, config, cpu, true);
	set(w, size - w->start, w->len - size - 1, 1);
	close_package(w, buffer);
	close_package(w, device);
}

/* CTFY (vCPU, event): tell its device. */
static void
put_notify(struct writer *w, const Bh__LoadConfig *config)
{
	size_t method, block;

	put(w, AML_METHOD, 1);
	method = open_package(w);
	put_bytes(w, "CTFY", 4);
	put(w, 2, 1);
	for (uint32_t cpu = 0; cpu < config->max_vcpus; cpu++) {
		put(w, AML_IF, 1);
		block = open_package(w);
		put(w, AML_EQUAL, 1);
		put(w, AML_ARG0, 1);
		put_number(w, cpu);
		put(w, AML_NOTIFY, 1);
		put_cpu_name(w, cpu);
		put(w, AML_ARG1, 1);
		close_package(w, block);
	}
	close_package(w, method);
}

void
acpi_put_cpu_devices(struct writer *w, const Bh__LoadConfig *config)
{
	size_t scope;

	put(w, AML_SCOPE, 1);
	scope = open_package(w);
	put(w, AML_ROOT, 1);
	put(w, AML_DUAL_NAME, 1);
	put_bytes(w, "_SB_CPUS", 8);
	for (uint32_t cpu = 0; cpu < config->max_vcpus; cpu++)
		put_device(w, config, cpu);
	put_notify(w, config);
	close_package(w, scope);
}
