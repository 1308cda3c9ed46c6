/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every rule that a driver can break: the queue breaks, nothing is written, and
 * nothing outside guest memory is touched.
 */
#include "tests/unit/virtq_fixture.h"

/* ---- broken rules -------------------------------------------------------------- */

static void next_range(void)
{
	desc(0, 0x1000, 16, NEXT, 8);
	available(1);
}

static void loop_ring(void)
{
	for (unsigned int i = 0; i < 8; i++)
		desc(i, 0x1000, 16, NEXT, (i + 1) % 8);
	available(1);
}

static void loop_self(void)
{
	desc(0, 0x1000, 0, NEXT, 0);
	available(1);
}

static void head_range(void)
{
	available(1);
	ram[drv.avail + 4] = 8;
}

static void head_twice(void)
{
	desc(0, 0x1000, 16, 0, 0);
	available(2);
	ram[drv.avail + 6] = 0;
}

static void index_jump(void)
{
	desc(0, 0x1000, 16, 0, 0);
	available(9);
}

static void over_4g(void)
{
	/* Each is too long for the memory, too: the order of checks shows. */
	for (unsigned int i = 0; i < 3; i++)
		desc(i, 0, 0xffffffff, i < 2 ? NEXT : 0, i + 1);
	available(1);
}

static void outside(void)
{
	desc(0, TOP + 0x1000, 16, 0, 0);
	available(1);
}

static void in_hole(void)
{
	desc(0, HIGH - 16, 16, WRITE, 0);
	available(1);
}

static void past_end(void)
{
	desc(0, TOP - 16, 17, WRITE, 0);
	available(1);
}

static void wraps(void)
{
	desc(0, UINT64_MAX - 15, 32, 0, 0);
	available(1);
}

static void write_to_readonly(void)
{
	desc(0, HIGH, 16, WRITE, 0);
	available(1);
}

static void wrong_order(void)
{
	desc(0, 0x1000, 16, WRITE | NEXT, 1);
	desc(1, 0x1000, 16, 0, 1);
	available(1);
}

static void table_zero(void)
{
	desc(0, T, 0, INDIRECT, 0);
	available(1);
}

static void table_odd(void)
{
	desc(0, T, 24, INDIRECT, 0);
	available(1);
}

static void table_nested(void)
{
	entry(T, 0, T + 16, 16, INDIRECT, 0);
	entry(T, 1, 0x1000, 16, 0, 0);
	desc(0, T, 16, INDIRECT, 0);
	available(1);
}

static void table_and_next(void)
{
	entry(T, 0, 0x1000, 16, 0, 0);
	desc(0, T, 16, INDIRECT | NEXT, 1);
	desc(1, 0x1000, 16, 0, 1);
	available(1);
}

static void table_outside(void)
{
	desc(0, TOP - 16, 32, INDIRECT, 0);
	entry(TOP - 16, 0, 0x1000, 16, NEXT, 1);
	available(1);
}

static void table_wraps(void)
{
	desc(0, UINT64_MAX - 15, 32, INDIRECT, 0);
	available(1);
}

static void table_next_range(void)
{
	entry(T, 0, 0x1000, 16, NEXT, 2);
	entry(T, 1, 0x1000, 16, 0, 0);
	desc(0, T, 32, INDIRECT, 0);
	available(1);
}

static void table_loop(void)
{
	entry(T, 0, 0x1000, 16, NEXT, 1);
	entry(T, 1, 0x1000, 16, NEXT, 0);
	desc(0, T, 32, INDIRECT, 0);
	available(1);
}

static void table_long(void)
{
	for (unsigned int i = 0; i < 300; i++)
		entry(T, i, 0x1000, 16, NEXT, i + 1);
	desc(0, T, 300 * 16, INDIRECT, 0);
	available(1);
}

static void table_huge(void)
{
	desc(0, 0, 0x100000, INDIRECT, 0);
	for (unsigned int i = 0; i < 2000; i++)
		entry(0, i, 0, 0, NEXT, i + 1);
	desc(0, 0, 0x100000, INDIRECT, 0);
	available(1);
}

static void table_second(void)
{
	desc(0, 0x1000, 16, NEXT, 1);
	entry(T, 0, 0x1000, 16, 0, 0);
	desc(1, T, 16, INDIRECT, 1);
	available(1);
}

static void endless_packed(void)
{
	for (unsigned int i = 0; i < 8; i++)
		desc(i, 0x1000, 16, NEXT, 0);
}

enum { S = 1, P = 2, NO_TABLES = 4 };

