/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic of 100,000 requests in each form, in and out of order, against the
 * driver's side of tests/native/drvq.c; both sides sleep, and only notifications
 * wake them.
 */
#include "tests/unit/virtq_fixture.h"

/* ---- traffic ------------------------------------------------------------------ */

#define AREA 0x40000ull		/* buffers from here ... */
#define SLOT 2048ull		/* ... this much for each request in flight */
#define TABLES (3 * MIB)	/* indirect tables, 512 bytes each */
#define MAX_BUFS 12u
#define SLOTS 512u

struct expect {
	bool busy;
	uint64_t key;
	uint32_t nread, nwrite;
	uint32_t read_len, write_len, written;
	struct drvq_buf bufs[MAX_BUFS];
};

struct traffic {
	struct expect slot[SLOTS];
	struct virtq_chain held[SLOTS + 1];	/* by the device */
	unsigned int nheld;
	uint64_t added, done;
	bool device_sleeps, driver_sleeps;
	uint64_t kicks, calls;
};

static struct traffic t;

static uint8_t
byte_of(uint64_t key, uint64_t i)
{
	return (uint8_t)((key * 131 + i * 7) ^ (key >> 8));
}

/* Queue one random request, if there is room. */
static bool
driver_add(uint64_t features)
{
	unsigned int s = rnd(SLOTS), n = 1 + rnd(MAX_BUFS), i;
	struct expect *e = &t.slot[s];
	uint64_t at = AREA + s * SLOT, table = 0, sent = 0;
	bool write = false;

	if (e->busy)
		return false;
	/* Every eighth lies across the edge of two regions. */
	if (s == 0)
		at = EDGE - 700;
	*e = (struct expect){ .key = t.added + 1 };
	for (i = 0; i < n; i++) {
		write = write || rnd(3) == 0;
		e->bufs[i] = (struct drvq_buf){
			.addr = at, .len = rnd(8) == 0 ? 0 : rnd(160),
			.write = write,
		};
		at += e->bufs[i].len;
		if (write)
			e->write_len += e->bufs[i].len;
		else
			e->read_len += e->bufs[i].len;
		for (uint32_t k = 0; !write && k < e->bufs[i].len; k++)
			ram[e->bufs[i].addr + k] = byte_of(e->key, sent++);
	}
	if ((features & F_INDIRECT) != 0 && rnd(2) == 0)
		table = TABLES + s * 512 + rnd(3) * 4;
	if (drvq_add(&drv, e->bufs, n, table, s) < 0)
		return false;
	e->busy = true;
	t.added++;
	return true;
}

static void
device_check_and_write(struct virtq_chain *c)
{
	static uint8_t buf[MAX_BUFS * 160];
	struct expect *e = NULL;
	uint64_t key = 0, n = virtq_copy_out_of(c, 0, buf, sizeof(buf));

	assert_int_equal(n, c->read_len);
	/* Which one it is only the addresses tell; find it by them. */
	for (unsigned int s = 0; s < SLOTS && e == NULL; s++) {
		struct expect *try = &t.slot[s];
		uint64_t lo = try->bufs[0].addr;

		if (try->busy && c->nread + c->nwrite > 0 &&
		    c->addr[0] >= lo && c->addr[0] < lo + SLOT &&
		    (s != 0 || lo == EDGE - 700))
			e = try;
	}
	if (e == NULL) {
		assert_int_equal(c->read_len + c->write_len, 0);
		return;
	}
	key = e->key;
	assert_int_equal(c->read_len, e->read_len);
	assert_int_equal(c->write_len, e->write_len);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(buf[i], byte_of(key, i));
	e->written = c->write_len > 0 ? rnd((uint32_t)c->write_len + 1) : 0;
	for (uint64_t i = 0; i < e->written; i++)
		buf[i] = byte_of(~key, i);
	assert_int_equal(virtq_copy_into(c, 0, buf, e->written), e->written);
}

static uint32_t
written_of(const struct virtq_chain *c)
{
	for (unsigned int s = 0; s < SLOTS; s++) {
		uint64_t lo = t.slot[s].bufs[0].addr;

		if (t.slot[s].busy && c->nread + c->nwrite > 0 &&
		    c->addr[0] >= lo && c->addr[0] < lo + SLOT)
			return t.slot[s].written;
	}
	return 0;
}

