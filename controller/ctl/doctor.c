/* SPDX-License-Identifier: Apache-2.0 */
/* The list of checks and how they are shown, see doctor.h. */
#include "controller/ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>

#include "controller/ctl/check.h"
#include "controller/ctl/stock_guest.h"

/* In the order in which a gap matters. */
static const struct {
	const char *name;
	void (*check)(struct finding *f);
} items[] = {
	{ "kernel", check_kernel },
	{ "kvm", check_kvm },
	{ "kvm features", check_kvm_features },
	{ "stock guests", check_stock_guests },
	{ "namespaces", check_namespaces },
	{ "landlock", check_landlock },
	{ "seccomp", check_seccomp },
	{ "memory", check_memory },
	{ "open files", check_files },
	{ "tap", check_tap },
	{ "cgroups", check_cgroup },
	{ "io_uring", check_io_uring },
	{ "hugepages", check_hugepages },
	{ "thp", check_thp },
	{ "core scheduling", check_core_scheduling },
	{ "nested", check_nested },
	{ "bpf", check_bpf },
	{ "userfaultfd", check_userfaultfd },
};

void
finding_set(struct finding *f, enum verdict verdict, const char *fmt, ...)
{
	va_list ap;

	f->verdict = verdict;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

int
doctor_run(void)
{
	static const char *const word[] = {
		[VERDICT_OK] = "ok", [VERDICT_GAP] = "gap",
		[VERDICT_MISSING] = "MISSING",
	};
	unsigned int missing = 0, gaps = 0;

	for (unsigned int i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		struct finding f = { .verdict = VERDICT_OK };

		items[i].check(&f);
		missing += f.verdict == VERDICT_MISSING;
		gaps += f.verdict == VERDICT_GAP;
		(void)printf("%-16s %-8s %s\n", items[i].name, word[f.verdict], f.text);
		/* A check can take seconds: show what is known. */
		(void)fflush(stdout);
	}
	if (missing > 0)
		(void)printf("\nNo stock VM can run here: see what is MISSING.\n");
	else if (gaps > 0)
		(void)printf("\nA VM can run here; each gap is a feature it goes "
		    "without.\n");
	else
		(void)printf("\nA VM can run here.\n");
	return missing > 0 ? 1 : 0;
}

int
doctor_stock_guests(void)
{
	return stock_guest_try() == STOCK_GUEST_RUNS ? 0 : 1;
}
