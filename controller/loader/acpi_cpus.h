/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ACPI tables say of each vCPU: its entry in the MADT, and, where vCPUs
 * come and go, its device in the SSDT. acpi.c calls it.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_ACPI_CPUS_H
#define BULKHEAD_CONTROLLER_LOADER_ACPI_CPUS_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "controller/loader/writer.h"

/* May vCPUs come later? Those may go again, and the first ones, too. */
bool acpi_cpus_change(const Bh__LoadConfig *config);

/* The MADT entry (ACPI 6.4 5.2.12.2, 5.2.12.12) of vCPU @cpu; not @enabled: it may
 * come later. */
void acpi_put_cpu(struct writer *w, const Bh__LoadConfig *config, uint32_t cpu,
    bool enabled);

/* The APIC id of vCPU @cpu. */
uint32_t acpi_apic_id(const Bh__LoadConfig *config, uint32_t cpu);

/* The SSDT's body: \_SB.CPUS.CTFY and a device for each of max_vcpus. */
void acpi_put_cpu_devices(struct writer *w, const Bh__LoadConfig *config);

#endif
