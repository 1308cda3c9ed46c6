/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shipped bulkhead-vhost-user-front tells a back end with protocol feature
 * STATUS of the driver, and what it makes of what such a one has to say: features
 * refused, a configuration that changes, a reset that is needed.
 */
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "device-workers/vhost-user/wire.h"
#include "tests/native/device_test.h"

enum { FEATURES_OK = 8, NEEDS_RESET = 64 };

static struct fakevm vm;
static pid_t back_end;
static int notice = -1;		/* eventfd: tell of a change */

/* Of both processes. */
static struct shared {
	uint8_t told[64];	/* by SET_STATUS */
	unsigned int ntold;
	uint64_t sectors;
	bool refuse, needs_reset;
} *shared;

/* ---- the back end, in a process of its own ---------------------------------------- */

/* @len bytes, and an fd that may come with them. */
static bool
take(int conn, void *to, size_t len, int *fd)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { to, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	if (len == 0)
		return true;
	if (recvmsg(conn, &m, MSG_WAITALL) != (ssize_t)len)
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	return true;
}

static uint8_t
status(void)
{
	uint8_t s = shared->ntold > 0 ? shared->told[shared->ntold - 1] : 0;

	if (shared->refuse)
		s &= (uint8_t)~FEATURES_OK;
	return shared->needs_reset ? s | NEEDS_RESET : s;
}

/* The answer to @q is in its place: its length, 0: none is due. */
static uint32_t
answer(const struct vhu_header *h, uint8_t *payload)
{
	uint64_t value = 0;

	switch (h->request) {
	case VHU_GET_FEATURES:
		value = 1ull << VIRTIO_F_VERSION_1 | 1ull << VHU_F_PROTOCOL_FEATURES;
		break;
	case VHU_GET_PROTOCOL_FEATURES:
		value = 1ull << VHU_PF_REPLY_ACK | 1ull << VHU_PF_CONFIG |
		    1ull << VHU_PF_BACKEND_REQ | 1ull << VHU_PF_STATUS |
		    1ull << VHU_PF_CONFIGURE_MEM_SLOTS;
		break;
	case VHU_GET_MAX_MEM_SLOTS:
		value = 8;
		break;
	case VHU_GET_CONFIG:
		memcpy(payload + 12, &shared->sectors, 8);
		return h->size;
	case VHU_GET_VRING_BASE:
		return 8;
	case VHU_SET_STATUS:
		shared->told[shared->ntold++ % 64] = payload[0];
		break;
	case VHU_GET_STATUS:
		value = status();
		break;
	default:
		break;
	}
	if (value == 0 && h->request != VHU_GET_STATUS &&
	    (h->flags & VHU_FLAG_NEED_REPLY) == 0)
		return 0;
	memcpy(payload, &value, 8);
	return 8;
}

