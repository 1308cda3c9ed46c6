/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links the stubs (arch/mshv, arch/aarch64) and calls each function of the two
 * contracts once, so that a function that is missing from a stub breaks the
 * build, and one that pretends to work fails `make check`.
 */
#include <errno.h>
#include <stdio.h>

#include "arch/arch.h"

static int failures;

static void
expect(const char *name, int rc)
{
	if (rc == -ENOSYS)
		return;
	printf("not ok - %s: %d, not -ENOSYS\n", name, rc);
	failures++;
}

static void
check_hypervisor(void)
{
	struct hv_exit exit;
	const char *why = NULL;
	uint64_t ns, realtime;
	uint32_t count = 0;

	expect("hv_open", hv_open(-1, NULL));
	expect("hv_create_vm", hv_create_vm(-1, -1, -1, NULL));
	expect("hv_supported_cpuid", hv_supported_cpuid(-1, NULL, &count));
	expect("hv_set_memory", hv_set_memory(NULL, 0, 0, 0, NULL, false));
	expect("hv_create_irqchip", hv_create_irqchip(NULL, 0));
	expect("hv_set_route", hv_set_route(NULL, 0, NULL));
	expect("hv_commit_routes", hv_commit_routes(NULL));
	expect("hv_irqfd", hv_irqfd(NULL, -1, 0, true));
	expect("hv_ioeventfd", hv_ioeventfd(NULL, -1, 0, true));
	expect("hv_signal_msi", hv_signal_msi(NULL, NULL));
	expect("hv_create_vcpu", hv_create_vcpu(NULL, 0, 0, NULL));
	hv_vcpu_run(NULL, &exit);
	expect("hv_vcpu_run", exit.kind == HV_EXIT_ERROR ? -ENOSYS : 0);
	hv_vcpu_interrupt(NULL);
	hv_vcpu_resume(NULL);
	expect("hv_vcpu_save", hv_vcpu_save(NULL, NULL, &why));
	expect("hv_vcpu_load", hv_vcpu_load(NULL, NULL, &why));
	(void)hv_vcpu_settle(NULL, &exit);
	hv_clock_save(NULL, &ns, &realtime);
	hv_clock_load(NULL, 0);
	hv_clock_stop(NULL);
	hv_clock_go(NULL);
	hv_vcpu_was_away(NULL);
	expect("hv_vcpu_unplugged", hv_vcpu_unplugged(NULL));
	expect("hv_vcpu_set_cpuid", hv_vcpu_set_cpuid(NULL, NULL, 0));
	expect("hv_vcpu_get_state", hv_vcpu_get_state(NULL, NULL));
	expect("hv_vcpu_set_state", hv_vcpu_set_state(NULL, NULL));
}

static void
check_arch(void)
{
	struct arch_cpu_config cpu = { 0 };
	struct arch_platform_config platform = { 0 };
	struct arch_boot boot = { 0 };
	const char *why = NULL;

	expect("arch_layout", arch_layout.ecam == 0 ? -ENOSYS : 0);
	expect("arch_vcpu_id", arch_vcpu_id(&cpu, 7) == 7 ? -ENOSYS : 0);
	expect("arch_cpu_init", arch_cpu_init(-1, NULL, &cpu, &why));
	expect("arch_vcpu_init", arch_vcpu_init(NULL, 0, &boot));
	expect("arch_boot_memory", arch_boot_memory(NULL, &boot));
	expect("arch_irqchip_init", arch_irqchip_init(NULL));
	expect("arch_platform_init", arch_platform_init(&platform, &why));
	expect("arch_vcpu_pc", arch_vcpu_pc(NULL) == 0 ? -ENOSYS : 0);
	expect("arch_vcpu_save", arch_vcpu_save(NULL, NULL, &why));
	expect("arch_vcpu_fits", arch_vcpu_fits(NULL, &why));
	expect("arch_vcpu_load", arch_vcpu_load(NULL, NULL, &why));
	arch_platform_save(NULL);
	expect("arch_platform_is_last", arch_platform_is_last(NULL) ? 0 : -ENOSYS);
	expect("arch_platform_fits", arch_platform_fits(NULL, &why));
	arch_platform_load(NULL);
	expect("arch_dimm_add", arch_dimm_add(0, 0, 0, false));
	expect("arch_dimm_ask", arch_dimm_ask(0));
	expect("arch_vcpus_resize", arch_vcpus_resize(1, NULL, NULL));
	expect("arch_vcpus_count", arch_vcpus_count() == 0 ? -ENOSYS : 0);
	arch_eoi(0);
	arch_power_button();
	arch_nmi(NULL, NULL);
	arch_rings_ready();
}

int
main(void)
{
	check_hypervisor();
	check_arch();
	if (failures == 0)
		puts("ok - the stubs of both seams are complete");
	return failures != 0;
}
