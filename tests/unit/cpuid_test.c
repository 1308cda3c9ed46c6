/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID: what is hidden, and the topology of odd machines. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/cpuid.h"

static struct cpuid_table t;
static uint32_t host_bits;

static void
leaf(uint32_t function, int index, uint32_t eax, uint32_t ebx, uint32_t ecx,
    uint32_t edx)
{
	t.entry[t.count++] = (struct arch_cpuid_entry){
		.function = function, .indexed = index >= 0,
		.index = index < 0 ? 0 : (uint32_t)index,
		.eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx,
	};
}

static int
set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	leaf(0, -1, 0x1f, 0, 0, 0);
	leaf(1, -1, 0xa20f10, 0x12340800, 1u << 5 | 1u << 24, 0xffffffff);
	/* L1 data, L3, end; of the host. */
	leaf(4, 0, 0x7c004121, 1, 2, 3);
	leaf(4, 1, 0x7c1fc163, 4, 5, 6);
	leaf(4, 2, 0, 0, 0, 0);
	leaf(0xb, 0, 1, 2, 0x100, 77);
	leaf(0xb, 1, 7, 128, 0x201, 77);
	leaf(0x1f, 0, 1, 2, 0x100, 77);
	leaf(0x40000000, -1, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
	leaf(0x40000001, -1, 0x1, 0, 0, 0);
	leaf(0x80000001, -1, 0, 0, 1u << 2 | 1u << 22, 0);
	leaf(0x80000008, -1, 0x303030, 0, 0x707f, 0);
	leaf(0x8000000a, -1, 1, 2, 3, 4);
	leaf(0x8000001d, 0, 0x4121, 0, 0, 0);
	leaf(0x8000001e, -1, 77, 0x1ff, 0x3ff, 0);
	return 0;
}

static const struct arch_cpuid_entry *
get(uint32_t function, uint32_t index)
{
	const struct arch_cpuid_entry *e = cpuid_find(&t, function, index);

	assert_non_null(e);
	return e;
}

static void
test_common(void **state)
{
	struct arch_cpu_config c = { .boot_vcpus = 2, .max_vcpus = 2,
		.max_phys_bits = 40 };
	struct hv_caps caps = { .x2apic_ids = true };

	(void)state;
	cpuid_common(&t, &c, &caps, &host_bits);
	assert_int_equal(host_bits, 0x30);
	assert_int_equal(get(0x80000008, 0)->eax, 0x3028);
	/* Neither nesting nor a TSC deadline, but x2APIC and a hypervisor. */
	assert_int_equal(get(1, 0)->ecx, 1u << 21 | 1u << 31);
	assert_int_equal(get(0x80000001, 0)->ecx, 1u << 22);
	assert_null(cpuid_find(&t, 0x8000000a, 0));
	assert_null(cpuid_find(&t, 0xb, 0));
	assert_null(cpuid_find(&t, 0x1f, 0));
	assert_int_equal(get(0x40000001, 0)->eax, 1);
	/* Nested, with a deadline, and more than xAPIC can address. */
	set_up(NULL);
	c = (struct arch_cpu_config){ .boot_vcpus = 1, .max_vcpus = 300,
		.nested = true, .max_phys_bits = 60 };
	caps.tsc_deadline = true;
	cpuid_common(&t, &c, &caps, &host_bits);
	assert_true((get(1, 0)->ecx & 1u << 5) != 0);
	assert_true((get(1, 0)->ecx & 1u << 24) != 0);
	assert_non_null(cpuid_find(&t, 0x8000000a, 0));
	assert_int_equal(get(0x40000001, 0)->eax, 1 | 1u << 15);
	assert_int_equal(get(0x80000008, 0)->eax & 0xff, 0x30);
}

static void
vcpu(const struct arch_cpu_config *c, uint32_t index)
{
	const struct hv_caps caps = { 0 };

	set_up(NULL);
	cpuid_common(&t, c, &caps, &host_bits);
	assert_int_equal(cpuid_vcpu(&t, c, index), 0);
}

