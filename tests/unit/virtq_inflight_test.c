/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-flight region: a device in a child is ended at any instruction (single
 * steps, then SIGKILL) while it takes requests, finishes them out of order, puts
 * some back and flushes now and then; its successor goes on with the same region.
 * The driver sees each request finished once, in good form; the oldest ones taken
 * are taken again first. And: regions that lie.
 */
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "device-workers/lib/virtq_inflight.h"
#include "tests/unit/virtq_fixture.h"

#define DATA (1 * MIB)
#define MAX_HELD 6u
#define REQUESTS 100000u

static struct shared {
	uint64_t order[REQUESTS];	/* when each was first taken */
	uint64_t now;
	unsigned int again;		/* requests taken once more */
	int failed;			/* line */
	_Alignas(64) uint8_t region[64 * 1024];
} *sh;

static struct virtq_layout layout;
static uint64_t features;

#define CHILD(condition)						\
	do {								\
		if (!(condition) && sh->failed == 0)			\
			sh->failed = __LINE__;				\
	} while (0)

/* ---- the device ---------------------------------------------------------------- */

static struct virtq_chain held[MAX_HELD];
static unsigned int nheld;

static void
note_taken(const struct virtq_chain *c)
{
	static uint64_t last;
	uint32_t id = 0;

	CHILD(virtq_copy_out_of(c, 0, &id, 4) == 4 && id < REQUESTS);
	/* Those of a predecessor come first, the oldest of them before all. */
	if (sh->order[id] == 0)
		sh->order[id] = ++sh->now;
	else if (c->again)
		CHILD(sh->order[id] > last);
	sh->again += c->again;
	last = sh->order[id];
}

static void
finish(unsigned int k)
{
	uint32_t id = 0;

	virtq_copy_out_of(&held[k], 0, &id, 4);
	virtq_push(&vq, &held[k], (uint32_t)virtq_copy_into(&held[k], 0, &id, 4));
	nheld--;
	if (k != nheld)
		held[k] = held[nheld];
}

/* One step. False: nothing is left to do. */
static bool
step(void)
{
	uint32_t what = rnd(8);
	int rc;

	if (what < 4 && nheld < MAX_HELD) {
		rc = virtq_pop(&vq, &held[nheld]);
		CHILD(rc >= 0);
		if (rc > 0 && rnd(8) == 0) {
			virtq_unpop(&vq, &held[nheld]);
		} else if (rc > 0) {
			note_taken(&held[nheld]);
			nheld++;
		}
		if (rc == 0 && nheld == 0) {
			virtq_flush(&vq);
			return false;
		}
	} else if (what < 6 && nheld > 0) {
		finish(rnd(nheld));
	} else {
		virtq_flush(&vq);
	}
	return sh->failed == 0;
}

/* Its steps @stop and after are stepped by the parent; -1: none. */
static void
device(uint16_t start, int stop)
{
	if (stop == 0)
		raise(SIGSTOP);
	CHILD(virtq_enable(&vq, &mem, &layout, features, -1) == 0);
	if (!virtq_region_in_use(sh->region))
		CHILD(virtq_load(&vq, start, start) == 0);
	CHILD(virtq_track(&vq, sh->region) == 0);
	CHILD(!vq.broken);
	do {
		if (--stop == 0)
			raise(SIGSTOP);
	} while (step());
}

/* In a child: to the end (@stop -1), or @steps instructions from @stop on. */
static void
live(uint16_t start, int stop, unsigned int steps)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (stop >= 0)
			ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		device(start, stop);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (; steps > 0 && WIFSTOPPED(status); steps--) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_int_equal(sh->failed, 0);
}

/* ---- the driver ---------------------------------------------------------------- */

static uint32_t next_id;
static uint8_t answered[REQUESTS];

static void
queue_some(void)
{
	for (uint32_t n = 1 + rnd(drv.size); n > 0; n--) {
		const uint64_t at = DATA + (next_id % 4096) * 64ull;
		const struct drvq_buf bufs[3] = {
			{ at, 4, false }, { at + 16, 2, true },
			{ at + 32, 12, true },
		};
		/* Chains of two and three descriptors, and of one: a table. */
		uint64_t table = rnd(3) == 0 ? 2 * MIB + next_id % 4096 * 64 : 0;

		if (drvq_add(&drv, bufs, 2 + rnd(2), table, next_id) < 0)
			break;
		memcpy(ram + at, &next_id, 4);
		next_id++;
	}
	drvq_publish(&drv);
}

static void
collect(void)
{
	uint64_t id;
	uint32_t len;

	while (drvq_get(&drv, &id, &len)) {
		uint32_t back;

		assert_true(id < next_id);
		assert_int_equal(answered[id]++, 0);
		assert_true(len == 4 || len == 2);
		memcpy(&back, ram + DATA + id % 4096 * 64 + 16, 2);
		assert_int_equal(back & 0xffff, id & 0xffff);
	}
	assert_int_equal(drvq_errors, 0);
}

