/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `bulkheadctl doctor` looks at, one function an item. A check tries the
 * thing where that leaves no trace, and says in words what it found and what to
 * do. It runs with the rights of whoever called, prints nothing, and changes
 * nothing.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_CHECK_H
#define BULKHEAD_CONTROLLER_CTL_CHECK_H

enum verdict {
	VERDICT_OK,
	VERDICT_GAP,		/* a VM runs, without this */
	VERDICT_MISSING,	/* no VM runs */
};

struct finding {
	enum verdict verdict;
	char text[256];
};

/* Fill in a finding, printf-like. */
void finding_set(struct finding *f, enum verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* check_kvm.c */
void check_kvm(struct finding *f);
void check_kvm_features(struct finding *f);
void check_stock_guests(struct finding *f);
void check_nested(struct finding *f);

/* check_jail.c */
void check_kernel(struct finding *f);
void check_namespaces(struct finding *f);
void check_landlock(struct finding *f);
void check_seccomp(struct finding *f);
void check_core_scheduling(struct finding *f);
void check_bpf(struct finding *f);
void check_userfaultfd(struct finding *f);

/* check_host.c */
void check_memory(struct finding *f);
void check_hugepages(struct finding *f);
void check_thp(struct finding *f);
void check_cgroup(struct finding *f);
void check_tap(struct finding *f);
void check_files(struct finding *f);
void check_io_uring(struct finding *f);

#endif
