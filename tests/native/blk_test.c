// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-blk in its jail, on a file: contents both ways on every
 * kind of ring, every malformed request of virtio 1.2, 5.2.6, and a worker that
 * takes over from one that was killed.
 */
#include <signal.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "device-workers/blk/blk_req.h"
#include "tests/native/device_test.h"

#define DISK (1u << 20)
#define HEADER FAKEVM_DATA
#define STATUS (FAKEVM_DATA + 0x1000)
#define DATA (FAKEVM_DATA + 0x10000)
#define TABLE (FAKEVM_DATA + 0x2000)

static struct fakevm vm;
static int disk, direct_disk = -1;
static uint64_t table;		/* of indirect descriptors, or 0 */

/* How the disk is read and written. */
static const struct engine {
	const char *name;
	const char *dir;	/* NULL: where the user has temporary files */
	bool direct, no_ring, short_run;
} engines[] = {
	{ "io_uring", NULL, false, false, false },
	{ "io_uring, direct", NULL, true, false, true },
	{ "no io_uring", NULL, false, true, true },
	{ "in memory", "/dev/shm", false, false, true },
};
static const struct engine *engine = engines;
static bool shaped;		/* with a shape of the storage, and one CPU */

static uint8_t
disk_byte(uint64_t at)
{
	return (uint8_t)(at * 31 + at / 509);
}

static void
fill_disk(void)
{
	static uint8_t buf[DISK];

	for (uint32_t i = 0; i < DISK; i++)
		buf[i] = disk_byte(i);
	if (pwrite(disk, buf, DISK, 0) != DISK)
		abort();
}

/* @page: of what the driver writes to the configuration space; -1: none. */
static bool
start_on(int fd, int page, bool readonly)
{
	static char serial[] = "bulkhead-0001", id[] = "disk0";
	const struct fakevm_fd fds[] = {
		{ FD_BACKEND, fd }, { FD_CONFIG_PAGE, page },
	};
	static uint32_t cpus[] = { 0 };
	Bh__DeviceConfig config;
	Bh__BlkShape shape;
	Bh__BlkConfig blk;

	bh__device_config__init(&config);
	bh__blk_config__init(&blk);
	blk.size = DISK;
	blk.block_size = 512;
	blk.readonly = readonly;
	blk.serial = serial;
	blk.num_queues = 2;
	blk.queue_size = 64;
	blk.sparse = true;
	if (shaped) {
		bh__blk_shape__init(&shape);
		shape.physical_block = 4096;
		shape.minimum_io = 8192;
		shape.optimal_io = 65536;
		shape.alignment = 512;
		blk.shape = &shape;
		blk.host_cpus = cpus;
		blk.n_host_cpus = 1;
	}
	blk.direct = fd == direct_disk;
	blk.disable_io_uring = engine->no_ring || page >= 0;
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	return fakevm_start(&vm, "build/bulkhead-blk", &config, fds,
	    page >= 0 ? 2 : 1) == 0;
}

static bool
start(bool readonly)
{
	return start_on(engine->direct ? direct_disk : disk, -1, readonly);
}

static void
put_header(uint32_t type, uint64_t sector)
{
	memset(vm.ram + HEADER, 0, BLK_HEADER_SIZE);
	memcpy(vm.ram + HEADER, &type, sizeof(type));
	memcpy(vm.ram + HEADER + 8, &sector, sizeof(sector));
	vm.ram[STATUS] = 0xee;
}

/* The status of a request of any shape, -1 if it was not answered. */
static int
submit(const struct drvq_buf *bufs, unsigned int n)
{
	uint64_t cookie;
	uint32_t len;

	if (drvq_add(&vm.q[0], bufs, n, table, 1) < 0)
		return -1;
	fakevm_publish(&vm, 0);
	return fakevm_used(&vm, 0, &cookie, &len) == 0 ? vm.ram[STATUS] : -1;
}