static void
end_at_any_instruction(uint16_t size, uint64_t f, uint16_t start,
    unsigned int rounds, uint32_t first_seed)
{
	features = f | F_INDIRECT;
	seed = first_seed;
	memset(sh, 0, sizeof(*sh));
	memset(answered, 0, sizeof(answered));
	next_id = 1;
	drvq_init(&drv, ram, 4096, size, features);
	layout = (struct virtq_layout){ size, drv.desc, drv.avail, drv.used };
	for (unsigned int i = 0; i < rounds; i++) {
		queue_some();
		live(start, rnd(10) == 0 ? -1 : (int)rnd(2u * size), rnd(3000));
		collect();
		seed += 77;
	}
	live(start, -1, 0);
	collect();
	/* Or nothing ended at a moment of interest. */
	assert_true(sh->again > rounds / 10);
	for (uint32_t id = 1; id < next_id; id++)
		assert_int_equal(answered[id], 1);
}

static void
split_ends_anywhere(void **state)
{
	(void)state;
	end_at_any_instruction(8, F_SPLIT, 0, 150, 1);
	end_at_any_instruction(16, F_SPLIT, 0, 100, 2);
}

static void
packed_ends_anywhere(void **state)
{
	(void)state;
	end_at_any_instruction(8, F_PACKED, 0x8000, 200, 3);
	end_at_any_instruction(13, F_PACKED, 0x8000, 150, 4);
}

/* ---- regions that lie ------------------------------------------------------------ */

/* Whatever a region says: refused, broken or used, and never beyond itself. */
static void
region_of_noise(void **state)
{
	const uint16_t size = 16;
	unsigned int good = 0;

	(void)state;
	seed = 99;
	for (unsigned int i = 0; i < 20000; i++) {
		bool packed = i % 2 != 0;
		uint64_t len = virtq_region_size(size, packed);
		uint8_t *region = malloc(len);
		uint16_t version = 1;

		assert_non_null(region);
		features = (packed ? F_PACKED : F_SPLIT) | F_INDIRECT;
		drvq_init(&drv, ram, 4096, size, features);
		layout = (struct virtq_layout){ size, drv.desc, drv.avail,
			drv.used };
		next_id = 1;
		queue_some();
		/* Mostly small numbers: those look like indices. */
		for (uint64_t b = 0; b < len; b++)
			region[b] = (uint8_t)(rnd(4) == 0 ? rnd(256) :
			    rnd(3) == 0 ? rnd(18) : 0);
		memset(region, 0, 8);
		memcpy(region + 8, &version, 2);
		memcpy(region + 10, &size, 2);
		for (uint16_t e = 0; e < size; e++)
			region[(packed ? 32u : 16u) * (e + 1u)] = (uint8_t)rnd(2);
		assert_int_equal(virtq_enable(&vq, &mem, &layout, features,
		    call_fd), 0);
		if (virtq_track(&vq, region) == 0) {
			nheld = 0;
			for (int k = 0; k < 60 && !vq.broken; k++) {
				if (nheld < MAX_HELD && rnd(2) == 0 &&
				    virtq_pop(&vq, &held[nheld]) > 0)
					nheld++;
				else if (nheld > 0)
					virtq_push(&vq, &held[--nheld], 1);
				/* Others write to it meanwhile. */
				region[12 + rnd((uint32_t)len - 12)] ^=
				    (uint8_t)(1u << rnd(8));
				if (rnd(3) == 0)
					virtq_flush(&vq);
			}
			good += !vq.broken;
		}
		virtq_disable(&vq);
		free(region);
	}
	assert_true(good > 10);
}

static void
region_of_another_queue(void **state)
{
	(void)state;
	features = F_SPLIT;
	drvq_init(&drv, ram, 4096, 16, features);
	layout = (struct virtq_layout){ 16, drv.desc, drv.avail, drv.used };
	memset(sh, 0, sizeof(*sh));
	assert_int_equal(virtq_enable(&vq, &mem, &layout, features, -1), 0);
	assert_int_equal(virtq_track(&vq, sh->region), 0);
	assert_true(virtq_region_in_use(sh->region));
	layout.size = 8;
	assert_int_equal(virtq_enable(&vq, &mem, &layout, features, -1), 0);
	assert_int_equal(virtq_track(&vq, sh->region), -EINVAL);
	/* The driver's used index is far from the region's: its queue breaks. */
	layout.size = 16;
	ram[drv.used + 2] = 200;
	assert_int_equal(virtq_enable(&vq, &mem, &layout, features, -1), 0);
	assert_int_equal(virtq_track(&vq, sh->region), 0);
	assert_true(vq.broken);
	virtq_region_clear(sh->region);
	assert_false(virtq_region_in_use(sh->region));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(split_ends_anywhere, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(packed_ends_anywhere, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(region_of_noise, set_up, tear_down),
		cmocka_unit_test_setup_teardown(region_of_another_queue, set_up,
		    tear_down),
	};

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
