/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shipped bulkhead-vhost-user-front in its jail, in front of real back ends:
 * bulkhead-vhost-user-blk, and qemu-storage-daemon where it is. Contents both ways;
 * a back end that is killed in mid-traffic and comes back, and the same of the worker
 * itself; what is mapped. Liars are in vhost_liar_test.c.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "device-workers/blk/blk_req.h"
#include "device-workers/vhost-user-front/slots.h"
#include "proto/limits.h"
#include "tests/native/device_test.h"

#define DISK (1u << 20)
#define QUEUE 64u
#define HEADER FAKEVM_DATA
#define STATUS (FAKEVM_DATA + 0x10000)
#define DATA (FAKEVM_DATA + 0x100000)

static struct fakevm vm;
static char dir[64], socket_path[96], disk_path[96];
static int record = -1, inflight = -1;	/* what the controller keeps */
static pid_t back_end;
static unsigned int attempts;

struct kind {
	const char *name;
	bool qemu;
	bool record;		/* keeps one of requests in flight */
	size_t ring;		/* of device_test.h */
};
static const struct kind *kind;

/* ---- the back end --------------------------------------------------------------- */

static const char *
built(const char *name)
{
	static char path[256];
	const char *build = getenv("BUILD");

	snprintf(path, sizeof(path), "%s/%s", build != NULL ? build : "build", name);
	return path;
}

static void
run_back_end(void)
{
	char listen[256], node[256], file[160];
	int null;

	(void)unlink(socket_path);
	back_end = fork();
	if (back_end != 0)
		return;
	null = open("/dev/null", O_RDWR);
	dup2(null, 2);
	if (kind->qemu) {
		snprintf(node, sizeof(node), "driver=file,node-name=d,filename=%s",
		    disk_path);
		snprintf(listen, sizeof(listen), "type=vhost-user-blk,id=e,"
		    "node-name=d,writable=on,num-queues=1,addr.type=unix,"
		    "addr.path=%s", socket_path);
		execlp("qemu-storage-daemon", "qemu-storage-daemon", "--blockdev",
		    node, "--export", listen, (char *)NULL);
	} else {
		snprintf(listen, sizeof(listen), "--socket-path=%s", socket_path);
		snprintf(file, sizeof(file), "--blk-file=%s", disk_path);
		execl(built("bulkhead-vhost-user-blk"), "blk", listen, file,
		    (char *)NULL);
	}
	_exit(127);
}

static void
kill_back_end(void)
{
	if (back_end <= 0)
		return;
	kill(back_end, SIGKILL);
	waitpid(back_end, NULL, 0);
	back_end = 0;
}

/* The controller's part: connect, without ever waiting. */
static void
connect_it(struct fakevm *v)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fds[3];

	attempts++;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(fds[0], (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fds + 1) != 0) {
		int error = errno;

		close(fds[0]);
		(void)fakevm_give(v, error, NULL, 0);
		return;
	}
	(void)fakevm_give(v, 0, fds, 3);
}

