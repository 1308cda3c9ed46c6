/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings: what one does, taken singly.
 */
#include "tests/unit/virtq_fixture.h"

/* ---- enable -------------------------------------------------------------------- */

static void
test_enable(void **state)
{
	const struct virtq_layout good = { 8, 0x1000, 0x2000, 0x3000 };
	static const struct {
		struct virtq_layout layout;
		int split, packed;
	} form[] = {
		{ { 8, 0x1000, 0x2000, 0x3000 }, 0, 0 },
		{ { 0, 0x1000, 0x2000, 0x3000 }, -EINVAL, -EINVAL },
		{ { 7, 0x1000, 0x2000, 0x3000 }, -EINVAL, 0 },
		{ { 1, 0x1000, 0x2000, 0x3000 }, 0, 0 },
		{ { 1024, 0x10000, 0x20000, 0x30000 }, 0, 0 },
		{ { 2048, 0x10000, 0x20000, 0x30000 }, -EINVAL, -EINVAL },
		{ { 8, 0x1008, 0x2000, 0x3000 }, -EINVAL, -EINVAL },
		{ { 8, 0x1000, 0x2001, 0x3000 }, -EINVAL, -EINVAL },
		{ { 8, 0x1000, 0x2002, 0x3000 }, 0, -EINVAL },
		{ { 8, 0x1000, 0x2000, 0x3002 }, -EINVAL, -EINVAL },
		{ { 8, TOP - 112, 0x2000, 0x3000 }, -EFAULT, -EFAULT },
		{ { 8, TOP - 128, 0x2000, 0x3000 }, 0, 0 },
		{ { 8, EDGE - 16, 0x2000, 0x3000 }, -EFAULT, -EFAULT },
		{ { 8, 0x1000, TOP, 0x3000 }, -EFAULT, -EFAULT },
		{ { 8, 0x1000, TOP - 20, 0x3000 }, -EFAULT, 0 },
		{ { 8, 0x1000, 0x2000, TOP - 8 }, -EFAULT, 0 },
		{ { 8, 0x1000, 0x2000, HIGH }, -EFAULT, -EFAULT },
		{ { 8, HIGH, 0x2000, 0x3000 }, 0, -EFAULT },
		{ { 8, UINT64_MAX - 15, 0x2000, 0x3000 }, -EFAULT, -EFAULT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(form) / sizeof(form[0]); i++) {
		assert_int_equal(virtq_enable(&vq, &mem, &form[i].layout,
		    F_SPLIT, -1), form[i].split);
		assert_int_equal(virtq_enable(&vq, &mem, &form[i].layout,
		    F_PACKED, -1), form[i].packed);
	}
	assert_int_equal(virtq_enable(&vq, &mem, &good, F_SPLIT, -1), 0);
	virtq_disable(&vq);
	assert_int_equal(virtq_pop(&vq, &chain), 0);
}

/* ---- single properties ---------------------------------------------------------- */

static void
test_segments(void **state)
{
	uint64_t forms[] = { F_SPLIT | F_INDIRECT, F_PACKED | F_INDIRECT };

	(void)state;
	for (int f = 0; f < 2; f++) {
		begin(8, forms[f]);
		/* Split at the edge; empty ones leave nothing. */
		desc(0, EDGE - 8, 24, NEXT, 1);
		desc(1, 0xdead0000000, 0, NEXT, 2);
		desc(2, EDGE - 1, 2, WRITE, 2);
		available(1);
		assert_int_equal(virtq_pop(&vq, &chain), 1);
		assert_int_equal(chain.nread, 2);
		assert_int_equal(chain.nwrite, 2);
		assert_int_equal(chain.read_len, 24);
		assert_int_equal(chain.write_len, 2);
		assert_int_equal(chain.iov[0].iov_len, 8);
		assert_int_equal(chain.addr[1], EDGE);
		assert_int_equal(chain.addr[3], EDGE);
		memcpy(ram + EDGE - 8, "0123456789abcdefghijklmn", 24);
		char out[8] = "";
		assert_int_equal(virtq_copy_out_of(&chain, 6, out, 7), 7);
		assert_string_equal(out, "6789abc");
		assert_int_equal(virtq_copy_out_of(&chain, 20, out, 7), 4);
		assert_int_equal(virtq_copy_out_of(&chain, 24, out, 7), 0);
		assert_int_equal(virtq_copy_into(&chain, 1, "xyz", 3), 1);
		assert_int_equal(ram[EDGE], 'x');

		/* An indirect table across the edge. */
		begin(8, forms[f]);
		entry(EDGE - 24, 0, 0x1000, 5, NEXT, 1);
		entry(EDGE - 24, 1, 0x2000, 6, WRITE, 0);
		desc(0, EDGE - 24, 32, INDIRECT | WRITE, 0);
		available(1);
		assert_int_equal(virtq_pop(&vq, &chain), 1);
		assert_int_equal(chain.read_len, 5);
		assert_int_equal(chain.write_len, 6);

		/* A chain of nothing is one. */
		begin(8, forms[f]);
		desc(0, 0, 0, 0, 0);
		available(1);
		assert_int_equal(virtq_pop(&vq, &chain), 1);
		assert_int_equal(chain.nread + chain.nwrite, 0);
		/* And nothing is written into it, whatever the device says. */
		virtq_push(&vq, &chain, 100);
		virtq_flush(&vq);
		assert_int_equal(ram[vq.packed ? drv.desc + 8 : drv.used + 8], 0);
	}
}

/* In-flight requests count: the ring cannot hold more than its size. */
static void
test_full_ring(void **state)
{
	static struct virtq_chain all[8];

	(void)state;
	begin(8, F_SPLIT);
	for (unsigned int i = 0; i < 8; i++)
		desc(i, 0x1000, 16, 0, 0);
	available(8);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(virtq_pop(&vq, &all[i]), 1);
	assert_int_equal(virtq_pop(&vq, &chain), 0);
	ram[drv.avail + 2] = 9;
	assert_int_equal(virtq_pop(&vq, &chain), -EPROTO);
	assert_string_equal(vq.why, "available index jumped");
	/* What is in flight may still be returned. */
	virtq_push(&vq, &all[3], 0);
	virtq_flush(&vq);
	assert_int_equal(ram[drv.used + 2], 1);
	assert_int_equal(ram[drv.used + 4], 3);

	begin(8, F_PACKED);
	for (unsigned int i = 0; i < 8; i++)
		desc(i, 0x1000, 16, 0, i);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(virtq_pop(&vq, &all[i]), 1);
	assert_int_equal(virtq_pop(&vq, &chain), 0);
	/* Available in the next round, though none has been used. */
	ram[drv.desc + 14] = 0;
	ram[drv.desc + 15] = 0x80;
	assert_int_equal(virtq_pop(&vq, &chain), -EPROTO);
	assert_string_equal(vq.why, "more available than the ring holds");
}

static void
test_group(void **state)
{
	static struct virtq_chain group[3];
	uint64_t forms[] = { F_SPLIT, F_PACKED };
	const uint32_t written[3] = { 16, 16, 3 };
	struct drvq_buf buf = { .addr = 0x1000, .len = 16, .write = true };
	uint64_t cookie;
	uint32_t len;

	(void)state;
	for (int f = 0; f < 2; f++) {
		begin(8, forms[f]);
		for (unsigned int i = 0; i < 3; i++)
			(void)drvq_add(&drv, &buf, 1, 0, i);
		(void)drvq_publish(&drv);
		for (unsigned int i = 0; i < 3; i++)
			assert_int_equal(virtq_pop(&vq, &group[i]), 1);
		virtq_push_group(&vq, group, written, 3);
		/* None is seen before all are. */
		assert_false(drvq_get(&drv, &cookie, &len));
		virtq_flush(&vq);
		for (unsigned int i = 0; i < 3; i++) {
			assert_true(drvq_get(&drv, &cookie, &len));
			assert_int_equal(cookie, i);
			assert_int_equal(len, written[i]);
		}
		assert_false(drvq_get(&drv, &cookie, &len));
	}
}

static void
test_unpop(void **state)
{
	static struct virtq_chain taken[3];
	uint64_t forms[] = { F_SPLIT, F_PACKED };
	struct drvq_buf bufs[2] = { { 0x1000, 16, false }, { 0x2000, 1, true } };
	uint64_t cookie;
	uint32_t len;

	(void)state;
	for (int f = 0; f < 2; f++) {
		begin(8, forms[f]);
		/* Over the end of the ring: six slots first. */
		for (unsigned int i = 0; i < 3; i++) {
			(void)drvq_add(&drv, bufs, 2, 0, i);
			(void)drvq_publish(&drv);
			assert_int_equal(virtq_pop(&vq, &chain), 1);
			virtq_push(&vq, &chain, 1);
			virtq_flush(&vq);
			assert_true(drvq_get(&drv, &cookie, &len));
		}
		for (unsigned int i = 0; i < 3; i++) {
			bufs[0].len = 10 + i;
			(void)drvq_add(&drv, bufs, 2, 0, i);
		}
		(void)drvq_publish(&drv);
		for (unsigned int i = 0; i < 3; i++)
			assert_int_equal(virtq_pop(&vq, &taken[i]), 1);
		for (unsigned int i = 3; i-- > 0;)
			virtq_unpop(&vq, &taken[i]);
		assert_int_equal(vq.inflight, 0);
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_equal(virtq_pop(&vq, &chain), 1);
			assert_int_equal(chain.read_len, 10 + i);
		}
		assert_int_equal(virtq_pop(&vq, &chain), 0);
	}
}