static int
request(uint32_t type, uint64_t sector, uint32_t len, bool write)
{
	const struct drvq_buf bufs[] = {
		{ HEADER, BLK_HEADER_SIZE, false }, { DATA, len, write },
		{ STATUS, 1, true },
	};

	put_header(type, sector);
	if (len > 0)
		return submit(bufs, 3);
	return submit((const struct drvq_buf[]){ bufs[0], bufs[2] }, 2);
}

static bool
holds_disk(uint64_t addr, uint64_t from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (vm.ram[addr + i] != disk_byte(from + i))
			return false;
	return true;
}

static bool
test_contents(void)
{
	uint8_t back[8192];

	MUST(request(VIRTIO_BLK_T_IN, 0, DISK, true) == 0);
	MUST(holds_disk(DATA, 0, DISK));
	memset(vm.ram + DATA, 0x5a, 8192);
	MUST(request(VIRTIO_BLK_T_OUT, 100, 8192, false) == 0);
	MUST(request(VIRTIO_BLK_T_FLUSH, 0, 0, false) == 0);
	MUST(pread(disk, back, sizeof(back), 100 * 512) == sizeof(back));
	MUST(memcmp(back, vm.ram + DATA, sizeof(back)) == 0);
	MUST(pread(disk, back, 1, 100 * 512 - 1) == 1 &&
	    back[0] == disk_byte(100 * 512 - 1));
	MUST(pread(disk, back, 1, 116 * 512) == 1 &&
	    back[0] == disk_byte(116 * 512));
	MUST(request(VIRTIO_BLK_T_GET_ID, 0, 20, true) == 0);
	MUST(strcmp((char *)vm.ram + DATA, "bulkhead-0001") == 0);
	return true;
}

static bool
test_ranges(void)
{
	struct { uint64_t sector; uint32_t n, flags; } range = { 256, 256, 0 };
	struct stat before, after;
	uint8_t back[512];

	MUST(fstat(disk, &before) == 0);
	memcpy(vm.ram + DATA, &range, sizeof(range));
	MUST(request(VIRTIO_BLK_T_DISCARD, 0, 16, false) == 0);
	MUST(fstat(disk, &after) == 0 && after.st_size == DISK);
	MUST(after.st_blocks < before.st_blocks);
	for (uint32_t unmap = 0; unmap < 2; unmap++) {
		range.sector = 1024 + 8 * unmap;
		range.n = 1;
		range.flags = unmap;
		memcpy(vm.ram + DATA, &range, sizeof(range));
		MUST(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false) == 0);
		MUST(pread(disk, back, 512, (off_t)range.sector * 512) == 512);
		for (unsigned int i = 0; i < 512; i++)
			MUST(back[i] == 0);
		MUST(pread(disk, back, 1, (off_t)range.sector * 512 + 512) == 1);
		MUST(back[0] == disk_byte(range.sector * 512 + 512));
	}
	range.flags = 2;
	memcpy(vm.ram + DATA, &range, sizeof(range));
	MUST(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false) == 2);
	range.flags = 0;
	range.sector = DISK / 512;
	memcpy(vm.ram + DATA, &range, sizeof(range));
	MUST(request(VIRTIO_BLK_T_DISCARD, 0, 16, false) == 1);
	return true;
}

static bool
test_split_header(void)
{
	for (uint32_t at = 1; at < BLK_HEADER_SIZE; at++) {
		const struct drvq_buf bufs[] = {
			{ HEADER, at, false },
			{ HEADER + at, BLK_HEADER_SIZE - at, false },
			{ DATA, 512 - at, true },
			/* The last of the data and the status in one. */
			{ STATUS - at, at + 1, true },
		};

		put_header(VIRTIO_BLK_T_IN, 3);
		MUST(submit(bufs, 4) == 0);
		MUST(holds_disk(DATA, 3 * 512, 512 - at));
		MUST(holds_disk(STATUS - at, 4 * 512 - at, at));
	}
	return true;
}

