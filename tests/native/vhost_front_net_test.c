/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network device of two pairs of queues behind the shipped
 * bulkhead-vhost-user-front, its back end bulkhead-vhost-user-net on a tap in a
 * network namespace of its own: the control queue, which is the front end's, frames
 * on both pairs, and what is left of it all when either of them is killed.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "device-workers/vhost-user-front/slots.h"
#include "proto/limits.h"
#include "tests/native/net_host.h"

#define F_CTRL_VQ 17
#define F_MQ 22
#define QUEUES (2 * PAIRS + 1)

static char dir[64], socket_path[96];
static pid_t back_end;
static int record = -1, inflight = -1;
static size_t ring;

static void
run_back_end(void)
{
	const char *build = getenv("BUILD");
	char path[256], listen[128], fds[32];

	(void)unlink(socket_path);
	back_end = fork();
	if (back_end != 0)
		return;
	snprintf(path, sizeof(path), "%s/bulkhead-vhost-user-net",
	    build != NULL ? build : "build");
	snprintf(listen, sizeof(listen), "--socket-path=%s", socket_path);
	snprintf(fds, sizeof(fds), "--tap-fd=%d,%d", tap[0], tap[1]);
	for (unsigned int i = 0; i < PAIRS; i++)
		(void)fcntl(tap[i], F_SETFD, 0);
	dup2(open("/dev/null", O_RDWR), 2);
	execl(path, "net", listen, fds, (char *)NULL);
	_exit(127);
}

static void
kill_back_end(void)
{
	kill(back_end, SIGKILL);
	waitpid(back_end, NULL, 0);
}

static void
connect_it(struct fakevm *v)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fds[3] = { socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0), -1, -1 };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
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
start_front(bool successor)
{
	static uint8_t space[12] = { 0x52, 0x54, 0, 0, 0, 1, 0, 0, PAIRS, 0 };
	static char id[] = "net0";
	const struct fakevm_fd fds[] = {
		{ FD_RECORD, record }, { FD_FRONT_INFLIGHT, inflight },
	};
	uint32_t sizes[QUEUES] = { 64, 64, 64, 64, 64 };
	Bh__DeviceConfig config;
	Bh__FrontConfig front;

	bh__device_config__init(&config);
	bh__front_config__init(&front);
	front.virtio_id = 1;
	front.n_queue_sizes = QUEUES;
	front.queue_sizes = sizes;
	front.config.data = space;
	front.config.len = sizeof(space);
	front.features = 1ull << 5 | 1ull << F_CTRL_VQ | 1ull << F_MQ;
	front.reply_ms = 5000;
	front.successor = successor;
	config.id = id;
	config.packed = ring >= 2;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_FRONT;
	config.front = &front;
	vm.want = connect_it;
	MUST(fakevm_start(&vm, "build/bulkhead-vhost-user-front", &config, fds,
	    2) == 0);
	MUST(vm.nqueues == QUEUES && (vm.features >> F_MQ & 1) != 0 &&
	    (vm.features >> F_CTRL_VQ & 1) != 0);
	return true;
}

