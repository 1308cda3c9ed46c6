// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-balloon in its jail: what is given up is no longer the memfd's,
 * on every kind of ring; reports of free pages, huge pages, statistics, a successor,
 * and page numbers that lie.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "device-workers/balloon/balloon.h"
#include "device-workers/lib/counters.h"
#include "device-workers/lib/record.h"
#include "tests/native/device_test.h"

#define PAGE 4096u
#define NUMBERS FAKEVM_DATA		/* page numbers of a request */
#define STATS (FAKEVM_DATA + 0x100000)
#define PLACE (32ull << 20)		/* what goes into the balloon */
#define PLACE_PAGES 1024u
#define HUGE (2ull << 20)

static struct fakevm vm;
static int record, page;

static bool
start(bool reporting, uint64_t host_page)
{
	static char id[] = "balloon0";
	const struct fakevm_fd fds[] = { { FD_RECORD, record },
		{ FD_CONFIG_PAGE, page } };
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	Bh__BalloonConfig balloon = BH__BALLOON_CONFIG__INIT;

	balloon.size = 8 << 20;
	balloon.deflate_on_oom = true;
	balloon.free_page_reporting = reporting;
	balloon.host_page = host_page;
	balloon.queue_size = 128;
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BALLOON;
	config.balloon = &balloon;
	return fakevm_start(&vm, "build/bulkhead-balloon", &config, fds, 2) == 0;
}

/* Bytes of the guest's memory that the host has given. */
static uint64_t
backed(void)
{
	struct stat st = { .st_blocks = 0 };

	(void)fstat(vm.ram_fd, &st);
	return (uint64_t)st.st_blocks * 512;
}

static uint64_t
counter(unsigned int which)
{
	uint64_t n = 0;

	(void)!pread(record, &n, sizeof(n),
	    (off_t)(COUNTERS_AT + which * sizeof(n)));
	return n;
}

static void
fill(uint64_t at, uint64_t len)
{
	memset(vm.ram + at, 0xa5, len);
}

static bool
is(uint64_t at, uint64_t len, uint8_t value)
{
	for (uint64_t i = 0; i < len; i++)
		if (vm.ram[at + i] != value)
			return false;
	return true;
}

/* @n pages from @first on, in this order or the other, in or out. */
static bool
move(unsigned int q, uint32_t first, uint32_t n, bool down)
{
	const struct drvq_buf buf = { NUMBERS, n * 4, false };
	uint32_t len;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = first + (down ? n - 1 - i : i);

		memcpy(vm.ram + NUMBERS + 4ull * i, &at, 4);
	}
	return fakevm_request(&vm, q, &buf, 1, &len) == 0;
}

static bool
pages_on(size_t ring)
{
	uint32_t first = PLACE / PAGE;
	uint64_t before;

	MUST(start(false, PAGE));
	MUST(vm.virtio_id == 5 && vm.config_len == 8 && vm.nqueues == 3);
	MUST(vm.config[0] == 0 && vm.config[1] == 8 && vm.config[4] == 0);
	MUST((vm.features & ~RING_FEATURES) == (1ull << VIRTIO_F_VERSION_1 |
	    1u << BALLOON_F_STATS_VQ | 1u << BALLOON_F_DEFLATE_ON_OOM));
	MUST(activate(&vm, ring, 3) == 0);
	for (int down = 0; down < 2; down++) {
		fill(PLACE - PAGE, (PLACE_PAGES + 2) * PAGE);
		fill(NUMBERS, PLACE_PAGES * 4);
		before = backed();
		for (uint32_t i = 0; i < PLACE_PAGES; i += 256)
			MUST(move(0, first + i, 256, down != 0));
		MUST(before - backed() == PLACE_PAGES * PAGE);
		MUST(is(PLACE - PAGE, PAGE, 0xa5) &&
		    is(PLACE + PLACE_PAGES * PAGE, PAGE, 0xa5));
		/* Out of it, and used again. */
		MUST(move(1, first, PLACE_PAGES, down != 0));
		MUST(before - backed() == PLACE_PAGES * PAGE);
		MUST(is(PLACE, PLACE_PAGES * PAGE, 0));
		MUST(before == backed());
	}
	MUST(vm.needs_reset == 0);
	return fakevm_quit(&vm) == 0;
}

