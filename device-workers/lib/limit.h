/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate limit of a device, or of one direction of it: two token buckets, and
 * the timer that goes on with a queue which had to stop. In limit.c; part of the
 * worker library. A device that uses it adds WORKER_TIMER_RULES to its policy.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_LIMIT_H
#define BULKHEAD_DEVICE_WORKERS_LIB_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "device-workers/lib/bucket.h"

struct device;

struct device_limit {
	struct bucket_pair buckets;
	struct bucket_pair_state own;
	struct bucket_pair_state *state;	/* own or shared; NULL: no limit */
	bool served;		/* something went since the last wait */
	uint64_t now;		/* ns, when device_limit_open last looked */
};

/*
 * Before the jail: from @config (NULL: no limit); a shared one's state is in the
 * memfd at FD_LIMIT, whose members have the same limit and trust each other with
 * it. -errno and *why.
 */
int device_limit_start(struct device *dev, struct device_limit *limit,
    const Bh__RateLimit *config, const char **why);

/*
 * May a request of queue @q go on? False: put it back and return from
 * queue_ready, which is called again when it is worth it.
 */
bool device_limit_open(struct device *dev, struct device_limit *limit,
    unsigned int q);

/* One request of @bytes goes: after device_limit_open. */
void device_limit_spend(struct device_limit *limit, uint64_t bytes);

#endif