/* A frame of the guest's by pair @pair reaches the host. */
static bool
sends(unsigned int pair)
{
	static uint8_t want[300], got[300];

	make_frame(want, 300, ++seed);
	memcpy(vm.ram + TX + NET_HDR_SIZE, want, 300);
	MUST(transmit(2 * pair + 1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(host_gets(got, sizeof(got)) == 300);
	MUST(memcmp(got, want, 300) == 0);
	return true;
}

/* And one of the host's the guest, by the first pair. */
static bool
receives(void)
{
	static uint8_t want[300], got[300];

	make_frame(want, 300, ++seed);
	MUST(send(packets, want, 300, 0) == 300);
	MUST(guest_gets(0, got, sizeof(got)) == 300);
	MUST(memcmp(got, want, 300) == 0);
	return true;
}

static bool
activate_all(void)
{
	MUST(activate(&vm, ring, QUEUES) == 0);
	for (unsigned int n = 0; n < RX_BUFS; n++)
		MUST(add_buffer(0, n));
	fakevm_publish(&vm, 0);
	return true;
}

static bool
test_pairs(void)
{
	MUST(activate_all());
	MUST(sends(0) && receives());
	MUST(command(4, 0, 0, 2) == 1 && command(4, 0, PAIRS + 1, 2) == 1);
	MUST(command(0, 0, 1, 1) == 1 && command(4, 1, 1, 2) == 1);
	MUST(command(4, 0, PAIRS, 1) == 1 && command(4, 0, PAIRS, 2) == 0);
	MUST(sends(1) && sends(0) && sends(1));
	MUST(command(4, 0, 1, 2) == 0);
	MUST(receives() && sends(0));
	MUST(command(4, 0, PAIRS, 2) == 0);
	return sends(1);
}

/* How many pairs are in use is known to the back end that comes next. */
static bool
test_back_end_killed(void)
{
	kill_back_end();
	run_back_end();
	MUST(sends(1) && sends(0));
	MUST(command(4, 0, 1, 2) == 0 && receives());
	kill_back_end();
	/* With nobody there to be told of it. */
	for (unsigned int i = 0; i < 4; i++)
		MUST(fakevm_pump(&vm, 50) >= 0);
	MUST(command(4, 0, PAIRS, 2) == 0);
	run_back_end();
	return sends(1) && sends(0);
}

static bool
test_worker_killed(void)
{
	for (unsigned int i = 0; i < 10; i++) {
		fakevm_kill(&vm);
		MUST(start_front(true));
		vm.resume = true;
		MUST(fakevm_activate_rings(&vm, (vm.features & ~RING_FEATURES) |
		    rings[ring].features, QUEUES) == 0);
		vm.resume = false;
		MUST(sends(1) && sends(0));
		MUST(command(4, 0, 1, 2) == 0 && receives());
		MUST(command(4, 0, PAIRS, 2) == 0 && sends(1));
	}
	return true;
}

/* A driver without MQ has its control queue elsewhere, and one pair. */
static bool
test_one_pair(void)
{
	const uint64_t features = vm.features & ~RING_FEATURES & ~(1ull << F_MQ);

	MUST(fakevm_reset(&vm) == 0);
	MUST(fakevm_activate(&vm, features, 3, 0) == 0);
	MUST(sends(0));
	for (unsigned int i = 0; i < 50; i++)
		MUST(fakevm_reset(&vm) == 0 && activate_all());
	MUST(sends(0) && receives() && command(4, 0, PAIRS, 2) == 0 && sends(1));
	MUST(fakevm_drain(&vm) == 0 && fakevm_quit(&vm) == 0);
	return vm.needs_reset == 0;
}

static void
all(void)
{
	char name[120];

#define NAMED(text, condition)						\
	do {								\
		snprintf(name, sizeof(name), "%s: %s", rings[ring].name, text); \
		result(condition, &vm, name);				\
	} while (0)
	record = sealed(RECORD_SIZE(QUEUES));
	inflight = sealed(FRONT_LIMIT_INFLIGHT);
	if (fakevm_init(&vm) < 0)
		exit(1);
	run_back_end();
	NAMED("it starts", start_front(false));
	NAMED("both pairs, and how many are used", test_pairs());
	NAMED("the back end is killed", test_back_end_killed());
	NAMED("the worker is killed", test_worker_killed());
	NAMED("one pair, and resets", test_one_pair());
	kill_back_end();
	fakevm_fini(&vm);
	close(record);
	close(inflight);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!make_network()) {
		printf("ok 1 - vhost-user net # SKIP no tap\n1..1\n");
		return 0;
	}
	snprintf(dir, sizeof(dir), "%s/front.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	for (ring = 0; ring < NRINGS; ring += 3)
		all();
	(void)unlink(socket_path);
	(void)rmdir(dir);
	return finish();
}
