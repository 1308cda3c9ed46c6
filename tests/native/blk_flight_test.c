// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-blk with requests in flight: on a file system that is frozen
 * (FIFREEZE), writes past the page cache stay under way in the kernel, and reads do
 * not. Argument: a directory on such a file system of its own. By blk-flight.
 */
#include <linux/fs.h>
#include <dirent.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "device-workers/blk/blk_req.h"
#include "tests/native/device_test.h"

#define DISK (4u << 20)
#define HEADERS FAKEVM_DATA
#define STATUSES (FAKEVM_DATA + 0x10000)
#define DATA (FAKEVM_DATA + 0x100000)
#define THAW_AFTER 300000	/* us */

static struct fakevm vm;
static const char *dir;
static char path[200];
static int frozen_dir, look;	/* look: the file, through the page cache */
static bool is_frozen;

static void
freeze(bool on)
{
	if (is_frozen != on && ioctl(frozen_dir, on ? FIFREEZE : FITHAW, 0) != 0) {
		perror("freeze");
		exit(1);
	}
	is_frozen = on;
}

/* Thaw it in a while, during what comes next. */
static pid_t
thaw_later(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		usleep(THAW_AFTER);
		_exit(ioctl(frozen_dir, FITHAW, 0) != 0);
	}
	return pid;
}

static bool
thawed(pid_t pid)
{
	int status = 1;

	is_frozen = false;
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* @locked: the worker's open file is the only one that has the lock. */
static bool
start(bool locked)
{
	static char id[] = "disk0";
	Bh__DeviceConfig config;
	Bh__BlkConfig blk;
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC), rc;
	const struct fakevm_fd fds[] = { { FD_BACKEND, fd } };

	if (fd < 0 || (locked && fcntl(fd, F_OFD_SETLK, &lock) != 0))
		return false;
	bh__device_config__init(&config);
	bh__blk_config__init(&blk);
	blk.size = DISK;
	blk.block_size = 512;
	blk.num_queues = 2;
	blk.queue_size = 1024;
	blk.direct = true;
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	config.blk = &blk;
	rc = fakevm_start(&vm, "build/bulkhead-blk", &config, fds, 1);
	close(fd);
	return rc == 0;
}

static bool
active(size_t ring)
{
	return activate(&vm, ring, 2) == 0;
}

/* Request @n: sector 8 @n, 4 KiB of @fill. Added to queue @q, not shown. */
static bool
add(unsigned int q, unsigned int n, bool write, uint8_t fill)
{
	const struct drvq_buf bufs[] = {
		{ HEADERS + 32 * n, BLK_HEADER_SIZE, false },
		{ DATA + 4096ull * n, 4096, !write },
		{ STATUSES + n, 1, true },
	};
	const uint32_t type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
	const uint64_t sector = 8ull * n;

	memset(vm.ram + HEADERS + 32 * n, 0, 32);
	memcpy(vm.ram + HEADERS + 32 * n, &type, 4);
	memcpy(vm.ram + HEADERS + 32 * n + 8, &sector, 8);
	memset(vm.ram + DATA + 4096ull * n, fill, 4096);
	vm.ram[STATUSES + n] = 0xee;
	return drvq_add(&vm.q[q], bufs, 3, 0, n) >= 0;
}

static bool
add_many(unsigned int q, unsigned int first, unsigned int n, bool write,
    uint8_t fill)
{
	for (unsigned int i = 0; i < n; i++)
		MUST(add(q, first + i, write, fill));
	fakevm_publish(&vm, q);
	return true;
}

/* Are exactly requests @first to @first + @n used, each once and well? */
static bool
take(unsigned int q, unsigned int first, unsigned int n)
{
	uint8_t seen[1024] = { 0 };

	for (unsigned int i = 0; i < n; i++) {
		uint64_t at;
		uint32_t len;

		MUST(fakevm_used(&vm, q, &at, &len) == 0);
		MUST(at >= first && at < first + n && !seen[at]);
		seen[at] = 1;
		MUST(vm.ram[STATUSES + at] == 0);
	}
	return true;
}

static bool
on_disk(unsigned int n, uint8_t fill)
{
	uint8_t back[4096];

	MUST(pread(look, back, sizeof(back), 4096ll * n) == sizeof(back));
	for (unsigned int i = 0; i < sizeof(back); i++)
		MUST(back[i] == fill);
	return true;
}