static bool
test_refusals(void)
{
	const uint64_t end = DISK / 512;
	const struct drvq_buf shorter[] = {
		{ HEADER, BLK_HEADER_SIZE - 1, false }, { STATUS, 1, true },
	};

	MUST(request(VIRTIO_BLK_T_IN, end, 512, true) == 1);
	MUST(request(VIRTIO_BLK_T_IN, end - 1, 1024, true) == 1);
	MUST(request(VIRTIO_BLK_T_OUT, end - 1, 1024, false) == 1);
	MUST(request(VIRTIO_BLK_T_IN, UINT64_MAX, 512, true) == 1);
	MUST(request(VIRTIO_BLK_T_OUT, 1ull << 55, 512, false) == 1);
	MUST(request(VIRTIO_BLK_T_IN, 0, 0, true) == 1);
	MUST(request(VIRTIO_BLK_T_OUT, 0, 0, false) == 1);
	MUST(request(VIRTIO_BLK_T_IN, 0, 511, true) == 1);
	MUST(request(VIRTIO_BLK_T_IN, 0, 512, false) == 1);
	MUST(request(VIRTIO_BLK_T_OUT, 0, 512, true) == 1);
	MUST(request(99, 0, 512, true) == 2);
	put_header(VIRTIO_BLK_T_FLUSH, 0);
	MUST(submit(shorter, 2) == 1);
	/* And it still works. */
	MUST(request(VIRTIO_BLK_T_IN, 7, 512, true) == 0);
	MUST(holds_disk(DATA, 7 * 512, 512));
	MUST(vm.needs_reset == 0);
	return true;
}

/* @n reads of one sector each on queue @q: added, not yet shown. */
static bool
add_reads(unsigned int q, unsigned int n, unsigned int first)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t at = first + i;
		struct drvq_buf bufs[] = {
			{ HEADER + 32 * at, BLK_HEADER_SIZE, false },
			{ DATA + 512 * at, 512, true }, { STATUS + at, 1, true },
		};

		memset(vm.ram + HEADER + 32 * at, 0, BLK_HEADER_SIZE);
		vm.ram[HEADER + 32 * at + 8] = (uint8_t)at;
		vm.ram[STATUS + at] = 0xee;
		memset(vm.ram + DATA + 512 * at, 0xcc, 512);
		MUST(drvq_add(&vm.q[q], bufs, 3, 0, at) >= 0);
	}
	return true;
}

static bool
await_reads(unsigned int q, unsigned int n, uint64_t *seen)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t at;
		uint32_t len;

		MUST(fakevm_used(&vm, q, &at, &len) == 0);
		MUST(len == 513 && (*seen & 1ull << at) == 0);
		*seen |= 1ull << at;
		MUST(vm.ram[STATUS + at] == 0);
		MUST(holds_disk(DATA + 512 * at, 512 * at, 512));
	}
	return true;
}

static bool
test_batches(void)
{
	uint64_t seen = 0;

	for (unsigned int round = 0; round < 20; round++) {
		seen = 0;
		MUST(add_reads(0, 20, 0) && add_reads(1, 20, 20));
		fakevm_publish(&vm, 0);
		fakevm_publish(&vm, 1);
		MUST(await_reads(0, 20, &seen) && await_reads(1, 20, &seen));
		MUST(seen == (1ull << 40) - 1);
	}
	return true;
}

/* Killed and replaced in mid-ring: all requests complete, once. */
static bool
test_successor(void)
{
	uint64_t seen = 0;

	MUST(add_reads(0, 10, 0));
	fakevm_publish(&vm, 0);
	MUST(await_reads(0, 10, &seen));
	MUST(fakevm_save(&vm) == 0);
	MUST(add_reads(0, 10, 10));
	fakevm_publish(&vm, 0);
	MUST(add_reads(1, 10, 20));
	fakevm_publish(&vm, 1);
	fakevm_kill(&vm);
	MUST(start(false));
	MUST(fakevm_load(&vm) == 0);
	MUST(await_reads(0, 10, &seen) && await_reads(1, 10, &seen));
	MUST(seen == (1ull << 30) - 1 && drvq_errors == 0);
	return true;
}

