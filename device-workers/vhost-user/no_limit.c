/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate limit of lib/limit.h in a program that has none: other VMMs limit what
 * their guests do by their own means.
 */
#include <errno.h>
#include <stddef.h>

#include "device-workers/lib/device.h"
#include "device-workers/lib/limit.h"

int
device_limit_start(struct device *dev, struct device_limit *limit,
    const Bh__RateLimit *config, const char **why)
{
	(void)dev;
	limit->state = NULL;
	if (config == NULL)
		return 0;
	*why = "no rate limit here";
	return -ENOTSUP;
}

bool
device_limit_open(struct device *dev, struct device_limit *limit, unsigned int q)
{
	(void)dev;
	(void)limit;
	(void)q;
	return true;
}

void
device_limit_spend(struct device_limit *limit, uint64_t bytes)
{
	(void)limit;
	(void)bytes;
}