/* A held queue looks empty, and does not ask to be looked at again. */
static void
test_hold(void **state)
{
	struct drvq_buf buf = { .addr = 0x1000, .len = 16 };

	(void)state;
	begin(8, F_SPLIT | F_EVENT);
	(void)drvq_add(&drv, &buf, 1, 0, 0);
	(void)drvq_publish(&drv);
	virtq_hold(&vq, true);
	assert_int_equal(virtq_pop(&vq, &chain), 0);
	assert_false(virtq_want_kicks(&vq));
	virtq_hold(&vq, false);
	assert_true(virtq_want_kicks(&vq));
	assert_int_equal(virtq_pop(&vq, &chain), 1);
}

static void
test_memory_goes(void **state)
{
	struct drvq_buf buf = { .addr = 0x1000, .len = 16 };

	(void)state;
	begin(8, F_SPLIT);
	(void)drvq_add(&drv, &buf, 1, 0, 0);
	(void)drvq_add(&drv, &buf, 1, 0, 0);
	(void)drvq_publish(&drv);
	assert_int_equal(virtq_pop(&vq, &chain), 1);
	/* Another region: nothing happens. */
	assert_int_equal(gmem_remove(&mem, 1), 0);
	virtq_memory_changed(&vq);
	assert_false(vq.broken);
	/* The ring's: broken, and a push does not touch it. */
	assert_int_equal(gmem_remove(&mem, 0), 0);
	virtq_memory_changed(&vq);
	virtq_push(&vq, &chain, 0);
	virtq_flush(&vq);
	(void)virtq_want_kicks(&vq);
	virtq_no_kicks(&vq);
	assert_int_equal(virtq_pop(&vq, &chain), -EPROTO);
	assert_int_equal(vq.inflight, 0);
}