static bool
reports_on(unsigned int queue)
{
	struct drvq_buf buf[3] = {
		{ PLACE, 512 * PAGE, true },
		{ PLACE + 600 * PAGE + 100, 4 * PAGE, true },
		{ PLACE + 700 * PAGE + 100, PAGE, true },
	};
	uint64_t before;
	uint32_t len;

	MUST(start(true, PAGE));
	MUST(vm.nqueues == 5);
	MUST((vm.features & 1u << BALLOON_F_REPORTING) != 0);
	/* As many as are there by what was negotiated, or by the numbers of 5.5.2. */
	MUST(fakevm_activate(&vm, 1ull << VIRTIO_F_VERSION_1 |
	    1u << BALLOON_F_REPORTING | (queue == 2 ? 0 :
	    1u << BALLOON_F_STATS_VQ), 5, 64) == 0);
	fill(PLACE, PLACE_PAGES * PAGE);
	before = backed();
	MUST(fakevm_request(&vm, queue, buf, 3, &len) == 0 && len == 0);
	/* Whole pages alone: 512, 3 of 4, none of one. */
	MUST(before - backed() == 515 * PAGE);
	MUST(is(PLACE, 512 * PAGE, 0) && is(PLACE + 512 * PAGE, 89 * PAGE, 0xa5));
	MUST(is(PLACE + 601 * PAGE, 3 * PAGE, 0));
	MUST(is(PLACE + 604 * PAGE, 200 * PAGE, 0xa5));
	return fakevm_quit(&vm) == 0;
}

/* The unit is what the host's memory consists of. */
static bool
huge_pages(void)
{
	struct drvq_buf buf = { PLACE + PAGE, (uint32_t)(2 * HUGE), true };
	uint32_t first = PLACE / PAGE, len;
	uint64_t before;

	MUST(start(true, HUGE));
	MUST((vm.features & 1u << BALLOON_F_MUST_TELL_HOST) != 0);
	MUST(activate(&vm, 1, 5) == 0);
	fill(PLACE, 3 * HUGE);
	before = backed();
	MUST(move(0, first, 511, false));
	MUST(move(1, first + 3, 1, false));
	MUST(move(0, first + 511, 1, false));
	MUST(before == backed());
	MUST(move(0, first + 3, 1, false));
	MUST(before - backed() == HUGE);
	MUST(is(PLACE, HUGE, 0) && is(PLACE + HUGE, HUGE, 0xa5));
	MUST(before == backed());
	/* Taken out in part, it is not given back by the rest. */
	MUST(move(1, first, 100, false));
	fill(PLACE, 100 * PAGE);
	MUST(move(0, first + 100, 412, false));
	MUST(is(PLACE, 100 * PAGE, 0xa5));
	MUST(fakevm_request(&vm, 3, &buf, 1, &len) == 0);
	MUST(before - backed() == HUGE);
	MUST(is(PLACE + HUGE - PAGE, PAGE, 0) && is(PLACE + 2 * HUGE, PAGE, 0xa5));
	/* A new driver has all of it. */
	MUST(move(0, first, 511, false));
	MUST(fakevm_reset(&vm) == 0 && activate(&vm, 0, 5) == 0);
	fill(PLACE, HUGE);
	MUST(move(0, first + 511, 1, false));
	MUST(is(PLACE, HUGE, 0xa5));
	/* One who does not tell: nothing goes, it might be in use. */
	MUST(fakevm_reset(&vm) == 0);
	MUST(fakevm_activate(&vm, 1ull << VIRTIO_F_VERSION_1, 5, 64) == 0);
	MUST(move(0, first, 512, false));
	MUST(is(PLACE, HUGE, 0xa5));
	return fakevm_quit(&vm) == 0;
}

static bool
refresh(void)
{
	Bh__RefreshStatistics m = BH__REFRESH_STATISTICS__INIT;
	CHAN_PACKET(p, REFRESH_STATISTICS, refresh_statistics, &m);

	return chan_send(&vm.ctl, &p, NULL, 0) == 0;
}

static bool
put_stats(uint16_t tag, uint64_t value)
{
	const struct drvq_buf buf = { STATS, 20, false };
	uint16_t unknown = 99;

	memcpy(vm.ram + STATS, &unknown, 2);
	memcpy(vm.ram + STATS + 10, &tag, 2);
	memcpy(vm.ram + STATS + 12, &value, 8);
	if (drvq_add(&vm.q[2], &buf, 1, 0, 7) < 0)
		return false;
	fakevm_publish(&vm, 2);
	for (int i = 0; i < 5000 && counter(BALLOON_COUNT_STATS + tag) != value; i++)
		usleep(1000);
	return counter(BALLOON_COUNT_STATS + tag) == value;
}

static bool
statistics_on(size_t ring)
{
	uint64_t cookie;
	uint32_t len;

	MUST(start(false, PAGE));
	MUST(activate(&vm, ring, 3) == 0);
	MUST(put_stats(4, 1000));
	MUST(counter(BALLOON_COUNT_UPDATED) > 1000000000);
	for (uint64_t i = 0; i < 5; i++) {
		MUST(!drvq_get(&vm.q[2], &cookie, &len));
		MUST(refresh());
		MUST(fakevm_used(&vm, 2, &cookie, &len) == 0 && cookie == 7);
		MUST(put_stats(9, i + 1));
	}
	/* Whoever comes next finds it there. */
	fakevm_kill(&vm);
	MUST(start(false, PAGE));
	vm.resume = true;
	MUST(fakevm_activate_rings(&vm,
	    (vm.features & ~RING_FEATURES) | rings[ring].features, 3) == 0);
	vm.resume = false;
	MUST(refresh());
	MUST(fakevm_used(&vm, 2, &cookie, &len) == 0 && cookie == 7);
	MUST(put_stats(0, 77 + ring));
	return fakevm_quit(&vm) == 0;
}

