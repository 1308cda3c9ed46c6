/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shipped bulkhead-fs behind the host kernel's own FUSE: what the kernel asks of
 * /dev/fuse goes through rings to the worker, as a guest's kernel sends it, several
 * requests at once; so that real programs work on a share. The worker is killed in
 * the middle, and its successor goes on. Takes the shared folder, where to mount it
 * (in a mount namespace of its own), how often to kill, and a command. No fds are
 * kept here: the command must not count on open files that have no name.
 */
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device-workers/fs/slots.h"
#include "proto/limits.h"
#include "tests/native/device_test.h"

#define SLOTS 8u
#define ROOM 0x110000u		/* a read or write of 1 MiB, and its headers */
#define IN(i) (FAKEVM_DATA + (uint64_t)(i) * 2 * ROOM)
#define OUT(i) (IN(i) + ROOM)
#define QUIET_MS 60000		/* only bounds a hang */
#define KILL_EVERY 250u		/* requests */

static struct fakevm vm;
static int share, table, record, fuse;
static bool busy[SLOTS];
static uint64_t features, requests;
static unsigned int kills, in_flight;

static bool
start(bool resume)
{
	static char tag[] = "share", id[] = "fs0";
	const struct fakevm_fd fds[] = { { FD_BACKEND, share },
		{ FD_FS_TABLE, table }, { FD_RECORD, record } };
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	Bh__FsConfig fs = BH__FS_CONFIG__INIT;

	fs.tag = tag;
	fs.num_queues = 1;
	fs.queue_size = 128;
	fs.cache = BH__FS_CACHE__FS_CACHE_AUTO;
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_FS;
	config.fs = &fs;
	MUST(fakevm_start(&vm, "build/bulkhead-fs", &config, fds, 3) == 0);
	vm.resume = resume;
	if (!resume) {
		features = (vm.features & ~RING_FEATURES) | rings[3].features;
		MUST(activate(&vm, 3, 2) == 0);
	} else {
		MUST(fakevm_activate_rings(&vm, features, 2) == 0);
	}
	return true;
}

static int
sealed(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		exit(1);
	return fd;
}

static bool
mount_at(const char *at)
{
	char options[128];

	MUST(unshare(CLONE_NEWNS) == 0);
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	fuse = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,"
	    "group_id=0,allow_other,default_permissions", fuse);
	MUST(fuse >= 0 && mount("share", at, "fuse", 0, options) == 0);
	return true;
}

/* What a slot holds goes to the worker. */
static bool
pass_on(unsigned int i, uint32_t len)
{
	const struct fuse_in_header *h = (const void *)(vm.ram + IN(i));
	const struct drvq_buf bufs[2] = { { IN(i), len, false },
		{ OUT(i), ROOM, true } };
	bool silent = h->opcode == FUSE_FORGET || h->opcode == FUSE_BATCH_FORGET;
	unsigned int q = silent ? 0 : 1;

	/* An interrupt of what is done at once is too late. */
	if (h->opcode == FUSE_INTERRUPT)
		return true;
	MUST(drvq_add(&vm.q[q], bufs, silent ? 1 : 2, 0, i) >= 0);
	busy[i] = true;
	in_flight++;
	requests++;
	fakevm_publish(&vm, q);
	return true;
}

/* False: all has been asked for, or unmounted is set. */
static bool
ask_all(bool *unmounted)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		ssize_t n;

		if (busy[i])
			continue;
		n = read(fuse, vm.ram + IN(i), ROOM);
		if (n < 0 && errno == ENODEV)
			*unmounted = true;
		if (n < 0 && (errno == ENOENT || errno == EINTR))
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == ENODEV;
		if (!pass_on(i, (uint32_t)n))
			return false;
	}
	return true;
}

static bool
answer(uint64_t i, unsigned int q, uint32_t len)
{
	const struct fuse_out_header *o = (const void *)(vm.ram + OUT(i));
	const struct fuse_in_header *h = (const void *)(vm.ram + IN(i));

	MUST(i < SLOTS && busy[i]);
	busy[i] = false;
	in_flight--;
	if (q == 0)
		return true;
	MUST(len >= sizeof(*o) && o->len == len && o->unique == h->unique);
	/* ENOENT: who asked has gone. */
	MUST(write(fuse, o, len) == (ssize_t)len || errno == ENOENT);
	return true;
}

static bool
answer_all(void)
{
	uint64_t i = 0;
	uint32_t len = 0;

	for (unsigned int q = 0; q < 2; q++) {
		(void)fakevm_called(&vm, q);
		do {
			while (drvq_get(&vm.q[q], &i, &len))
				MUST(answer(i, q, len));
		} while (drvq_want_calls(&vm.q[q], true));
	}
	return true;
}

/* Until the share is unmounted and its user has ended: *status is how. */
static bool
serve(pid_t user, unsigned int most, int *status)
{
	int end = (int)syscall(SYS_pidfd_open, user, 0);
	bool unmounted = false;

	MUST(end >= 0);
	for (;;) {
		struct pollfd p[] = {
			{ .fd = end, .events = POLLIN },
			{ .fd = vm.call[0], .events = POLLIN },
			{ .fd = vm.call[1], .events = POLLIN },
			{ .fd = vm.ctl_fd, .events = POLLIN },
			{ .fd = vm.listener, .events = POLLIN },
			{ .fd = in_flight < SLOTS && !unmounted ? fuse : -1,
			  .events = POLLIN },
		};

		MUST(ask_all(&unmounted));
		if (kills < most && requests >= (kills + 1ull) * KILL_EVERY &&
		    in_flight > 0) {
			kills++;
			fakevm_kill(&vm);
			MUST(start(true));
			continue;
		}
		MUST(answer_all());
		MUST(poll(p, sizeof(p) / sizeof(p[0]), QUIET_MS) > 0);
		MUST(fakevm_pump(&vm, 0) >= 0 && vm.needs_reset == 0);
		if (p[0].revents != 0)
			break;
	}
	close(end);
	MUST(waitpid(user, status, 0) == user);
	return true;
}

int
main(int argc, char **argv)
{
	int status = -1;
	unsigned int most;
	pid_t user;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 5 || fakevm_init(&vm) != 0)
		return 2;
	most = (unsigned int)strtoul(argv[3], NULL, 10);
	share = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	table = sealed("table", FS_TABLE_SIZE);
	record = sealed("record", RECORD_SIZE(2));
	result(share >= 0 && start(false) && mount_at(argv[2]), &vm,
	    "a share is mounted");
	user = failures == 0 ? fork() : -1;
	if (user == 0) {
		execvp(argv[4], argv + 4);
		_exit(127);
	}
	result(user > 0 && serve(user, most, &status), &vm,
	    "its requests are answered");
	/* Nobody waits for an answer that will not come. */
	(void)umount2(argv[2], MNT_FORCE | MNT_DETACH);
	close(fuse);
	if (user > 0 && status == -1) {
		kill(user, SIGKILL);
		waitpid(user, &status, 0);
	}
	result(status == 0, &vm, "its user has no error");
	result(kills == most, &vm, "workers were killed in the middle");
	printf("# %llu requests, %u kills\n", (unsigned long long)requests, kills);
	fakevm_fini(&vm);
	return finish();
}
