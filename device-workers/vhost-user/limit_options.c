/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate limit of a back-end program on its command line: token buckets with the
 * names of bulkhead's own options. Before the jail; the limit itself is lib/limit.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device-workers/lib/bucket.h"
#include "device-workers/vhost-user/vhost_user.h"

static struct {
	uint64_t size, burst, refill_ms;
} bw, ops;

/* A number of bytes or requests, 0 to BUCKET_MAX_SIZE, with K, M or G. */
static int
amount(const char *text, uint64_t *out)
{
	static const char suffixes[] = "KMG";
	const char *suffix;
	unsigned long long n;
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || n > BUCKET_MAX_SIZE)
		return -EINVAL;
	if (*end != '\0') {
		suffix = strchr(suffixes, *end & ~0x20);
		if (suffix == NULL || end[1] != '\0')
			return -EINVAL;
		n <<= 10 * (suffix - suffixes + 1);
	}
	if (n > BUCKET_MAX_SIZE)
		return -EINVAL;
	*out = n;
	return 0;
}

static int
milliseconds(const char *text, uint64_t *out)
{
	uint32_t n;
	int rc = vhu_number(text, 1, BUCKET_MAX_REFILL_MS, &n);

	if (rc == 0)
		*out = n;
	return rc;
}

int
vhu_limit_option(const char *name, const char *value)
{
	if (strcmp(name, "bw-size") == 0)
		return amount(value, &bw.size);
	if (strcmp(name, "bw-one-time-burst") == 0)
		return amount(value, &bw.burst);
	if (strcmp(name, "bw-refill-time") == 0)
		return milliseconds(value, &bw.refill_ms);
	if (strcmp(name, "ops-size") == 0)
		return amount(value, &ops.size);
	if (strcmp(name, "ops-one-time-burst") == 0)
		return amount(value, &ops.burst);
	if (strcmp(name, "ops-refill-time") == 0)
		return milliseconds(value, &ops.refill_ms);
	return -ENOENT;
}

int
vhu_limit(Bh__RateLimit **limit, const char **why)
{
	static Bh__RateLimit both;
	static Bh__TokenBucket bandwidth, requests;

	*limit = NULL;
	*why = "a rate limit needs a size and a refill time (--bw-size with "
	    "--bw-refill-time, --ops-size with --ops-refill-time)";
	if ((bw.size == 0) != (bw.refill_ms == 0) ||
	    (ops.size == 0) != (ops.refill_ms == 0) ||
	    (bw.burst != 0 && bw.size == 0) || (ops.burst != 0 && ops.size == 0))
		return -EINVAL;
	if (bw.size == 0 && ops.size == 0)
		return 0;
	bh__rate_limit__init(&both);
	bh__token_bucket__init(&bandwidth);
	bh__token_bucket__init(&requests);
	bandwidth.size = bw.size;
	bandwidth.one_time_burst = bw.burst;
	bandwidth.refill_ms = bw.refill_ms;
	requests.size = ops.size;
	requests.one_time_burst = ops.burst;
	requests.refill_ms = ops.refill_ms;
	both.bandwidth = bw.size != 0 ? &bandwidth : NULL;
	both.ops = ops.size != 0 ? &requests : NULL;
	*limit = &both;
	return 0;
}
