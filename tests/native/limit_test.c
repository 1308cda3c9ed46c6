// SPDX-License-Identifier: Apache-2.0
/*
 * Rate limits of the shipped bulkhead-blk, by the clock: bandwidth, operations,
 * two queues that share one limit, two workers in a group, a debt that outlives
 * a reset. Each figure is within 15 % of what was asked for.
 */
#include <sys/mman.h>

#include "device-workers/blk/blk_req.h"
#include "tests/native/device_test.h"

#define DISK (4u << 20)
#define HEADER FAKEVM_DATA
#define STATUS (FAKEVM_DATA + 0x1000)
#define DATA (FAKEVM_DATA + 0x10000)
#define SECONDS 1.5
#define WORKERS 2u

static struct fakevm vms[WORKERS];
static int disk;

struct limit {
	uint64_t bytes, ops;	/* bucket sizes; 0: none */
	uint64_t burst;		/* of operations */
	uint64_t ms;		/* refill time of both */
	int group;		/* memfd; 0: none */
};

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool
start(struct fakevm *vm, const struct limit *limit)
{
	static char serial[] = "", id[] = "disk0";
	const struct fakevm_fd fds[] = {
		{ FD_BACKEND, disk }, { FD_LIMIT, limit->group },
	};
	Bh__TokenBucket bandwidth = BH__TOKEN_BUCKET__INIT;
	Bh__TokenBucket ops = BH__TOKEN_BUCKET__INIT;
	Bh__RateLimit rate = BH__RATE_LIMIT__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	Bh__BlkConfig blk = BH__BLK_CONFIG__INIT;

	bandwidth.size = limit->bytes;
	ops.size = limit->ops;
	ops.one_time_burst = limit->burst;
	bandwidth.refill_ms = ops.refill_ms = limit->ms;
	rate.bandwidth = limit->bytes != 0 ? &bandwidth : NULL;
	rate.ops = limit->ops != 0 ? &ops : NULL;
	rate.shared = limit->group != 0;
	blk.size = DISK;
	blk.block_size = 512;
	blk.serial = serial;
	blk.num_queues = 2;
	blk.queue_size = 64;
	blk.rate_limit = &rate;
	config.id = id;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	MUST(fakevm_start(vm, "build/bulkhead-blk", &config, fds,
	    limit->group != 0 ? 2 : 1) == 0);
	MUST(activate(vm, 1, 2) == 0);
	return true;
}

static bool
add_read(struct fakevm *vm, unsigned int q, uint32_t len)
{
	const struct drvq_buf bufs[] = {
		{ HEADER, BLK_HEADER_SIZE, false }, { DATA, len, true },
		{ STATUS + q, 1, true },
	};

	memset(vm->ram + HEADER, 0, BLK_HEADER_SIZE);
	vm->ram[STATUS + q] = 0xee;
	MUST(drvq_add(&vm->q[q], bufs, 3, 0, 1) >= 0);
	fakevm_publish(vm, q);
	return true;
}

/*
 * Reads of @len bytes, one in flight on each of @nq queues of @nvm workers, for
 * SECONDS: how many each queue had done.
 */
static bool
run(unsigned int nvm, unsigned int nq, uint32_t len, unsigned int done[2])
{
	double end = seconds() + SECONDS;

	done[0] = done[1] = 0;
	for (unsigned int k = 0; k < nvm * nq; k++)
		MUST(add_read(&vms[k / nq], k % nq, len));
	while (seconds() < end) {
		bool any = false;

		for (unsigned int k = 0; k < nvm * nq; k++) {
			struct fakevm *vm = &vms[k / nq];
			uint64_t cookie;
			uint32_t used;

			if (!drvq_get(&vm->q[k % nq], &cookie, &used))
				continue;
			MUST(vm->ram[STATUS + k % nq] == 0 && used == len + 1);
			done[k]++;
			any = true;
			MUST(add_read(vm, k % nq, len));
		}
		if (!any)
			usleep(200);
	}
	return true;
}

static bool
about(double got, double want)
{
	if (got >= want * 0.85 && got <= want * 1.15)
		return true;
	printf("# %.0f where %.0f was to be expected\n", got, want);
	return false;
}

static bool
stop(unsigned int nvm)
{
	double before = seconds();

	for (unsigned int i = 0; i < nvm; i++)
		MUST(fakevm_quit(&vms[i]) == 0);
	MUST(seconds() - before < 5);
	return true;
}