static int
sealed(uint64_t size)
{
	int fd = memfd_create("kept", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		exit(1);
	return fd;
}

static bool
start(bool successor)
{
	const struct fakevm_fd fds[] = {
		{ FD_RECORD, record }, { FD_FRONT_INFLIGHT, inflight },
	};
	static char id[] = "disk0";
	uint32_t sizes[] = { QUEUE };
	Bh__DeviceConfig config;
	Bh__FrontConfig front;

	bh__device_config__init(&config);
	bh__front_config__init(&front);
	front.virtio_id = 2;
	front.n_queue_sizes = 1;
	front.queue_sizes = sizes;
	front.reply_ms = 5000;
	front.successor = successor;
	config.id = id;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_FRONT;
	config.front = &front;
	config.packed = kind->ring >= 2;
	vm.want = connect_it;
	return fakevm_start(&vm, "build/bulkhead-vhost-user-front", &config, fds,
	    2) == 0;
}

/* ---- requests ------------------------------------------------------------------- */

static bool
put(unsigned int slot, uint32_t type, uint64_t sector, uint32_t len)
{
	uint64_t header = HEADER + slot * 16, status = STATUS + slot;
	const struct drvq_buf bufs[] = {
		{ header, 16, false },
		{ DATA + slot * 8192ull, len, type == VIRTIO_BLK_T_IN },
		{ status, 1, true },
	};

	memset(vm.ram + header, 0, 16);
	memcpy(vm.ram + header, &type, 4);
	memcpy(vm.ram + header + 8, &sector, 8);
	vm.ram[status] = 0xee;
	/* A descriptor of no length is legal, and too much for QEMU. */
	if (len == 0)
		return drvq_add(&vm.q[0], (const struct drvq_buf[]){ bufs[0],
		    bufs[2] }, 2, 0, slot) >= 0;
	return drvq_add(&vm.q[0], bufs, 3, 0, slot) >= 0;
}

static int
request(uint32_t type, uint64_t sector, uint32_t len)
{
	uint64_t cookie;
	uint32_t used;

	if (!put(0, type, sector, len))
		return -1;
	fakevm_publish(&vm, 0);
	return fakevm_used(&vm, 0, &cookie, &used) == 0 ? vm.ram[STATUS] : -1;
}

static bool
activate_ring(void)
{
	return activate(&vm, kind->ring, 1) == 0;
}

static bool
is_at(uint64_t offset, uint8_t byte, uint32_t len)
{
	uint8_t buf[8192];
	int fd = open(disk_path, O_RDONLY | O_CLOEXEC);
	bool good = pread(fd, buf, len, (off_t)offset) == (ssize_t)len;

	close(fd);
	for (uint32_t i = 0; i < len && good; i++)
		good = buf[i] == byte;
	return good;
}

/* Guest memory is "ram". */
static bool
maps_ram(void)
{
	char path[64], line[512];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", vm.pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, "/memfd:ram") != NULL)
			found = true;
	if (f != NULL)
		(void)fclose(f);
	return found;
}

/* ---- tests ---------------------------------------------------------------------- */

static bool
test_contents(void)
{
	uint64_t sectors;

	MUST(vm.virtio_id == 2 && vm.nqueues == 1 && vm.queue_max[0] == QUEUE);
	MUST(vm.config_len == 60 && vm.config[34] == 1);
	memcpy(&sectors, vm.config, sizeof(sectors));
	MUST(sectors == DISK / 512);
	MUST(activate_ring());
	memset(vm.ram + DATA, 0x5a, 8192);
	MUST(request(VIRTIO_BLK_T_OUT, 100, 8192) == 0);
	MUST(request(VIRTIO_BLK_T_FLUSH, 0, 0) == 0);
	MUST(is_at(51200, 0x5a, 8192));
	memset(vm.ram + DATA, 0, 8192);
	MUST(request(VIRTIO_BLK_T_IN, 100, 8192) == 0);
	MUST(vm.ram[DATA] == 0x5a && vm.ram[DATA + 8191] == 0x5a);
	MUST(request(VIRTIO_BLK_T_IN, DISK / 512, 512) == 1);
	return true;
}

static bool
test_resets(void)
{
	for (unsigned int i = 0; i < 100; i++) {
		MUST(fakevm_reset(&vm) == 0);
		MUST(activate_ring());
		MUST(request(VIRTIO_BLK_T_IN, 100, 512) == 0);
		MUST(vm.ram[DATA] == 0x5a);
	}
	return true;
}

/* The next one, in place of a worker that was killed as it stood. */
static bool
succeed(void)
{
	fakevm_kill(&vm);
	MUST(start(true));
	vm.resume = true;
	MUST(fakevm_activate_rings(&vm, (vm.features & ~RING_FEATURES) |
	    rings[kind->ring].features, 1) == 0);
	vm.resume = false;
	return true;
}

/* The back end dies, and after a while another comes: the guest waits. */
static bool
other_back_end(void)
{
	kill_back_end();
	/* The worker does not die of it. */
	for (unsigned int i = 0; i < 6; i++)
		MUST(fakevm_pump(&vm, 50) >= 0);
	run_back_end();
	return true;
}

/* Both at once: what is in flight is known to neither process. */
static bool
both_die(void)
{
	kill_back_end();
	run_back_end();
	return succeed();
}

/*
 * Kept full of writes, each to a sector of its own, while @die happens, every
 * @every of them.
 */
static bool
under_writes(bool (*die)(void), unsigned int times, unsigned int every)
{
	unsigned int sent = 0, done = 0, rounds = 0;
	bool busy[16] = { false };
	uint64_t slot;
	uint32_t used;

	MUST(fakevm_reset(&vm) == 0 && activate_ring());
	while (done < 2000) {
		for (slot = 0; slot < 16 && sent < 2000; slot++) {
			if (busy[slot])
				continue;
			memset(vm.ram + DATA + slot * 8192, (int)(sent % 251), 512);
			MUST(put((unsigned int)slot, VIRTIO_BLK_T_OUT, sent, 512));
			busy[slot] = true;
			sent++;
		}
		fakevm_publish(&vm, 0);
		if (rounds < times && sent > every * (rounds + 1)) {
			rounds++;
			MUST(die());
		}
		MUST(fakevm_used(&vm, 0, &slot, &used) == 0);
		do {
			MUST(slot < 16 && busy[slot]);
			MUST(vm.ram[STATUS + slot] == 0);
			busy[slot] = false;
			done++;
		} while (drvq_get(&vm.q[0], &slot, &used));
	}
	MUST(rounds == times && drvq_errors == 0);
	MUST(request(VIRTIO_BLK_T_FLUSH, 0, 0) == 0);
	for (unsigned int i = 0; i < 2000; i++)
		MUST(is_at(i * 512ull, (uint8_t)(i % 251), 512));
	MUST(vm.needs_reset == 0);
	return true;
}

static bool
test_killed(void)
{
	unsigned int lines = vm.log_lines;

	MUST(under_writes(other_back_end, 4, 400));
	/* A line for each loss and each return; one that serves requests, and dies
	 * before it has acknowledged its start, has not returned. */
	MUST(vm.log_lines >= lines + 2 && vm.log_lines <= lines + 10);
	return true;
}

static bool
test_worker_killed(void)
{
	MUST(under_writes(succeed, 40, 48));
	/* The next driver begins anew, and so does who dies between two of them. */
	MUST(fakevm_reset(&vm) == 0);
	fakevm_kill(&vm);
	MUST(start(true) && activate_ring());
	MUST(request(VIRTIO_BLK_T_IN, 0, 512) == 0);
	return true;
}

/* What a predecessor left may be anything: the next driver has a device. */
static bool
test_hostile_record(void)
{
	uint8_t *map = mmap(NULL, RECORD_SIZE(1), PROT_READ | PROT_WRITE, MAP_SHARED,
	    record, 0);

	MUST(map != MAP_FAILED);
	srand(3);
	for (unsigned int round = 0; round < 12; round++) {
		MUST(fakevm_reset(&vm) == 0 && activate_ring());
		for (unsigned int slot = 0; slot < 16; slot++)
			MUST(put(slot, VIRTIO_BLK_T_IN, slot, 512));
		fakevm_publish(&vm, 0);
		for (unsigned int n = 0; n < 200; n++) {
			size_t part = n % 4 == 0 ? (size_t)rand() % 4096 : n % 4 == 1 ?
			    4096 + (size_t)rand() % 64 :
			    RECORD_QUEUE_SIZE + (size_t)rand() % (n % 4 == 2 ? 16 : 1040);

			map[part] = (uint8_t)rand();
		}
		fakevm_kill(&vm);
		MUST(start(true));
		vm.resume = true;
		(void)fakevm_activate_rings(&vm, (vm.features & ~RING_FEATURES) |
		    rings[kind->ring].features, 1);
		vm.resume = false;
		MUST(fakevm_pump(&vm, 30) >= 0);
		MUST(fakevm_reset(&vm) == 0);
		vm.needs_reset = 0;
		MUST(activate_ring() && request(VIRTIO_BLK_T_IN, 0, 512) == 0);
	}
	munmap(map, RECORD_SIZE(1));
	return true;
}

static bool
test_both_killed(void)
{
	return under_writes(both_die, 4, 400);
}

/* Memory that comes while rings run can be read into. */
static bool
test_memory(void)
{
	const uint64_t far = 1ull << 32;
	const struct drvq_buf bufs[] = {
		{ HEADER, 16, false }, { far, 512, true }, { STATUS, 1, true },
	};
	uint64_t cookie;
	uint32_t used;
	uint8_t back = 0;
	int fd = memfd_create("more", MFD_CLOEXEC);

	MUST(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
	MUST(fakevm_add_memory(&vm, 1, far, 1 << 20, fd, 0, false) == 0);
	memset(vm.ram + HEADER, 0, 16);
	MUST(drvq_add(&vm.q[0], bufs, 3, 0, 7) >= 0);
	fakevm_publish(&vm, 0);
	MUST(fakevm_used(&vm, 0, &cookie, &used) == 0 && cookie == 7);
	MUST(vm.ram[STATUS] == 0);
	MUST(pread(fd, &back, 1, 511) == 1 && back == 0);
	MUST(fakevm_add_memory(&vm, 1, far, 1 << 20, fd, 0, false) == -EEXIST);
	MUST(fakevm_remove_memory(&vm, 1) == 0);
	MUST(fakevm_remove_memory(&vm, 1) == -ENOENT);
	close(fd);
	return true;
}

static bool
test_end(void)
{
	MUST(fakevm_drain(&vm) == 0);
	MUST(fakevm_quit(&vm) == 0);
	return true;
}

static void
test_kind(void)
{
	char name[120];
	bool good;

#define NAMED(text, condition)						\
	do {								\
		snprintf(name, sizeof(name), "%s: %s", kind->name, text); \
		good = (condition);					\
		result(good, &vm, name);				\
	} while (0)
	if (fakevm_init(&vm) < 0)
		exit(1);
	attempts = 0;
	record = sealed(RECORD_SIZE(1));
	inflight = sealed(FRONT_LIMIT_INFLIGHT);
	run_back_end();
	NAMED("it is waited for, and starts", start(false) && attempts >= 1);
	if (good) {
		NAMED("contents both ways", test_contents());
		NAMED(kind->record ? "guest memory is not mapped" :
		    "guest memory is mapped to relay",
		    maps_ram() == !kind->record);
		NAMED("a hundred resets", test_resets());
		NAMED("memory that comes and goes", test_memory());
		NAMED("killed four times in mid-traffic, nothing is lost",
		    test_killed());
		NAMED("the worker killed forty times, nothing is lost",
		    test_worker_killed());
		NAMED("both killed at once, nothing is lost", test_both_killed());
		NAMED("a record of nonsense", test_hostile_record());
		NAMED("drain and quit", test_end());
	}
	kill_back_end();
	fakevm_fini(&vm);
	close(record);
	close(inflight);
}

int
main(void)
{
	static const struct kind kinds[] = {
		{ "bulkhead-vhost-user-blk", false, true, 0 },
		{ "bulkhead-vhost-user-blk, packed", false, true, 3 },
		{ "qemu-storage-daemon", true, false, 0 },
	};
	const char *tmp = getenv("TMPDIR");
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(dir, sizeof(dir), "%s/front.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	snprintf(disk_path, sizeof(disk_path), "%s/d", dir);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].qemu && access("/usr/bin/qemu-storage-daemon", X_OK) != 0)
			continue;
		/* One each: I/O of the killed may go on for a moment. */
		fd = open(disk_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		if (fd < 0 || ftruncate(fd, DISK) < 0)
			return 1;
		close(fd);
		kind = &kinds[i];
		test_kind();
		(void)unlink(disk_path);
	}
	(void)unlink(socket_path);
	(void)rmdir(dir);
	return finish();
}