static bool
target(void)
{
	Bh__SetBalloon m = BH__SET_BALLOON__INIT;
	CHAN_PACKET(p, SET_BALLOON, set_balloon, &m);

	MUST(start(false, PAGE));
	MUST(activate(&vm, 0, 3) == 0);
	m.size = 3 << 20;
	MUST(chan_send(&vm.ctl, &p, NULL, 0) == 0);
	for (int i = 0; i < 100 && vm.config_changes == 0; i++)
		MUST(fakevm_pump(&vm, 100) >= 0);
	MUST(vm.config_changes == 1 && vm.config[0] == 0 && vm.config[1] == 3);
	/* A vcpu-worker that comes later hears it again. */
	MUST(fakevm_attach_bus(&vm) == 0);
	for (int i = 0; i < 100 && vm.config_changes == 1; i++)
		MUST(fakevm_pump(&vm, 100) >= 0);
	MUST(vm.config_changes == 2);
	return fakevm_quit(&vm) == 0;
}

static bool
lies(void)
{
	static const uint32_t numbers[] = { 0xffffffff, FAKEVM_RAM / PAGE, 0x80000000,
		FAKEVM_RAM / PAGE + 1 };
	struct drvq_buf buf = { NUMBERS, sizeof(numbers), false };
	uint64_t before;
	uint32_t len;

	MUST(start(true, PAGE));
	MUST(activate(&vm, 1, 5) == 0);
	fill(PLACE, PAGE);
	memcpy(vm.ram + NUMBERS, numbers, sizeof(numbers));
	before = backed();
	MUST(fakevm_request(&vm, 0, &buf, 1, &len) == 0);
	MUST(fakevm_request(&vm, 1, &buf, 1, &len) == 0);
	for (buf.len = 0; buf.len < 4; buf.len++)
		MUST(fakevm_request(&vm, 0, &buf, 1, &len) == 0);
	/* The other way round, and numbers that are reported. */
	buf.len = 4096;
	buf.write = true;
	MUST(fakevm_request(&vm, 0, &buf, 1, &len) == 0);
	buf.write = false;
	MUST(fakevm_request(&vm, 3, &buf, 1, &len) == 0);
	MUST(before == backed());
	/* More of them than one request may have: the last is not looked at. */
	for (uint32_t i = 0; i < BALLOON_MAX_PAGES; i++)
		memcpy(vm.ram + NUMBERS + 4ull * i, &numbers[1], 4);
	memcpy(vm.ram + NUMBERS + 4ull * BALLOON_MAX_PAGES,
	    &(uint32_t){ PLACE / PAGE }, 4);
	buf.len = 4 * (BALLOON_MAX_PAGES + 1);
	MUST(fakevm_request(&vm, 0, &buf, 1, &len) == 0);
	MUST(is(PLACE, PAGE, 0xa5));
	/* The page that the numbers are in, and the rings. */
	memcpy(vm.ram + NUMBERS, &(uint32_t){ NUMBERS / PAGE }, 4);
	buf.len = 8192;
	MUST(fakevm_request(&vm, 0, &buf, 1, &len) == 0);
	MUST(vm.needs_reset == 0);
	return fakevm_quit(&vm) == 0;
}

static bool
make(void)
{
	record = memfd_create("record", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	page = memfd_create("page", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	return record >= 0 && page >= 0 && ftruncate(page, 4096) == 0 &&
	    ftruncate(record, RECORD_SIZE(5)) == 0 &&
	    fcntl(record, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0 &&
	    fcntl(page, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0;
}

int
main(void)
{
	char name[100];

	if (fakevm_init(&vm) != 0 || !make()) {
		printf("Bail out! no memory\n");
		return 1;
	}
	for (size_t i = 0; i < NRINGS; i++) {
		snprintf(name, sizeof(name), "%s: pages go back", rings[i].name);
		result(pages_on(i), &vm, name);
		fakevm_kill(&vm);
		snprintf(name, sizeof(name), "%s: statistics", rings[i].name);
		result(statistics_on(i), &vm, name);
		fakevm_kill(&vm);
	}
	for (unsigned int q = 2; q < 5; q++) {
		snprintf(name, sizeof(name), "free pages are reported on queue %u", q);
		result(reports_on(q), &vm, name);
		fakevm_kill(&vm);
	}
	result(huge_pages(), &vm, "huge pages go as a whole");
	fakevm_kill(&vm);
	result(target(), &vm, "another size is asked for");
	fakevm_kill(&vm);
	result(lies(), &vm, "page numbers that lie");
	fakevm_kill(&vm);
	fakevm_fini(&vm);
	return finish();
}