static void
test_one(void **state)
{
	const struct arch_cpu_config c = { .boot_vcpus = 1, .max_vcpus = 1 };

	(void)state;
	vcpu(&c, 0);
	assert_int_equal(get(1, 0)->ebx, 1u << 16 | 0x0800);
	assert_int_equal(get(1, 0)->edx & 1u << 28, 0);
	assert_int_equal(get(0xb, 0)->eax, 0);
	assert_int_equal(get(0xb, 0)->ebx, 1);
	assert_int_equal(get(0xb, 1)->ebx, 1);
	assert_int_equal(get(0xb, 2)->ecx, 2);
	assert_int_equal(get(4, 0)->eax, 0x121);
	assert_int_equal(get(4, 2)->eax, 0);
	assert_int_equal(get(0x80000008, 0)->ecx, 0);
	assert_null(cpuid_find(&t, 0x1f, 0));
}

/* 2 threads, 3 cores, 2 dies, 2 packages: 1, 2 and 1 bits. */
static void
test_odd(void **state)
{
	const struct arch_cpu_config c = {
		.boot_vcpus = 24, .max_vcpus = 24, .threads = 2, .cores = 3,
		.dies = 2, .packages = 2,
	};
	/* Thread 1 of core 2 of die 1 of package 1. */
	const uint32_t last = 1 | 2 << 1 | 1 << 3 | 1 << 4;

	(void)state;
	assert_int_equal(arch_vcpu_id(&c, 23), last);
	vcpu(&c, 23);
	assert_int_equal(get(1, 0)->ebx >> 24, last);
	assert_int_equal(get(1, 0)->ebx >> 16 & 0xff, 16);
	assert_true((get(1, 0)->edx & 1u << 28) != 0);
	/* L1 by 2 threads, L3 by 8 APIC IDs; 8 IDs of cores a package. */
	assert_int_equal(get(4, 0)->eax, 0x121 | 1u << 14 | 7u << 26);
	assert_int_equal(get(4, 1)->eax, 0x163 | 7u << 14 | 7u << 26);
	assert_int_equal(get(0xb, 0)->eax, 1);
	assert_int_equal(get(0xb, 0)->ebx, 2);
	assert_int_equal(get(0xb, 0)->ecx, 0x100);
	assert_int_equal(get(0xb, 1)->eax, 4);
	assert_int_equal(get(0xb, 1)->ebx, 12);
	assert_int_equal(get(0xb, 1)->ecx, 0x201);
	assert_int_equal(get(0xb, 2)->ecx, 2);
	assert_int_equal(get(0x1f, 1)->eax, 3);
	assert_int_equal(get(0x1f, 1)->ebx, 6);
	assert_int_equal(get(0x1f, 2)->eax, 4);
	assert_int_equal(get(0x1f, 2)->ecx, 0x502);
	assert_int_equal(get(0x1f, 3)->ecx, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(get(0xb, i)->edx, last);
	assert_int_equal(get(0x80000008, 0)->ecx, 0x400b);
	assert_int_equal(get(0x8000001e, 0)->eax, last);
	assert_int_equal(get(0x8000001e, 0)->ebx, 0x100 | last >> 1);
	assert_int_equal(get(0x8000001e, 0)->ecx, 0x100 | last >> 3);
	assert_int_equal(get(0x8000001d, 0)->eax, 0x121 | 1u << 14);
}

/* Every vCPU has an ID of its own, below what its bits say. */
static void
test_unique(void **state)
{
	const struct arch_cpu_config c = {
		.boot_vcpus = 90, .max_vcpus = 90, .threads = 3, .cores = 5,
		.dies = 3, .packages = 2,
	};
	uint8_t seen[256] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < c.max_vcpus; i++) {
		uint32_t id = arch_vcpu_id(&c, i);

		assert_true(id < sizeof(seen));
		assert_int_equal(seen[id]++, 0);
		vcpu(&c, i);
		/* CPUs of one package share what is above its bits. */
		assert_int_equal(id >> get(0xb, 1)->eax, i / 45);
		assert_int_equal(get(0xb, 0)->edx, id);
	}
}

static void
test_full(void **state)
{
	const struct arch_cpu_config c = { .boot_vcpus = 1, .max_vcpus = 1 };

	(void)state;
	while (t.count < ARCH_MAX_CPUID - 1)
		leaf(0x90000000, -1, 0, 0, 0, 0);
	assert_int_equal(cpuid_vcpu(&t, &c, 0), -ENOSPC);
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_common), T(test_one), T(test_odd), T(test_unique),
		T(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