static _Noreturn void
be_back_end(int conn)
{
	const struct vhu_header change = { VHU_BACKEND_CONFIG_CHANGE, VHU_VERSION, 0 };
	int events = -1, fd = -1;
	struct {
		struct vhu_header header;
		uint8_t payload[300];
	} m;

	for (;;) {
		struct pollfd p[2] = { { conn, POLLIN, 0 }, { notice, POLLIN, 0 } };
		uint64_t count;

		(void)poll(p, 2, -1);
		if ((p[1].revents & POLLIN) != 0) {
			(void)!read(notice, &count, sizeof(count));
			(void)!send(events, &change, sizeof(change), 0);
			continue;
		}
		if (!take(conn, &m.header, sizeof(m.header), &fd) ||
		    m.header.size > sizeof(m.payload) ||
		    !take(conn, m.payload, m.header.size, &fd))
			_exit(0);
		if (m.header.request == VHU_SET_BACKEND_REQ_FD)
			events = fd;
		m.header.size = answer(&m.header, m.payload);
		m.header.flags = VHU_VERSION | VHU_FLAG_REPLY;
		if (m.header.size > 0 && send(conn, &m, sizeof(m.header) +
		    m.header.size, MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

static void
connect_it(struct fakevm *v)
{
	int conn[2], fds[3];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, conn) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fds + 1) != 0)
		return;
	back_end = fork();
	if (back_end == 0) {
		close(conn[0]);
		close(fds[1]);
		be_back_end(conn[1]);
	}
	close(conn[1]);
	fds[0] = conn[0];
	(void)fakevm_give(v, 0, fds, 3);
}

/* ---- tests ------------------------------------------------------------------------ */

static bool
start(void)
{
	static char id[] = "disk0";
	uint32_t sizes[] = { 64 };
	Bh__DeviceConfig config;
	Bh__FrontConfig front;

	bh__device_config__init(&config);
	bh__front_config__init(&front);
	front.virtio_id = 2;
	front.n_queue_sizes = 1;
	front.queue_sizes = sizes;
	front.reply_ms = 5000;
	config.id = id;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_FRONT;
	config.front = &front;
	vm.want = connect_it;
	return fakevm_start(&vm, "build/bulkhead-vhost-user-front", &config, NULL,
	    0) == 0;
}

/* Until @n statuses have been told, or never. */
static bool
told(unsigned int n)
{
	for (unsigned int i = 0; i < 100 && shared->ntold < n; i++)
		MUST(fakevm_pump(&vm, 50) >= 0);
	return shared->ntold == n;
}

static bool
test_told(void)
{
	MUST(start());
	MUST(shared->ntold == 0);
	MUST(activate(&vm, 0, 1) == 0 && told(2));
	MUST(shared->told[0] == 0xb && shared->told[1] == 0xf);
	MUST(fakevm_reset(&vm) == 0 && shared->ntold == 3 && shared->told[2] == 0);
	MUST(activate(&vm, 0, 1) == 0 && told(5));
	MUST(shared->told[3] == 0xb && shared->told[4] == 0xf);
	return true;
}

static bool
change(uint64_t sectors)
{
	const uint64_t one = 1;
	unsigned int before = vm.config_changes;
	uint64_t now = 0;

	shared->sectors = sectors;
	MUST(write(notice, &one, 8) == 8);
	for (unsigned int i = 0; i < 100 && vm.config_changes == before; i++)
		MUST(fakevm_pump(&vm, 50) >= 0);
	memcpy(&now, vm.config, 8);
	return vm.config_changes == before + 1 && now == sectors;
}

static bool
test_changes(void)
{
	MUST(change(4096));
	MUST(change(8192) && vm.needs_reset == 0);
	return true;
}

static bool
test_needs_reset(void)
{
	shared->needs_reset = true;
	MUST(change(9000));
	for (unsigned int i = 0; i < 100 && vm.needs_reset == 0; i++)
		MUST(fakevm_pump(&vm, 50) >= 0);
	MUST(vm.needs_reset == 1);
	shared->needs_reset = false;
	MUST(fakevm_reset(&vm) == 0);
	return true;
}

static bool
test_refused(void)
{
	vm.needs_reset = 0;
	shared->refuse = true;
	MUST(activate(&vm, 0, 1) == 0);
	for (unsigned int i = 0; i < 100 && vm.needs_reset == 0; i++)
		MUST(fakevm_pump(&vm, 50) >= 0);
	MUST(vm.needs_reset == 1);
	MUST(strstr(vm.log, "features") != NULL);
	shared->refuse = false;
	MUST(fakevm_reset(&vm) == 0 && activate(&vm, 0, 1) == 0);
	MUST(fakevm_drain(&vm) == 0 && fakevm_quit(&vm) == 0);
	return true;
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	notice = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (shared == MAP_FAILED || notice < 0 || fakevm_init(&vm) < 0)
		return 1;
	shared->sectors = 2048;
	result(test_told(), &vm, "a back end hears of the driver's status");
	result(test_changes(), &vm, "its changes reach the configuration space");
	result(test_needs_reset(), &vm, "that it needs a reset, too");
	result(test_refused(), &vm, "features that it refuses: the driver must reset");
	if (back_end > 0) {
		kill(back_end, SIGKILL);
		waitpid(back_end, NULL, 0);
	}
	fakevm_fini(&vm);
	return finish();
}
