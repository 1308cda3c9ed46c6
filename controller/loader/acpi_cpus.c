/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs in the ACPI tables, see acpi_cpus.h.
 */
#include "controller/loader/acpi_cpus.h"

#include <stdio.h>

#include "arch/x86_64/apicid.h"
#include "controller/loader/aml.h"

#define MADT_LOCAL_APIC 0u
#define MADT_LOCAL_X2APIC 9u
#define LAPIC_ENABLED (1u << 0)
#define LAPIC_ONLINE_CAPABLE (1u << 1)
#define XAPIC_IDS 255u		/* 255 is a broadcast */

bool
acpi_cpus_change(const Bh__LoadConfig *config)
{
	return config->max_vcpus > config->boot_vcpus;
}

uint32_t
acpi_apic_id(const Bh__LoadConfig *config, uint32_t cpu)
{
	const Bh__Topology *t = config->topology;

	return t == NULL ? cpu : x86_apic_id(cpu, t->threads, t->cores, t->dies);
}

void
acpi_put_cpu(struct writer *w, const Bh__LoadConfig *config, uint32_t cpu,
    bool enabled)
{
	uint32_t id = acpi_apic_id(config, cpu);
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
	method = aml_open(w);
	put_bytes(w, name, 4);
	put(w, args, 1);
	if (args == 0)
		put(w, AML_RETURN, 1);
	put_bytes(w, callee, 4);
	aml_number(w, cpu);
	/* Its arguments follow that of the vCPU; the last one says nothing. */
	for (uint8_t i = 0; i + 1 < args; i++)
		put(w, AML_ARG0 + i, 1);
	aml_close(w, method);
}

static void
put_device(struct writer *w, const Bh__LoadConfig *config, uint32_t cpu)
{
	size_t device, buffer, size;

	put(w, AML_EXT, 1);
	put(w, AML_EXT_DEVICE, 1);
	device = aml_open(w);
	put_cpu_name(w, cpu);
	put(w, AML_NAME, 1);
	put_bytes(w, "_HID", 4);
	put(w, AML_STRING, 1);
	put_bytes(w, "ACPI0007", sizeof("ACPI0007"));
	put(w, AML_NAME, 1);
	put_bytes(w, "_UID", 4);
	aml_number(w, cpu);
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
	buffer = aml_open(w);
	put(w, AML_BYTE, 1);
	size = w->len;
	put(w, 0, 1);
	acpi_put_cpu(w, config, cpu, true);
	set(w, size - w->start, w->len - size - 1, 1);
	aml_close(w, buffer);
	aml_close(w, device);
}

/* CTFY (vCPU, event): tell its device. */
static void
put_notify(struct writer *w, const Bh__LoadConfig *config)
{
	size_t method, block;

	put(w, AML_METHOD, 1);
	method = aml_open(w);
	put_bytes(w, "CTFY", 4);
	put(w, 2, 1);
	for (uint32_t cpu = 0; cpu < config->max_vcpus; cpu++) {
		block = aml_if_arg0_is(w, cpu);
		put(w, AML_NOTIFY, 1);
		put_cpu_name(w, cpu);
		put(w, AML_ARG1, 1);
		aml_close(w, block);
	}
	aml_close(w, method);
}

void
acpi_put_cpu_devices(struct writer *w, const Bh__LoadConfig *config)
{
	size_t scope = aml_scope_in_sb(w, "CPUS");

	for (uint32_t cpu = 0; cpu < config->max_vcpus; cpu++)
		put_device(w, config, cpu);
	put_notify(w, config);
	aml_close(w, scope);
}
