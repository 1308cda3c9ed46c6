/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hypervisor behind arch/hypervisor.h that only notes what it is asked for, for
 * tests of what asks it. Cleared by fake_hv_clear().
 */
#ifndef BULKHEAD_TESTS_UNIT_FAKE_HV_H
#define BULKHEAD_TESTS_UNIT_FAKE_HV_H

#include "arch/hypervisor.h"

#define FAKE_HV_MAX 256

struct fake_hv {
	unsigned int nmsis;		/* sent */
	struct hv_msi last_msi;
	struct hv_msi route[FAKE_HV_MAX];	/* committed, by GSI */
	bool has_route[FAKE_HV_MAX];
	unsigned int commits;
	int irqfd[FAKE_HV_MAX];		/* fd of GSI, or -1 */
	unsigned int nio;
	struct { int fd; uint64_t gpa; } io[FAKE_HV_MAX];
	bool refuse_ioeventfd;
	unsigned int mistakes;		/* assigned twice, taken off what is not */
};

extern struct fake_hv fake_hv;

void fake_hv_clear(void);
/* The fd that a write at @gpa would signal, or -1. */
int fake_hv_io_at(uint64_t gpa);

#endif