static void
device_turn(void)
{
	unsigned int take = rnd(8);

	t.device_sleeps = false;
	if (rnd(4) == 0)
		virtq_no_kicks(&vq);
	while (take-- > 0) {
		int got = virtq_pop(&vq, &t.held[t.nheld]);

		assert_true(got >= 0);
		if (got == 0 && vq.kicks_off) {
			t.device_sleeps = !virtq_want_kicks(&vq);
			break;
		}
		t.device_sleeps = got == 0;
		if (got == 0)
			break;
		if (rnd(16) == 0) {
			virtq_unpop(&vq, &t.held[t.nheld]);
			assert_int_equal(virtq_pop(&vq, &t.held[t.nheld]), 1);
		}
		device_check_and_write(&t.held[t.nheld]);
		t.nheld++;
	}
	/* Answer some, in any order. */
	for (unsigned int n = rnd(8); n > 0 && t.nheld > 0; n--) {
		unsigned int i = rnd(t.nheld);

		virtq_push(&vq, &t.held[i], written_of(&t.held[i]));
		t.held[i] = t.held[--t.nheld];
		if (rnd(3) == 0)
			virtq_flush(&vq);
	}
	virtq_flush(&vq);
	if (called()) {
		t.calls++;
		t.driver_sleeps = false;
	}
}

static void
driver_take(void)
{
	uint64_t s;
	uint32_t len;

	while (drvq_get(&drv, &s, &len)) {
		struct expect *e = &t.slot[s];
		uint64_t at = 0;

		assert_true(e->busy);
		assert_int_equal(len, e->written);
		for (unsigned int i = 0; i < MAX_BUFS; i++)
			for (uint32_t k = 0; e->bufs[i].write &&
			    k < e->bufs[i].len && at < len; k++)
				assert_int_equal(ram[e->bufs[i].addr + k],
				    byte_of(~e->key, at++));
		e->busy = false;
		t.done++;
	}
	assert_int_equal(drvq_errors, 0);
}

static void
driver_turn(uint64_t features, uint64_t total)
{
	unsigned int n = rnd(8);

	/* A driver that sleeps hears of nothing but by an interrupt. */
	if (!t.driver_sleeps) {
		driver_take();
		t.driver_sleeps = rnd(2) == 0 && !drvq_want_calls(&drv, true);
		if (!t.driver_sleeps && rnd(2) == 0)
			(void)drvq_want_calls(&drv, false);
	}
	while (n-- > 0 && t.added < total)
		(void)driver_add(features);
	if (drvq_publish(&drv)) {
		t.kicks++;
		t.device_sleeps = false;
	}
}

static void
run_traffic(uint16_t size, uint64_t features, uint64_t total)
{
	uint64_t idle = 0;

	memset(&t, 0, sizeof(t));
	seed = size * 977u + features;
	begin(size, features);
	while (t.done < total) {
		uint64_t before = t.added + t.done;

		driver_turn(features, total);
		/* A device that sleeps looks only after a kick. */
		if (!t.device_sleeps || t.nheld > 0)
			device_turn();
		idle = t.added + t.done == before ? idle + 1 : 0;
		assert_true(idle < 2000);	/* else a wake-up was lost */
	}
	assert_int_equal(vq.inflight, 0);
	assert_int_equal(vq.inflight_descs, 0);
	assert_false(vq.broken);
	/* Notifications were left out, and there were some. */
	assert_in_range(t.kicks, 1, total);
	assert_in_range(t.calls, 1, total);
}

static void
test_traffic(void **state)
{
	static const struct { uint16_t size; uint64_t features; } form[] = {
		{ 256, F_SPLIT | F_EVENT | F_INDIRECT },
		{ 256, F_PACKED | F_EVENT | F_INDIRECT },
		{ 16, F_SPLIT | F_EVENT },
		{ 16, F_PACKED | F_EVENT },
		{ 64, F_SPLIT },
		{ 37, F_PACKED },
		{ 13, F_PACKED | F_EVENT | F_INDIRECT },
		{ 1024, F_SPLIT | F_INDIRECT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(form) / sizeof(form[0]); i++)
		run_traffic(form[i].size, form[i].features,
		    i < 2 ? 100000 : 70000);
}

int
main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T_(test_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