static bool
nothing_used(unsigned int q)
{
	uint64_t at;
	uint32_t len;

	return !drvq_get(&vm.q[q], &at, &len);
}

/* The kernel has made a thread for what blocks. */
static bool
in_flight(void)
{
	char name[40];

	snprintf(name, sizeof(name), "/proc/%d/task", (int)vm.pid);
	for (unsigned int i = 0; i < 500; i++) {
		unsigned int n = 0;
		DIR *d = opendir(name);

		while (d != NULL && readdir(d) != NULL)
			n++;
		if (d != NULL)
			closedir(d);
		if (n > 3)		/* . and .. and itself */
			return true;
		usleep(10000);
	}
	return false;
}

static bool
test_order(void)
{
	freeze(true);
	MUST(add_many(0, 0, 4, true, 1));
	MUST(in_flight());
	MUST(add_many(0, 10, 20, false, 0xcc));
	MUST(take(0, 10, 20));
	MUST(nothing_used(0));
	freeze(false);
	MUST(take(0, 0, 4));
	return on_disk(0, 1) && on_disk(3, 1);
}

/* More than the pool has; two queues share it, and none starves. */
static bool
test_many(void)
{
	freeze(true);
	MUST(add_many(0, 0, 300, true, 2));
	MUST(add_many(1, 300, 300, true, 3));
	MUST(in_flight() && nothing_used(0) && nothing_used(1));
	freeze(false);
	MUST(take(0, 0, 300) && take(1, 300, 300));
	return on_disk(299, 2) && on_disk(300, 3) && on_disk(599, 3);
}

static bool
test_depths(void)
{
	for (unsigned int depth = 1; depth <= 256; depth *= 2)
		for (unsigned int i = 0; i < 3; i++) {
			MUST(add_many(0, 0, depth, (i & 1) == 0, (uint8_t)depth));
			MUST(take(0, 0, depth));
		}
	return on_disk(255, 0);		/* 256, as a byte */
}

/* What one queue hands over may find the other's done: both drivers are told. */
static bool
test_two_queues(void)
{
	for (unsigned int i = 0; i < 1500; i++) {
		const unsigned int n = 1 + i % 16;

		MUST(add_many(0, 0, n, true, (uint8_t)i));
		MUST(add_many(1, 16, n, true, (uint8_t)i));
		MUST(take(0, 0, n) && take(1, 16, n));
	}
	return true;
}

/* What wants quiet comes when all is done, and not before. */
static bool
test_drain(void)
{
	pid_t pid;

	freeze(true);
	MUST(add_many(0, 0, 8, true, 4));
	MUST(in_flight());
	pid = thaw_later();
	MUST(fakevm_drain(&vm) == 0);
	for (unsigned int n = 0; n < 8; n++)
		MUST(vm.ram[STATUSES + n] == 0);
	MUST(thawed(pid) && on_disk(7, 4));
	return take(0, 0, 8) && active(0);
}

static bool
test_reset(void)
{
	pid_t pid;

	freeze(true);
	MUST(add_many(0, 0, 8, true, 5));
	MUST(in_flight());
	pid = thaw_later();
	MUST(fakevm_reset(&vm) == 0);
	for (unsigned int n = 0; n < 8; n++)
		MUST(vm.ram[STATUSES + n] == 0);
	MUST(thawed(pid) && on_disk(7, 5));
	return active(0);
}

static bool
test_needs_reset(void)
{
	const struct drvq_buf odd = { HEADERS, BLK_HEADER_SIZE, false };

	freeze(true);
	MUST(add_many(1, 1, 8, true, 6));
	MUST(in_flight());
	MUST(drvq_add(&vm.q[0], &odd, 1, 0, 99) >= 0);
	fakevm_publish(&vm, 0);
	for (unsigned int i = 0; i < 50 && vm.needs_reset == 0; i++)
		fakevm_pump(&vm, 100);
	MUST(vm.needs_reset == 1);
	vm.needs_reset = 0;
	freeze(false);
	MUST(fakevm_reset(&vm) == 0 && on_disk(8, 6));
	MUST(active(0));
	MUST(add_many(0, 0, 1, false, 0xcc));
	return take(0, 0, 1);
}