static void
test_save_and_load(void **state)
{
	uint64_t forms[] = { F_SPLIT | F_EVENT, F_PACKED | F_EVENT };
	struct drvq_buf buf = { .addr = 0x1000, .len = 16, .write = true };
	uint16_t avail, used;
	uint64_t cookie;
	uint32_t len;

	(void)state;
	for (int f = 0; f < 2; f++) {
		begin(8, forms[f]);
		for (uint64_t i = 0; i < 200; i++) {
			struct virtq_layout layout = vq.layout;

			(void)drvq_add(&drv, &buf, 1, 0, i);
			(void)drvq_publish(&drv);
			virtq_save(&vq, &avail, &used);
			assert_int_equal(virtq_enable(&vq, &mem, &layout,
			    forms[f], call_fd), 0);
			assert_int_equal(virtq_load(&vq, avail, used), 0);
			assert_int_equal(virtq_pop(&vq, &chain), 1);
			virtq_push(&vq, &chain, 7);
			virtq_flush(&vq);
			assert_true(drvq_get(&drv, &cookie, &len));
			assert_int_equal(cookie, i);
			assert_int_equal(len, 7);
		}
	}
	assert_int_equal(virtq_load(&vq, 8, 8), -EINVAL);
	assert_int_equal(virtq_load(&vq, 0x8008, 0x8008), -EINVAL);
	assert_int_equal(virtq_load(&vq, 3, 4), -EINVAL);
	assert_int_equal(virtq_load(&vq, 0x18000, 0x18000), -EINVAL);
	assert_int_equal(virtq_load(&vq, 0x8007, 0x8007), 0);
	begin(8, F_SPLIT);
	assert_int_equal(virtq_load(&vq, 65535, 65535), 0);
}

