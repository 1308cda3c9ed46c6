/* SPDX-License-Identifier: Apache-2.0 */
/* Part of genfilter, a build-time tool: a policy as C, for who looks from outside. */
#ifndef BULKHEAD_SANDBOX_GENTABLE_H
#define BULKHEAD_SANDBOX_GENTABLE_H

#include <linux/filter.h>
#include <stddef.h>

/*
 * Print sb_policy and its @filter of @len instructions as the definition of
 * `const struct sb_known sb_known_NAME`, dashes in @name being underscores there.
 * 0, or -EIO.
 */
int gentable(const char *name, const struct sock_filter *filter, size_t len);

#endif