static bool
test_memory(void)
{
	pid_t pid;

	MUST(fakevm_add_memory(&vm, 1, 1ull << 32, 1 << 20, vm.ram_fd, 0,
	    false) == 0);
	freeze(true);
	MUST(add_many(0, 0, 8, true, 7));
	MUST(in_flight());
	pid = thaw_later();
	MUST(fakevm_remove_memory(&vm, 1) == 0);
	MUST(vm.ram[STATUSES + 7] == 0);
	return thawed(pid) && take(0, 0, 8);
}

static bool
test_save(void)
{
	pid_t pid;

	freeze(true);
	MUST(add_many(0, 0, 8, true, 8));
	MUST(in_flight());
	pid = thaw_later();
	MUST(fakevm_save(&vm) == 0);
	MUST(thawed(pid));
	MUST(add_many(0, 8, 8, false, 0xcc));	/* after it stopped */
	fakevm_kill(&vm);
	MUST(start(false));
	MUST(fakevm_load(&vm) == 0);
	MUST(take(0, 0, 16));
	return drvq_errors == 0;
}

/*
 * A killed worker's I/O does not end with it. Whoever wants its disk's lock gets
 * it when the last write has landed, or never will: what is written then stays.
 */
static bool
test_killed(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	uint8_t mine[8 * 4096];
	int fd, rc = -1;

	MUST(fakevm_quit(&vm) == 0);
	MUST(start(true) && active(0));
	fd = open(path, O_RDWR | O_CLOEXEC);
	MUST(fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) != 0);
	freeze(true);
	MUST(add_many(0, 0, 8, true, 9));
	MUST(in_flight());
	MUST(kill(vm.pid, SIGKILL) == 0);
	usleep(100000);
	MUST(fcntl(fd, F_OFD_SETLK, &lock) != 0 && errno == EAGAIN);
	freeze(false);
	for (unsigned int i = 0; i < 1000 && rc != 0; i++) {
		rc = fcntl(fd, F_OFD_SETLK, &lock);
		usleep(10000);
	}
	MUST(rc == 0);
	memset(mine, 0x77, sizeof(mine));
	MUST(pwrite(fd, mine, sizeof(mine), 0) == sizeof(mine));
	MUST(fdatasync(fd) == 0);
	usleep(THAW_AFTER);
	for (unsigned int n = 0; n < 8; n++)
		MUST(on_disk(n, 0x77));
	close(fd);
	fakevm_kill(&vm);
	MUST(start(true) && active(0));
	return true;
}

/* After Quit the disk is free at once: no ring holds it. */
static bool
test_let_go(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	MUST(add_many(0, 0, 8, true, 10) && take(0, 0, 8));
	MUST(fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) != 0);
	MUST(fakevm_quit(&vm) == 0);
	MUST(fcntl(fd, F_OFD_SETLK, &lock) == 0);
	close(fd);
	return true;
}

static bool
make_file(void)
{
	static uint8_t buf[DISK];
	int fd;

	snprintf(path, sizeof(path), "%s/disk", dir);
	frozen_dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	look = fd;
	return frozen_dir >= 0 && fd >= 0 && write(fd, buf, DISK) == DISK &&
	    fsync(fd) == 0;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*run)(void);
	} tests[] = {
		{ "answers come as they are ready", test_order },
		{ "more requests than there is room for", test_many },
		{ "depths of 1 to 256", test_depths },
		{ "two queues at once", test_two_queues },
		{ "drain waits", test_drain },
		{ "a reset waits", test_reset },
		{ "a request that needs a reset beside them", test_needs_reset },
		{ "removal of memory waits", test_memory },
		{ "save waits, and a successor goes on", test_save },
		{ "killed: the lock is free when no write can land any more",
		  test_killed },
		{ "ended: the lock is free at once", test_let_go },
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2)
		return 2;
	dir = argv[1];
	if (!make_file() || fakevm_init(&vm) != 0)
		return 2;
	result(start(false) && active(0), &vm, "starts");
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		result(tests[i].run(), &vm, tests[i].name);
		freeze(false);
	}
	fakevm_fini(&vm);
	return finish();
}