/* A page is marked if and only if it was written, rings included. */
static bool
test_dirty_log(void)
{
	static uint8_t before[FAKEVM_RAM];
	const uint64_t pages = FAKEVM_RAM / 4096;
	int fd = memfd_create("dirty", MFD_CLOEXEC);
	uint8_t *log;
	uint64_t seen = 0;

	MUST(fd >= 0 && ftruncate(fd, (off_t)(pages / 8)) == 0);
	log = mmap(NULL, pages / 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(log != MAP_FAILED);
	MUST(add_reads(0, 20, 0));
	MUST(fakevm_dirty_log(&vm, fd, pages / 8) == 0);
	memcpy(before, vm.ram, FAKEVM_RAM);
	fakevm_publish(&vm, 0);
	MUST(await_reads(0, 20, &seen));
	MUST(request(VIRTIO_BLK_T_IN, DISK / 512, 4096, true) == 1);
	MUST(fakevm_dirty_log(&vm, -1, 0) == 0);
	for (uint64_t i = FAKEVM_DATA / 4096; i < pages; i++) {
		bool changed = memcmp(before + i * 4096, vm.ram + i * 4096,
		    4096) != 0;

		/* These pages are the driver's own doing. */
		if (i == HEADER / 4096 || i == TABLE / 4096)
			continue;
		MUST(changed == ((log[i / 8] >> i % 8 & 1) != 0));
	}
	MUST(vm.ram[STATUS] == 1);
	munmap(log, pages / 8);
	close(fd);
	return true;
}

static bool
test_no_status(void)
{
	const struct drvq_buf bufs = { HEADER, BLK_HEADER_SIZE, false };

	put_header(VIRTIO_BLK_T_FLUSH, 0);
	MUST(drvq_add(&vm.q[0], &bufs, 1, 0, 1) >= 0);
	fakevm_publish(&vm, 0);
	for (unsigned int i = 0; i < 50 && vm.needs_reset == 0; i++)
		fakevm_pump(&vm, 100);
	MUST(vm.needs_reset == 1);
	vm.needs_reset = 0;
	MUST(fakevm_reset(&vm) == 0);
	MUST(activate(&vm, 0, 2) == 0);
	MUST(request(VIRTIO_BLK_T_IN, 7, 512, true) == 0);
	return true;
}

static bool
test_readonly(void)
{
	MUST(start(true));
	MUST((vm.features >> VIRTIO_BLK_F_RO & 1) != 0);
	MUST((vm.features >> VIRTIO_BLK_F_DISCARD & 1) == 0);
	MUST(activate(&vm, 0, 2) == 0);
	fill_disk();
	MUST(request(VIRTIO_BLK_T_OUT, 0, 512, false) == 1);
	MUST(request(VIRTIO_BLK_T_FLUSH, 0, 0, false) == 0);
	MUST(request(VIRTIO_BLK_T_IN, 0, 512, true) == 0);
	MUST(holds_disk(DATA, 0, 512));
	MUST(fakevm_quit(&vm) == 0);
	return true;
}

/* Is the engine what its name says? */
static bool
has_ring(void)
{
	char name[40], text[40] = "";

	snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)vm.pid, FD_BLK_RING);
	return readlink(name, text, sizeof(text) - 1) > 0 &&
	    strstr(text, "io_uring") != NULL;
}

static uint64_t
capacity(void)
{
	uint64_t n;

	memcpy(&n, vm.config, sizeof(n));
	return n * 512;
}