static bool
test_bandwidth(void)
{
	const struct limit limit = { .bytes = 128 << 10, .ms = 125 };
	unsigned int done[2];

	MUST(start(&vms[0], &limit) && run(1, 1, 16384, done));
	MUST(about(done[0] * 16384.0, (128 << 10) + SECONDS * (1 << 20)));
	return stop(1);
}

static bool
test_operations(void)
{
	const struct limit limit = { .ops = 10, .burst = 40, .ms = 100 };
	unsigned int done[2];

	MUST(start(&vms[0], &limit) && run(1, 1, 512, done));
	MUST(about(done[0], 40 + 10 + SECONDS * 100));
	return stop(1);
}

/* Far below what the disk can: many requests a millisecond. */
static bool
test_many(void)
{
	const struct limit limit = { .ops = 2000, .ms = 1000 };
	unsigned int done[2];

	MUST(start(&vms[0], &limit) && run(1, 1, 512, done));
	MUST(about(done[0], 2000 + SECONDS * 2000));
	return stop(1);
}

static bool
test_queues(void)
{
	const struct limit limit = { .ops = 10, .ms = 50 };
	unsigned int done[2];

	MUST(start(&vms[0], &limit) && run(1, 2, 512, done));
	MUST(about(done[0] + done[1], 10 + SECONDS * 200));
	MUST(done[0] * 3 > done[1] && done[1] * 3 > done[0]);
	return stop(1);
}

static bool
test_group(void)
{
	struct limit limit = { .ops = 20, .bytes = 1 << 30, .ms = 100 };
	unsigned int done[2];

	limit.group = memfd_create("limit", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	MUST(limit.group > 0 && ftruncate(limit.group, 4096) == 0);
	MUST(fcntl(limit.group, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
	    F_SEAL_SEAL) == 0);
	MUST(start(&vms[0], &limit) && start(&vms[1], &limit));
	MUST(run(2, 1, 512, done));
	MUST(about(done[0] + done[1], 20 + SECONDS * 200));
	MUST(done[0] * 4 > done[1] && done[1] * 4 > done[0]);
	MUST(stop(2));
	close(limit.group);
	return true;
}

/* A group's state that could shrink under the worker is refused. */
static bool
test_unsealed(void)
{
	struct limit limit = { .ops = 20, .ms = 100 };

	limit.group = memfd_create("limit", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	MUST(limit.group > 0 && ftruncate(limit.group, 4096) == 0);
	printf("# to be refused:\n");
	MUST(!start(&vms[0], &limit));
	MUST(strstr(vms[0].failed, "rate limit group") != NULL);
	fakevm_kill(&vms[0]);
	close(limit.group);
	return true;
}

/* In debt for minutes: a reset is answered at once, and does not pay it. */
static bool
test_debt(void)
{
	const struct limit limit = { .bytes = 4096, .ms = 1000 };
	unsigned int done[2];
	double before = seconds();

	MUST(start(&vms[0], &limit) && run(1, 1, 1 << 20, done));
	MUST(done[0] == 1);
	MUST(fakevm_reset(&vms[0]) == 0 && activate(&vms[0], 1, 2) == 0);
	MUST(run(1, 1, 512, done));
	MUST(done[0] == 0);
	MUST(fakevm_drain(&vms[0]) == 0);
	MUST(stop(1));
	MUST(seconds() - before < 2 * SECONDS + 5);
	return true;
}

/* By the clock: a host that was busy elsewhere gets a second and third chance. */
static void
timed(bool (*test)(void), const char *name)
{
	bool good = test();

	for (unsigned int i = 0; !good && i < 2; i++) {
		for (unsigned int k = 0; k < WORKERS; k++)
			fakevm_kill(&vms[k]);
		good = test();
	}
	result(good, &vms[0], name);
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	disk = open(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
	    O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (disk < 0 || ftruncate(disk, DISK) != 0)
		return 2;
	for (unsigned int i = 0; i < WORKERS; i++)
		if (fakevm_init(&vms[i]) != 0)
			return 2;
	timed(test_bandwidth, "1 MiB a second");
	timed(test_operations, "100 operations a second and a burst");
	timed(test_many, "2000 operations a second");
	timed(test_queues, "two queues share a limit");
	timed(test_group, "two workers share a group's limit");
	result(test_unsealed(), &vms[0], "a group's state has to be sealed");
	result(test_debt(), &vms[0], "a reset in debt");
	for (unsigned int i = 0; i < WORKERS; i++)
		fakevm_fini(&vms[i]);
	return finish();
}
