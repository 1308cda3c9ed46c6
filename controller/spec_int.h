/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between spec.c and spec_net.c, spec_small.c, spec_pci.c, spec_memory.c: parts of spec_check(). All return 0, or -EINVAL
 * with the line.
 */
#ifndef BULKHEAD_CONTROLLER_SPEC_INT_H
#define BULKHEAD_CONTROLLER_SPEC_INT_H

#include "controller/spec.h"

static inline bool
spec_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* bw_* and ops_* of @option. */
int spec_check_limit(const char *option, const struct limit_spec *l,
    struct spec_error *err);

/* vhost_user and socket of @option belong together. */
int spec_check_vhost(const char *option, const struct vhost_spec *v,
    struct spec_error *err);

/* What is said to be an fd could be one, and each is used once. */
int spec_check_files(struct vm_spec *spec, struct spec_error *err);

/* --memory, --memory-zone, --numa. */
int spec_check_memory(const struct vm_spec *spec, struct spec_error *err);

/* Names, slots and segments of all devices, --pci-segment. */
int spec_check_pci(const struct vm_spec *spec, struct spec_error *err);

/* --rng's limit, --watchdog. */
int spec_check_small(const struct vm_spec *spec, struct spec_error *err);

/* One --net. */
int spec_check_net(const struct net_spec *n, struct spec_error *err);

#endif
