/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller has to know of the host: memory there is, limits, where
 * the programs are, which ids a VM of root's may use.
 */
#ifndef BULKHEAD_CONTROLLER_HOST_H
#define BULKHEAD_CONTROLLER_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/plan.h"

/* Address bits of the CPU, and a random seed. */
void host_probe(struct plan_host *host);

/*
 * Compare the VM with the host: more memory than the host has at all is an
 * error, more than is free a warning. 0, or -ENOMEM with the line.
 */
int host_check(const struct vm_spec *spec, const struct plan_host *host,
    struct spec_error *err);

/*
 * What of it can be said later, without looking at the host again: by what
 * host_probe() found. 0 or -errno with the line.
 */
int host_check_kept(const struct vm_spec *spec, const struct plan_host *host,
    struct spec_error *err);

/* Which fds below @n, a multiple of 8, are open: a bit each. First of all. */
void host_open_fds(uint8_t *bits, unsigned int n);

/* Raise the limit of open files as far as it goes. */
void host_raise_limits(void);

/*
 * The directory of the child programs: that of this program if they are there
 * (a build tree), ../libexec/bulkhead beside it (an installation), or else
 * /usr/local/libexec/bulkhead. Users other than root may name another in the
 * environment, BULKHEAD_LIBEXEC. -errno.
 */
int host_libexec(char *dir, size_t size);

/*
 * Where passt is: Debian's, or, for users other than root, what BULKHEAD_PASST
 * in the environment names.
 */
const char *host_passt(void);

/*
 * Is this root who may hand out uids of VMs? Root of a container without such
 * uids is treated as an ordinary user.
 */
bool host_is_root(void);

/*
 * As root: a block of uids that no other VM of this host has, held as long as
 * this process or the spawner lives, by a lock in /run/bulkhead.uids. -errno.
 */
int host_uid_block(uint32_t *base);

/* What to do about a spawner that cannot start: "; ..." or "". */
const char *host_spawner_remedy(int error);

#endif