static bool
test_resize(void)
{
	const uint64_t last = 2 * DISK / 512 - 1;

	MUST(start(false) && activate(&vm, 1, 2) == 0);
	vm.config_changes = 0;
	/* The file has not grown: nor does the disk. */
	MUST(fakevm_resize(&vm, 2 * DISK) == -ENOSPC);
	MUST(fakevm_resize(&vm, 2 * DISK - 1) == -EINVAL);
	MUST(request(VIRTIO_BLK_T_IN, DISK / 512, 512, true) == 1);
	MUST(vm.config_changes == 0);
	MUST(ftruncate(disk, 2 * DISK) == 0);
	MUST(fakevm_resize(&vm, 2 * DISK) == 0);
	MUST(fakevm_pump(&vm, 1000) >= 0 && vm.config_changes == 1);
	MUST(capacity() == 2 * DISK);
	MUST(request(VIRTIO_BLK_T_OUT, last, 512, false) == 0);
	MUST(request(VIRTIO_BLK_T_IN, last + 1, 512, true) == 1);
	/* Smaller: the file is cut afterwards. */
	MUST(fakevm_resize(&vm, DISK) == 0);
	MUST(ftruncate(disk, DISK) == 0);
	MUST(request(VIRTIO_BLK_T_IN, last, 512, true) == 1);
	MUST(request(VIRTIO_BLK_T_OUT, DISK / 512, 512, false) == 1);
	MUST(request(VIRTIO_BLK_T_IN, DISK / 512 - 1, 512, true) == 0);
	MUST(fakevm_pump(&vm, 1000) >= 0 && capacity() == DISK);
	MUST(fakevm_reset(&vm) == 0 && fakevm_quit(&vm) == 0);
	return true;
}

/* What the storage likes reaches the driver, and the CPUs the worker. */
static bool
test_shape(void)
{
	cpu_set_t set;

	shaped = true;
	MUST(start(false));
	shaped = false;
	MUST(vm.config[20 + 4] == 3);			/* 4096 / 512 */
	MUST(vm.config[20 + 5] == 1);			/* 512 / 512 */
	MUST(vm.config[20 + 6] == 16 && vm.config[20 + 7] == 0);
	MUST(vm.config[20 + 8] == 128 && vm.config[20 + 9] == 0);
	CPU_ZERO(&set);
	MUST(sched_getaffinity(vm.pid, sizeof(set), &set) == 0);
	MUST(CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set));
	MUST(fakevm_quit(&vm) == 0);
	return true;
}

/* strace counts what the worker makes durable. Its output; NULL: it is not there. */
static FILE *
watch_flushes(pid_t *tracer)
{
	char pid[16], path[32], status[4096], *said;
	FILE *out = tmpfile();
	int fd;

	if (out == NULL)
		return NULL;
	snprintf(pid, sizeof(pid), "%d", (int)vm.pid);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)vm.pid);
	*tracer = fork();
	if (*tracer == 0) {
		dup2(fileno(out), 2);
		execlp("strace", "strace", "-qq", "-e", "trace=fdatasync", "-p",
		    pid, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 500; i++) {
		ssize_t n;

		usleep(10000);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd >= 0 ? read(fd, status, sizeof(status) - 1) : 0;
		close(fd);
		status[n > 0 ? n : 0] = '\0';
		said = strstr(status, "TracerPid:\t");
		if (said != NULL && said[11] != '0')
			return out;
	}
	return NULL;
}

static int
flushes(FILE *out)
{
	char line[200];
	int n = 0;

	rewind(out);
	while (fgets(line, sizeof(line), out) != NULL)
		n += strstr(line, "fdatasync") != NULL;
	return n;
}

/*
 * Is each write durable when it is answered? The page is written as the
 * vcpu-worker does it: before the request is made available, and not told
 * otherwise.
 */
