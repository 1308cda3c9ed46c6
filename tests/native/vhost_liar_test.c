/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shipped bulkhead-vhost-user-front before a back end that lies: at each of its
 * messages it dies, is silent, answers something else, too much, with an fd, no. At
 * the start that is an error with a reason; later the worker lives, asks for the
 * next back end, and gives the driver its resets meanwhile.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "device-workers/vhost-user/wire.h"
#include "tests/native/device_test.h"

#define PATIENCE_MS 400u

enum lie {
	NONE, DIE, DIE_IN_HEADER, DIE_IN_PAYLOAD, SILENT, OTHER_REQUEST, NO_ANSWER,
	TOO_LONG, HUGE_SIZE, WITH_FD, ALL_ONES, ALL_ZERO, TWICE, A_BYTE_EACH, LIES,
};

static const char *const lie_names[LIES] = {
	"nothing", "dies", "dies in the header", "dies in the payload",
	"is silent", "answers another request", "answers by a request",
	"answers too long", "answers 4 GiB", "passes an fd unasked",
	"answers all ones", "answers zeros", "answers twice",
	"answers a byte at a time",
};

static struct fakevm vm;
static enum lie lie;
static unsigned int lie_at, connections;
static bool record;		/* INFLIGHT_SHMFD */
static pid_t back_ends[64];

/* ---- the back end, in a process of its own ---------------------------------------- */

struct message {
	struct vhu_header header;
	uint8_t payload[300];
} __attribute__((packed));

static void
pass(int conn, const void *data, size_t len, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	union { const void *in; void *out; } constless = { .in = data };
	struct iovec iov = { constless.out, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	if (sendmsg(conn, &m, MSG_NOSIGNAL) < 0)
		_exit(0);
}

/* The true answer: its length, 0: none is due. */
static uint32_t
truth(const struct message *q, struct message *a, int *fd)
{
	uint64_t value = 0;
	uint32_t size = 8;

	switch (q->header.request) {
	case VHU_GET_FEATURES:
		value = 1ull << VIRTIO_F_VERSION_1 | 1ull << VHU_F_PROTOCOL_FEATURES;
		break;
	case VHU_GET_PROTOCOL_FEATURES:
		value = 1ull << VHU_PF_MQ | 1ull << VHU_PF_REPLY_ACK |
		    1ull << VHU_PF_CONFIG | 1ull << VHU_PF_BACKEND_REQ |
		    1ull << VHU_PF_CONFIGURE_MEM_SLOTS |
		    (record ? 1ull << VHU_PF_INFLIGHT_SHMFD : 0);
		break;
	case VHU_GET_QUEUE_NUM:
	case VHU_GET_MAX_MEM_SLOTS:
		value = 8;
		break;
	case VHU_GET_CONFIG:
		size = q->header.size;
		memcpy(a->payload, q->payload, size);
		return size;
	case VHU_GET_VRING_BASE:
		memcpy(a->payload, q->payload, 8);
		return 8;
	case VHU_GET_INFLIGHT_FD:
		memcpy(a->payload, q->payload, 24);
		value = 65536;
		memcpy(a->payload, &value, 8);
		*fd = memfd_create("record", MFD_CLOEXEC);
		(void)!ftruncate(*fd, 65536);
		return 24;
	default:
		if ((q->header.flags & VHU_FLAG_NEED_REPLY) == 0)
			return 0;
	}
	memcpy(a->payload, &value, 8);
	return size;
}

static void
speak(int conn, struct message *a, enum lie how, int fd)
{
	size_t len = sizeof(a->header) + a->header.size;

	switch (how) {
	case DIE:
		_exit(0);
	case DIE_IN_HEADER:
		pass(conn, a, 7, -1);
		_exit(0);
	case DIE_IN_PAYLOAD:
		pass(conn, a, len - 1, fd);
		_exit(0);
	case SILENT:
		pause();
		_exit(0);
	case OTHER_REQUEST:
		a->header.request++;
		break;
	case NO_ANSWER:
		a->header.flags = VHU_VERSION;
		break;
	case TOO_LONG:
		a->header.size += 8;
		len += 8;
		break;
	case HUGE_SIZE:
		a->header.size = UINT32_MAX;
		break;
	case WITH_FD:
		fd = a->header.request == VHU_GET_INFLIGHT_FD ? -1 : conn;
		break;
	case ALL_ONES:
	case ALL_ZERO:
		memset(a->payload, how == ALL_ONES ? 0xff : 0, a->header.size);
		break;
	case TWICE:
		pass(conn, a, len, fd);
		fd = -1;
		break;
	case A_BYTE_EACH:
		for (size_t i = 0; i < len; i++)
			pass(conn, (uint8_t *)a + i, 1, i == 0 ? fd : -1);
		return;
	case NONE:
	case LIES:
		break;
	}
	pass(conn, a, len, fd);
}

static bool
take(int conn, void *to, size_t len)
{
	return len == 0 || recv(conn, to, len, MSG_WAITALL) == (ssize_t)len;
}

static _Noreturn void
be_back_end(int conn, enum lie how)
{
	unsigned int answers = 0;
	struct message q, a;

	for (;;) {
		int fd = -1;

		if (!take(conn, &q, sizeof(q.header)) ||
		    q.header.size > sizeof(q.payload) ||
		    !take(conn, q.payload, q.header.size))
			_exit(0);
		a.header = q.header;
		a.header.flags = VHU_VERSION | VHU_FLAG_REPLY;
		a.header.size = truth(&q, &a, &fd);
		if (a.header.size > 0)
			speak(conn, &a, answers++ == lie_at ? how : NONE, fd);
		if (fd >= 0)
			close(fd);
	}
}

/* ---- the controller's part -------------------------------------------------------- */

static void
connect_it(struct fakevm *v)
{
	int conn[2], fds[3];
	unsigned int n = connections++;

	if (n >= 64 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, conn) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fds + 1) != 0)
		return;
	back_ends[n] = fork();
	if (back_ends[n] == 0) {
		close(conn[0]);
		be_back_end(conn[1], n == 0 ? lie : NONE);
	}
	close(conn[1]);
	fds[0] = conn[0];
	(void)fakevm_give(v, 0, fds, 3);
}

