/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest was given that this host cannot give, by name: Intel SDM vol. 2A
 * (CPUID), AMD APM vol. 3 appendix E; names as in Linux' /proc/cpuinfo.
 */
#include <stdio.h>

#include "arch/x86_64/cpuid.h"

enum reg { EAX, EBX, ECX, EDX };

/* Every bit of these says that there is something; @ignored: that do not, or that
 * follow what the guest does. */
static const struct feature_word {
	uint32_t leaf, sub;
	enum reg reg;
	uint32_t ignored;
} words[] = {
	{ 0x1, 0, ECX, 1u << 27 /* OSXSAVE */ },
	{ 0x1, 0, EDX, 0 },
	{ 0x6, 0, EAX, 0 },
	{ 0x7, 0, EBX, 0 },
	{ 0x7, 0, ECX, 1u << 4 /* OSPKE */ | 0x3eu << 16 /* MAWAU */ },
	{ 0x7, 0, EDX, 0 },
	{ 0x7, 1, EAX, 0 },
	{ 0x7, 1, EDX, 0 },
	{ 0x7, 2, EDX, 0 },
	{ 0xd, 0, EAX, 0 },
	{ 0xd, 0, EDX, 0 },
	{ 0xd, 1, EAX, 0 },
	{ 0xd, 1, ECX, 0 },
	{ 0x40000001, 0, EAX, 0 },
	{ 0x80000001, 0, ECX, 0 },
	{ 0x80000001, 0, EDX, 0 },
	{ 0x80000007, 0, EDX, 0 },
	{ 0x80000008, 0, EBX, 0 },
	{ 0x80000021, 0, EAX, 0 },
};

static const struct {
	uint32_t leaf, sub;
	enum reg reg;
	unsigned int bit;
	const char *name;
} names[] = {
	{ 0x1, 0, ECX, 0, "pni" }, { 0x1, 0, ECX, 1, "pclmulqdq" },
	{ 0x1, 0, ECX, 5, "vmx" }, { 0x1, 0, ECX, 9, "ssse3" },
	{ 0x1, 0, ECX, 12, "fma" }, { 0x1, 0, ECX, 13, "cx16" },
	{ 0x1, 0, ECX, 17, "pcid" }, { 0x1, 0, ECX, 19, "sse4_1" },
	{ 0x1, 0, ECX, 20, "sse4_2" }, { 0x1, 0, ECX, 21, "x2apic" },
	{ 0x1, 0, ECX, 22, "movbe" }, { 0x1, 0, ECX, 23, "popcnt" },
	{ 0x1, 0, ECX, 24, "tsc_deadline_timer" }, { 0x1, 0, ECX, 25, "aes" },
	{ 0x1, 0, ECX, 26, "xsave" }, { 0x1, 0, ECX, 28, "avx" },
	{ 0x1, 0, ECX, 29, "f16c" }, { 0x1, 0, ECX, 30, "rdrand" },
	{ 0x7, 0, EBX, 0, "fsgsbase" }, { 0x7, 0, EBX, 3, "bmi1" },
	{ 0x7, 0, EBX, 5, "avx2" }, { 0x7, 0, EBX, 7, "smep" },
	{ 0x7, 0, EBX, 8, "bmi2" }, { 0x7, 0, EBX, 9, "erms" },
	{ 0x7, 0, EBX, 10, "invpcid" }, { 0x7, 0, EBX, 16, "avx512f" },
	{ 0x7, 0, EBX, 17, "avx512dq" }, { 0x7, 0, EBX, 18, "rdseed" },
	{ 0x7, 0, EBX, 19, "adx" }, { 0x7, 0, EBX, 20, "smap" },
	{ 0x7, 0, EBX, 23, "clflushopt" }, { 0x7, 0, EBX, 24, "clwb" },
	{ 0x7, 0, EBX, 28, "avx512cd" }, { 0x7, 0, EBX, 29, "sha_ni" },
	{ 0x7, 0, EBX, 30, "avx512bw" }, { 0x7, 0, EBX, 31, "avx512vl" },
	{ 0x7, 0, ECX, 1, "avx512vbmi" }, { 0x7, 0, ECX, 2, "umip" },
	{ 0x7, 0, ECX, 3, "pku" }, { 0x7, 0, ECX, 8, "gfni" },
	{ 0x7, 0, ECX, 9, "vaes" }, { 0x7, 0, ECX, 10, "vpclmulqdq" },
	{ 0x7, 0, ECX, 11, "avx512_vnni" }, { 0x7, 0, ECX, 16, "la57" },
	{ 0x7, 0, EDX, 22, "amx_bf16" }, { 0x7, 0, EDX, 24, "amx_tile" },
	{ 0x7, 0, EDX, 25, "amx_int8" }, { 0x7, 0, EDX, 26, "ibrs" },
	{ 0x7, 0, EDX, 31, "ssbd" }, { 0xd, 1, EAX, 1, "xsavec" },
	{ 0xd, 1, EAX, 3, "xsaves" }, { 0x80000001, 0, ECX, 2, "svm" },
	{ 0x80000001, 0, EDX, 20, "nx" }, { 0x80000001, 0, EDX, 26, "pdpe1gb" },
	{ 0x80000001, 0, EDX, 27, "rdtscp" }, { 0x80000001, 0, EDX, 29, "lm" },
	{ 0x80000007, 0, EDX, 8, "constant_tsc" },
};

static uint32_t
value(struct cpuid_table *t, const struct feature_word *w)
{
	const struct arch_cpuid_entry *e = cpuid_find(t, w->leaf, w->sub);

	if (e == NULL)
		return 0;
	switch (w->reg) {
	case EAX:
		return e->eax;
	case EBX:
		return e->ebx;
	case ECX:
		return e->ecx;
	case EDX:
		return e->edx;
	}
	return 0;
}

static void
describe(const struct feature_word *w, unsigned int bit, char *out, size_t size)
{
	static const char *const regs[] = { "eax", "ebx", "ecx", "edx" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].leaf == w->leaf && names[i].sub == w->sub &&
		    names[i].reg == w->reg && names[i].bit == bit) {
			(void)snprintf(out, size, "this host's CPU has no %s", names[i].name);
			return;
		}
	(void)snprintf(out, size, "this host's CPU lacks a feature: CPUID 0x%x.%u %s bit %u",
	    w->leaf, w->sub, regs[w->reg], bit);
}

bool
cpuid_missing(struct cpuid_table *given, struct cpuid_table *here, char *out,
    size_t size)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct feature_word *w = &words[i];
		uint32_t missing = value(given, w) & ~value(here, w) & ~w->ignored;

		if (missing == 0)
			continue;
		describe(w, (unsigned int)__builtin_ctz(missing), out, size);
		return true;
	}
	return false;
}
