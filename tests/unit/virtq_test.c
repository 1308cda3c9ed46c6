/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings: traffic of 100,000 requests in each form against the driver's side
 * of tests/native/drvq.c, and every rule that a driver can break.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "device-workers/lib/virtq.h"
#include "tests/native/drvq.h"

#define MIB (1ull << 20)
#define EDGE (2 * MIB)		/* two regions touch here */
#define TOP (4 * MIB)		/* nothing from here to HIGH */
#define HIGH 0x100000000ull	/* a read-only region of a page */
#define F_SPLIT (1ull << VIRTIO_F_VERSION_1)
#define F_PACKED (F_SPLIT | 1ull << VIRTIO_F_RING_PACKED)
#define F_EVENT (1ull << VIRTIO_F_EVENT_IDX)
#define F_INDIRECT (1ull << VIRTIO_F_INDIRECT_DESC)

#define NEXT 1u
#define WRITE 2u
#define INDIRECT 4u

static struct gmem mem;
static uint8_t *ram;		/* as the guest sees it, in one piece */
static int ram_fd, log_fd, call_fd;
static struct virtq vq;
static struct drvq drv;
static struct virtq_chain chain;

static int
set_up(void **state)
{
	(void)state;
	ram_fd = memfd_create("ram", MFD_CLOEXEC);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(ram_fd >= 0 && log_fd >= 0 && call_fd >= 0);
	assert_int_equal(ftruncate(ram_fd, (off_t)TOP + 4096), 0);
	assert_int_equal(ftruncate(log_fd, 4096), 0);
	ram = mmap(NULL, TOP, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
	assert_true(ram != MAP_FAILED);
	assert_int_equal(gmem_init(&mem, TOP + 4096), 0);
	/* The second in the lower place: touching for the guest alone. */
	assert_int_equal(gmem_add(&mem, 1, EDGE, TOP - EDGE, ram_fd,
	    EDGE, false), 0);
	assert_int_equal(gmem_add(&mem, 0, 0, EDGE, ram_fd, 0, false), 0);
	assert_int_equal(gmem_add(&mem, 2, HIGH, 4096, ram_fd, TOP, true), 0);
	drvq_errors = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	virtq_disable(&vq);
	gmem_fini(&mem);
	munmap(ram, TOP);
	close(ram_fd);
	close(log_fd);
	close(call_fd);
	return 0;
}

static void
begin(uint16_t size, uint64_t features)
{
	struct virtq_layout layout = { .size = size };

	drvq_init(&drv, ram, 0x10000, size, features);
	layout.desc = drv.desc;
	layout.avail = drv.avail;
	layout.used = drv.used;
	assert_int_equal(virtq_enable(&vq, &mem, &layout, features, call_fd), 0);
}

static bool
called(void)
{
	uint64_t n;

	return read(call_fd, &n, sizeof(n)) == sizeof(n);
}

/* ---- traffic ------------------------------------------------------------------ */

static uint64_t seed;

static uint32_t
rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

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

/* ---- broken rules -------------------------------------------------------------- */

static void
desc(unsigned int i, uint64_t addr, uint32_t len, uint32_t flags,
    uint32_t next_or_id)
{
	uint8_t *at = ram + drv.desc + 16 * i;
	uint16_t f = (uint16_t)flags, n = (uint16_t)next_or_id;

	memcpy(at, &addr, 8);
	memcpy(at + 8, &len, 4);
	if (vq.packed)
		f |= 0x80;
	memcpy(at + (vq.packed ? 14 : 12), &f, 2);
	memcpy(at + (vq.packed ? 12 : 14), &n, 2);
}

/* An entry of an indirect table. */
static void
entry(uint64_t table, unsigned int i, uint64_t addr, uint32_t len,
    uint32_t flags, uint32_t next)
{
	uint8_t *at = ram + table + 16 * i;
	uint16_t f = (uint16_t)flags, n = (uint16_t)next;

	memcpy(at, &addr, 8);
	memcpy(at + 8, &len, 4);
	memcpy(at + (vq.packed ? 14 : 12), &f, 2);
	memcpy(at + (vq.packed ? 12 : 14), &n, 2);
}

/* Split: heads 0 to @n - 1 are available. Packed: it is so already. */
static void
available(uint16_t n)
{
	if (vq.packed)
		return;
	for (uint16_t i = 0; i < n; i++)
		memcpy(ram + drv.avail + 4 + 2u * i, &i, 2);
	memcpy(ram + drv.avail + 2, &n, 2);
}

#define T 0x8000ull		/* an indirect table */

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
		virtq_push(&vq, &chain, 100);
		virtq_flush(&vq);
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
	for (int f = 0; f < 4; f++) {
		begin(8, forms[f]);
		for (uint64_t i = 0; i < 300; i++) {
			struct drvq_buf bufs[2] = {
				{ 0x100000 + 0x4000 * i, rnd(3 * 4096), true },
				{ 0x2000 + 0x1000 * rnd(8) - 3, 7, true },
			};

			if (i == 100)
				bufs[0].addr = EDGE - 5000;
			bufs[0].addr %= TOP - 0x10000;
			bufs[0].addr |= 0x40000;
			(void)drvq_add(&drv, bufs, 2, 0, i);
			(void)drvq_publish(&drv);
			memcpy(before, ram, TOP);
			memset(bits, 0, 4096);
			assert_int_equal(virtq_pop(&vq, &chain), 1);
			len = invert(1 + rnd(3 * 4096));
			/* Nothing of it is marked before it is complete. */
			assert_int_equal(bits[bufs[0].addr / 4096 / 8] &
			    1 << bufs[0].addr / 4096 % 8, 0);
			virtq_push(&vq, &chain, len);
			virtq_flush(&vq);
			(void)virtq_want_kicks(&vq);
			for (unsigned int p = 0; p < TOP / 4096; p++) {
				bool changed = memcmp(before + 4096 * p,
				    ram + 4096 * p, 4096) != 0;
				bool marked = (bits[p / 8] >> p % 8 & 1) != 0;

				/* The event's page may be written the same. */
				if (changed != marked && p != drv.used / 4096 &&
				    p != (drv.used + 63) / 4096)
					fail_msg("form %d request %u page %u: "
					    "changed %d marked %d", f,
					    (unsigned int)i, p, changed, marked);
				assert_true(!changed || marked);
			}
			assert_true(drvq_get(&drv, &cookie, &len));
		}
	}
	munmap(bits, 4096);
	free(before);
}

int
main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T_(test_enable), T_(test_segments), T_(test_broken_rules),
		T_(test_4g), T_(test_full_ring), T_(test_group), T_(test_unpop),
		T_(test_hold), T_(test_memory_goes), T_(test_save_and_load),
		T_(test_dirty), T_(test_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