static int
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
	front.reply_ms = PATIENCE_MS;
	config.id = id;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_FRONT;
	config.front = &front;
	connections = 0;
	vm.want = connect_it;
	return fakevm_start(&vm, "build/bulkhead-vhost-user-front", &config, NULL, 0);
}

/* Requests of the greeting that are answered; what follows is the start. */
#define GREETING 7u
#define STARTING (record ? 10u : 9u)

/* A lie that may as well be the truth there. */
static bool
harmless(unsigned int at)
{
	/* All ones in a number of queues or slots, zeros in an acknowledgement. */
	return lie == A_BYTE_EACH || (lie == ALL_ONES && at >= 2 && at <= 3) ||
	    (lie == ALL_ONES && at < 2) || (lie == ALL_ZERO && (at == 4 || at == 5 ||
	    at > 6));
}

static bool
lie_at_start(void)
{
	int rc = start();

	if (rc == 0) {
		MUST(harmless(lie_at) || lie == TWICE ||
		    (lie == ALL_ZERO && lie_at == 1));
		return true;
	}
	MUST(rc != -ETIME);
	MUST(strncmp(vm.failed, "the back end cannot be used: ", 29) == 0);
	MUST(vm.denied[0] == '\0');
	return true;
}

static bool
lie_when_running(void)
{
	MUST(start() == 0);
	MUST(activate(&vm, 0, 1) == 0);
	/* The next one is asked for, or the lie did no harm. */
	for (unsigned int i = 0; i < 40 && connections < 2 && !harmless(lie_at); i++)
		MUST(fakevm_pump(&vm, 50) >= 0);
	MUST(connections == 2 || harmless(lie_at) || lie == TWICE || lie == ALL_ONES);
	/* A driver gets its resets, whatever the back end is at. */
	for (unsigned int i = 0; i < 3; i++) {
		MUST(fakevm_reset(&vm) == 0);
		MUST(activate(&vm, 0, 1) == 0);
	}
	MUST(fakevm_drain(&vm) == 0);
	MUST(fakevm_quit(&vm) == 0);
	MUST(vm.denied[0] == '\0');
	return true;
}

static void
one(bool early)
{
	char name[120];
	bool good;

	if (fakevm_init(&vm) < 0)
		exit(1);
	good = early ? lie_at_start() : lie_when_running();
	if (!good || lie_at == (early ? 0 : GREETING)) {
		snprintf(name, sizeof(name), "%s, it %s%s (answer %u)",
		    record ? "with a record" : "relayed", lie_names[lie],
		    early ? " at the start" : "", lie_at);
		result(good, &vm, name);
	}
	fakevm_kill(&vm);
	for (unsigned int i = 0; i < connections && i < 64; i++) {
		kill(back_ends[i], SIGKILL);
		waitpid(back_ends[i], NULL, 0);
	}
	fakevm_fini(&vm);
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned int r = 0; r < 2; r++) {
		record = r != 0;
		for (lie = DIE; lie < LIES; lie++) {
			/* Each silence takes its time. All of them: check-all. */
			unsigned int step = getenv("FULL") != NULL ? 1 :
			    lie == SILENT ? 6 : 3;

			for (lie_at = 0; lie_at < GREETING && !record; lie_at += step)
				one(true);
			for (lie_at = GREETING; lie_at < GREETING + STARTING;
			    lie_at += step)
				one(false);
		}
	}
	return finish();
}