/* Change @len bytes of the chain's writable part, or all there are. */
static uint32_t
invert(uint32_t len)
{
	uint32_t done = 0;

	for (unsigned int i = chain.nread; i < chain.nread + chain.nwrite; i++) {
		uint8_t *at = chain.iov[i].iov_base;

		for (size_t k = 0; k < chain.iov[i].iov_len && done < len;
		    k++, done++)
			at[k] = (uint8_t)~at[k];
	}
	return done;
}

/* One batch of requests, from driver to driver. */
static void
dirty_batch(uint32_t first, uint32_t n)
{
	static struct virtq_chain all[40];
	static uint32_t written[40];

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(virtq_pop(&vq, &all[i]), 1);
		chain = all[i];
		written[i] = invert(first + i == 0 ? 1 : 1 + rnd(5000));
	}
	virtq_push_group(&vq, all, written, n);
	virtq_flush(&vq);
	(void)virtq_want_kicks(&vq);
}

/* The pages that changed are those that are marked, no more and no less. */
static void
test_dirty(void **state)
{
	uint64_t forms[] = { F_SPLIT | F_EVENT, F_PACKED | F_EVENT,
		F_SPLIT, F_PACKED };
	uint8_t *before = malloc(TOP);
	uint8_t *bits = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
	    log_fd, 0);
	uint64_t cookie;
	uint32_t len;

	(void)state;
	assert_int_equal(gmem_set_dirty_log(&mem, log_fd, TOP / 4096 / 8), 0);
	seed = 1;
	for (uint32_t i = 0, n; i < 2400; i += n) {
		if (i % 600 == 0)
			begin(1024, forms[i / 600]);
		n = 1 + rnd(40) % (600 - i % 600);
		for (uint32_t k = 0; k < n; k++) {
			struct drvq_buf bufs[2] = {
				{ 0x100000 + 0x8000 * k, 1 + rnd(9000), true },
				{ 0x104000 + 0x8000 * k, 7, true },
			};

			if (k == 1)
				bufs[0].addr = EDGE - 1000;
			assert_true(drvq_add(&drv, bufs, 2, 0, k) >= 0);
		}
		(void)drvq_publish(&drv);
		memcpy(before, ram, TOP);
		memset(bits, 0, 4096);
		dirty_batch(i, n);
		for (unsigned int p = 0; p < TOP / 4096; p++) {
			bool changed = memcmp(before + 4096 * p, ram + 4096 * p,
			    4096) != 0;
			bool marked = (bits[p / 8] >> p % 8 & 1) != 0;
			uint64_t events = vq.packed ? drv.used :
			    drv.used + 4 + 8 * 1024;

			/* An event may be written that was the same before. */
			if (changed != marked && p != drv.used / 4096 &&
			    p != events / 4096)
				fail_msg("request %u page %u: changed %d, "
				    "marked %d", i, p, changed, marked);
			assert_true(!changed || marked);
		}
		for (uint32_t k = 0; k < n; k++)
			assert_true(drvq_get(&drv, &cookie, &len));
	}
	munmap(bits, 4096);
	free(before);
}

int
main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T_(test_enable), T_(test_segments), T_(test_full_ring),
		T_(test_group), T_(test_unpop), T_(test_hold),
		T_(test_memory_goes), T_(test_save_and_load), T_(test_dirty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