static bool
test_cache_mode(void)
{
	const uint64_t flush = 1ull << VIRTIO_BLK_F_FLUSH;
	const uint64_t wce = 1ull << VIRTIO_BLK_F_CONFIG_WCE;
	const uint64_t v1 = 1ull << VIRTIO_F_VERSION_1;
	const int fd = memfd_create("page", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	volatile uint8_t *page;
	pid_t tracer;
	FILE *seen;
	void *map;

	MUST(fd >= 0 && ftruncate(fd, 4096) == 0);
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(map != MAP_FAILED);
	page = map;
	page[32] = 1;			/* writeback, 5.2.4 */
	MUST(start_on(disk, fd, false));
	MUST((vm.features & wce) != 0 && vm.config[32] == 1);
	MUST((seen = watch_flushes(&tracer)) != NULL);
	MUST(fakevm_activate(&vm, flush | wce | v1, 1, 0) == 0);
	for (int i = 0; i < 20; i++) {
		page[32] = (uint8_t)(i & 1);
		MUST(request(VIRTIO_BLK_T_OUT, 0, 512, false) == 0);
		MUST(flushes(seen) == i / 2 + 1);
	}
	MUST(fakevm_reset(&vm) == 0);
	/* Who has not negotiated it has the cache; who cannot flush has not. */
	page[32] = 0;
	MUST(fakevm_activate(&vm, flush | v1, 1, 0) == 0);
	MUST(request(VIRTIO_BLK_T_OUT, 0, 512, false) == 0);
	MUST(flushes(seen) == 10);
	MUST(fakevm_reset(&vm) == 0);
	page[32] = 1;
	MUST(fakevm_activate(&vm, wce | v1, 1, 0) == 0);
	MUST(request(VIRTIO_BLK_T_OUT, 0, 512, false) == 0);
	MUST(flushes(seen) == 11);
	MUST(kill(tracer, SIGTERM) == 0 && waitpid(tracer, NULL, 0) == tracer);
	MUST(fakevm_quit(&vm) == 0);
	fclose(seen);
	munmap(map, 4096);
	close(fd);
	return true;
}

static bool
make_disk(void)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char path[40];

	if (disk > 0)
		close(disk);
	if (direct_disk > 0)
		close(direct_disk);
	disk = open(engine->dir ? engine->dir : tmp,
	    O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", disk);
	direct_disk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	return disk >= 0;
}

static void
run_on_ring(size_t i)
{
	static const struct {
		const char *name;
		bool (*run)(void);
	} tests[] = {
		{ "contents", test_contents },
		{ "discard and write zeroes", test_ranges },
		{ "a header split at each byte", test_split_header },
		{ "malformed requests", test_refusals },
		{ "batches on two queues", test_batches },
		{ "dirty pages", test_dirty_log },
		{ "a successor in mid-ring", test_successor },
	};
	bool active = activate(&vm, i, 2) == 0;
	char name[120];

	table = (rings[i].features & 1ull << VIRTIO_F_INDIRECT_DESC) != 0 ?
	    TABLE : 0;
	for (size_t t = 0; t < sizeof(tests) / sizeof(tests[0]); t++) {
		fill_disk();
		snprintf(name, sizeof(name), "%s: %s: %s", engine->name,
		    rings[i].name, tests[t].name);
		result(active && tests[t].run(), &vm, name);
	}
	snprintf(name, sizeof(name), "%s: %s: reset", engine->name,
	    rings[i].name);
	result(fakevm_reset(&vm) == 0, &vm, name);
	table = 0;
}

static void
run_engine(void)
{
	char name[120];

	snprintf(name, sizeof(name), "%s: starts", engine->name);
	if (!make_disk() || (engine->direct && direct_disk < 0)) {
		number++;
		printf("ok %u - %s # SKIP no such file here\n", number, name);
		return;
	}
	fill_disk();
	result(start(false) && has_ring() == !engine->no_ring, &vm, name);
	for (size_t i = 0; i < NRINGS; i++)
		if (!engine->short_run || i == 1 || i == 2)
			run_on_ring(i);
	result(activate(&vm, 0, 2) == 0 && test_no_status(), &vm,
	    "a request without a status byte needs a reset");
	result(fakevm_quit(&vm) == 0, &vm, "ends with status 0");
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fakevm_init(&vm) != 0)
		return 2;
	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		engine = &engines[e];
		run_engine();
	}
	engine = engines;
	if (!make_disk())
		return 2;
	result(test_readonly(), &vm, "read only");
	fill_disk();
	result(test_resize(), &vm, "resize");
	result(test_shape(), &vm, "topology and CPUs");
	result(test_cache_mode(), &vm,
	    "the cache is what the driver has just made it");
	fakevm_fini(&vm);
	return finish();
}
