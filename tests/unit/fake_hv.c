/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hypervisor that takes notes, see fake_hv.h.
 */
#include "tests/unit/fake_hv.h"

#include <errno.h>
#include <string.h>

struct fake_hv fake_hv;
static struct hv_msi staged[FAKE_HV_MAX];
static bool is_staged[FAKE_HV_MAX];

void
fake_hv_clear(void)
{
	memset(&fake_hv, 0, sizeof(fake_hv));
	memset(is_staged, 0, sizeof(is_staged));
	for (int i = 0; i < FAKE_HV_MAX; i++)
		fake_hv.irqfd[i] = -1;
}

int
hv_set_route(struct hv_vm *vm, uint32_t gsi, const struct hv_msi *msi)
{
	(void)vm;
	if (gsi >= FAKE_HV_MAX)
		return -ENOSPC;
	is_staged[gsi] = msi != NULL;
	if (msi != NULL)
		staged[gsi] = *msi;
	return 0;
}

int
hv_commit_routes(struct hv_vm *vm)
{
	(void)vm;
	memcpy(fake_hv.route, staged, sizeof(staged));
	memcpy(fake_hv.has_route, is_staged, sizeof(is_staged));
	fake_hv.commits++;
	return 0;
}

int
hv_irqfd(struct hv_vm *vm, int fd, uint32_t gsi, bool assign)
{
	(void)vm;
	/* An irqfd without a route loses its signals. */
	if (gsi >= FAKE_HV_MAX || (fake_hv.irqfd[gsi] >= 0) == assign ||
	    (assign && !fake_hv.has_route[gsi]) ||
	    (!assign && fake_hv.irqfd[gsi] != fd))
		fake_hv.mistakes++;
	else
		fake_hv.irqfd[gsi] = assign ? fd : -1;
	return 0;
}

int
fake_hv_io_at(uint64_t gpa)
{
	for (unsigned int i = 0; i < fake_hv.nio; i++)
		if (fake_hv.io[i].gpa == gpa)
			return fake_hv.io[i].fd;
	return -1;
}

int
hv_ioeventfd(struct hv_vm *vm, int fd, uint64_t gpa, bool assign)
{
	(void)vm;
	if (assign) {
		if (fake_hv.refuse_ioeventfd)
			return -ENOSPC;
		if (fake_hv_io_at(gpa) >= 0 || fake_hv.nio == FAKE_HV_MAX) {
			fake_hv.mistakes++;
			return -EEXIST;
		}
		fake_hv.io[fake_hv.nio].fd = fd;
		fake_hv.io[fake_hv.nio++].gpa = gpa;
		return 0;
	}
	for (unsigned int i = 0; i < fake_hv.nio; i++)
		if (fake_hv.io[i].gpa == gpa && fake_hv.io[i].fd == fd) {
			fake_hv.io[i] = fake_hv.io[--fake_hv.nio];
			return 0;
		}
	fake_hv.mistakes++;
	return -ENOENT;
}

int
hv_signal_msi(struct hv_vm *vm, const struct hv_msi *msi)
{
	(void)vm;
	fake_hv.nmsis++;
	fake_hv.last_msi = *msi;
	return 0;
}