static const struct {
	const char *name;
	void (*make)(void);
	int forms;
	const char *why;
} broken_rules[] = {
	{ "next out of range", next_range, S, "next beyond the ring" },
	{ "loop over the ring", loop_ring, S, "endless chain" },
	{ "loop of one", loop_self, S, "endless chain" },
	{ "head out of range", head_range, S, "head beyond the ring" },
	{ "head twice", head_twice, S, "head available twice" },
	{ "index jumps", index_jump, S, "available index jumped" },
	{ "more than 4 GiB", over_4g, S | P, "buffer outside guest memory" },
	{ "outside memory", outside, S | P, "buffer outside guest memory" },
	{ "in the hole", in_hole, S | P, "buffer outside guest memory" },
	{ "past the end", past_end, S | P, "buffer outside guest memory" },
	{ "address wraps", wraps, S | P, "buffer outside guest memory" },
	{ "read-only", write_to_readonly, S | P, "buffer outside guest memory" },
	{ "order", wrong_order, S | P, "readable buffer after a writable one" },
	{ "table of 0", table_zero, S | P, "length of an indirect table" },
	{ "table of 24", table_odd, S | P, "length of an indirect table" },
	{ "nested table", table_nested, S | P, "indirect table in another" },
	{ "table and next", table_and_next, S | P, "indirect and next" },
	{ "table outside", table_outside, S | P,
	    "indirect table outside guest memory" },
	{ "table wraps", table_wraps, S | P,
	    "indirect table outside guest memory" },
	{ "next beyond a table", table_next_range, S,
	    "next beyond an indirect table" },
	{ "loop in a table", table_loop, S,
	    "endless chain in an indirect table" },
	{ "long table", table_long, S | P, "chain of too many buffers" },
	{ "huge table", table_huge, P, "indirect table too long" },
	{ "huge table", table_huge, S, "endless chain in an indirect table" },
	{ "table without the feature", table_nested, S | P | NO_TABLES,
	    "indirect table without the feature" },
	{ "table in a list", table_second, P, "indirect and next" },
	{ "endless list", endless_packed, P,
	    "more available than the ring holds" },
};

static void
break_rule(size_t r, uint64_t features)
{
	uint8_t *before = malloc(TOP);
	int rc;

	if ((broken_rules[r].forms & NO_TABLES) != 0)
		features &= ~F_INDIRECT;
	memset(ram, 0, TOP);
	begin(8, features);
	broken_rules[r].make();
	memcpy(before, ram, TOP);
	do {
		rc = virtq_pop(&vq, &chain);
	} while (rc == 1);
	if (rc != -EPROTO || strcmp(vq.why, broken_rules[r].why) != 0)
		fail_msg("%s (%s): %d, %s", broken_rules[r].name,
		    vq.packed ? "packed" : "split", rc, vq.why);
	/* It stays so, and nothing was written. */
	assert_true(vq.broken);
	assert_int_equal(virtq_pop(&vq, &chain), -EPROTO);
	virtq_flush(&vq);
	assert_int_equal(memcmp(before, ram, TOP), 0);
	free(before);
}

static void
test_broken_rules(void **state)
{
	(void)state;
	for (size_t r = 0; r < sizeof(broken_rules) / sizeof(broken_rules[0]);
	    r++) {
		if ((broken_rules[r].forms & S) != 0)
			break_rule(r, F_SPLIT | F_INDIRECT);
		if ((broken_rules[r].forms & P) != 0)
			break_rule(r, F_PACKED | F_INDIRECT);
	}
}

/* 4 GiB in sum are the most that a chain may have, in real memory too. */
static void
test_4g(void **state)
{
	uint64_t forms[] = { F_SPLIT | F_INDIRECT, F_PACKED | F_INDIRECT };

	(void)state;
	/* 2048 times 2 MiB are 4 GiB: 250 of 16 MiB need memory of that size. */
	for (int f = 0; f < 2; f++) {
		struct gmem big;
		struct gmem *small = &mem;

		begin(8, forms[f]);
		assert_int_equal(gmem_init(&big, 3ull << 30), 0);
		assert_int_equal(gmem_add(&big, 0, 0, TOP, ram_fd, 0, false), 0);
		/* Never touched: a sparse file of 2 GiB. */
		assert_int_equal(ftruncate(log_fd, 2ll << 30), 0);
		assert_int_equal(gmem_add(&big, 1, HIGH, 2ull << 30, log_fd, 0,
		    false), 0);
		vq.mem = &big;
		entry(T, 0, HIGH, 0x80000000, NEXT, 1);
		entry(T, 1, HIGH, 0x80000000, NEXT, 2);
		entry(T, 2, HIGH, 0, 0, 0);
		desc(0, T, 48, INDIRECT, 0);
		available(1);
		assert_int_equal(virtq_pop(&vq, &chain), 1);
		assert_int_equal(chain.read_len, 1ull << 32);
		assert_int_equal(chain.nread, 2);
		virtq_unpop(&vq, &chain);
		entry(T, 2, HIGH, 1, 0, 0);
		assert_int_equal(virtq_pop(&vq, &chain), -EPROTO);
		assert_string_equal(vq.why, "chain of more than 4 GiB");
		gmem_fini(&big);
		vq.mem = small;
	}
}

int
main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T_(test_broken_rules), T_(test_4g),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
