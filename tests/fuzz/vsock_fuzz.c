// SPDX-License-Identifier: Apache-2.0
/*
 * The socket device against a hostile driver, hostile clients of the host, and a
 * controller that answers late or not at all. Packets are also made of fields that
 * fit together now and then, so that connections come about. When the driver is
 * gone no connection may be left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "device-workers/vsock/vsock.h"
#include "device-workers/vsock/vsock_int.h"
#include "tests/fuzz/device_fuzz.h"

#define CLIENTS 4u
#define GUEST_CID 3u

static int clients[CLIENTS] = { -1, -1, -1, -1 };
static struct sockaddr_un names[2];

static void
keep(uint32_t n, int fd)
{
	if (clients[n % CLIENTS] >= 0)
		close(clients[n % CLIENTS]);
	clients[n % CLIENTS] = fd;
}

static void
connect_client(uint32_t n)
{
	const unsigned int which = n & 1;
	int fd = socket(AF_UNIX, (which ? SOCK_SEQPACKET : SOCK_STREAM) |
	    SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)!connect(fd, (const struct sockaddr *)&names[which],
	    sizeof(names[which]));
	keep(n, fd);
}

static void
client_says(uint32_t n, struct fuzz_in *in)
{
	char buf[300];
	uint32_t len = fuzz_take(in, 1);

	if (n & 1) {
		len = (uint32_t)snprintf(buf, sizeof(buf), "CONNECT %u\n", len % 8);
	} else {
		for (uint32_t i = 0; i < len; i++)
			buf[i] = (char)fuzz_take(in, 1);
	}
	if (clients[n / 2 % CLIENTS] >= 0)
		(void)!send(clients[n / 2 % CLIENTS], buf, len, MSG_NOSIGNAL);
}

/* The controller's answer, when it was asked. */
static void
answer(uint32_t n)
{
	int pair[2];

	if (!vsock.asking)
		return;
	if ((n & 3) == 0 || socketpair(AF_UNIX, (n & 4 ? SOCK_SEQPACKET :
	    SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
		vsock_ops.port(&h.dev, ECONNREFUSED, -1);
		return;
	}
	keep(n, pair[1]);
	vsock_ops.port(&h.dev, 0, pair[0]);
}

static void
packet(struct fuzz_in *in)
{
	uint32_t n = fuzz_take(in, 1), ports = fuzz_take(in, 1);
	struct vsock_hdr hdr = {
		.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID,
		.src_port = ports & 7, .dst_port = ports >> 4 & 7,
		.type = n & 0x80 ? VSOCK_SEQPACKET : VSOCK_STREAM,
		.op = n & 7, .flags = n >> 3 & 3, .buf_alloc = fuzz_take(in, 2),
		.fwd_cnt = fuzz_take(in, 1), .len = n & 0x40 ? fuzz_take(in, 2) : 0,
	};
	/* A connection that there is: the ports of those of the host are not small. */
	const struct conn *c = &conns[ports % 4];
	const struct h_seg seg[2] = {
		{ H_DATA, sizeof(hdr), false }, { H_DATA + 0x100, hdr.len, false },
	};

	if ((n & 0x20) != 0) {
		hdr.src_port = c->guest_port;
		hdr.dst_port = c->host_port;
		hdr.type = c->type;
	}
	memcpy(h.mem + H_DATA, &hdr, sizeof(hdr));
	h_add(VSOCK_TX, seg, hdr.len > 0 ? 2 : 1);
	h_kick(VSOCK_TX);
}

static void
buffers(uint32_t n)
{
	for (uint32_t i = 0; i < 4; i++) {
		const struct h_seg seg = { H_DATA + 0x8000 + 0x1000 * i,
			44 + 16 * n, true };

		h_add(VSOCK_RX, &seg, 1);
	}
	h_kick(VSOCK_RX);
}

void
fuzz_backend(struct fuzz_in *in)
{
	const struct itimerspec now = { .it_value.tv_nsec = 1 };
	uint32_t what = fuzz_take(in, 1), n = what >> 3;
	char buf[4096];

	switch (what & 7) {
	case 0:
		connect_client(n);
		break;
	case 1:
		client_says(n, in);
		break;
	case 2:
		if (clients[n % CLIENTS] >= 0)
			(void)!recv(clients[n % CLIENTS], buf, sizeof(buf), 0);
		break;
	case 3:
		if (n & 4 && clients[n % CLIENTS] >= 0)
			shutdown(clients[n % CLIENTS], (int)(n >> 3 & 1));
		else
			keep(n, -1);
		break;
	case 4:
		answer(n);
		break;
	case 5:
		packet(in);
		break;
	case 6:
		buffers(n);
		break;
	default:
		if (vsock.ticking)
			timerfd_settime(FD_TIMER, 0, &now, NULL);
		break;
	}
	(void)h_poll(0);
}

static void
listener(unsigned int which, int slot)
{
	int fd = socket(AF_UNIX, (which ? SOCK_SEQPACKET : SOCK_STREAM) |
	    SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* In the abstract namespace: nothing to remove. */
	names[which].sun_family = AF_UNIX;
	(void)snprintf(names[which].sun_path + 1, sizeof(names[which].sun_path) - 1,
	    "bulkhead-fuzz-vsock-%d-%u", getpid(), which);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&names[which],
	    sizeof(names[which])) != 0 || listen(fd, 16) != 0 ||
	    dup2(fd, slot) != slot)
		abort();
	if (fd != slot)
		close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static Bh__VsockConfig own;
	static Bh__DeviceConfig config;
	struct rlimit files;
	const char *why;

	(void)argc;
	(void)argv;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		abort();
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	listener(0, FD_VSOCK_STREAM);
	listener(1, FD_VSOCK_SEQPACKET);
	bh__vsock_config__init(&own);
	bh__device_config__init(&config);
	config.device_case = BH__DEVICE_CONFIG__DEVICE_VSOCK;
	config.vsock = &own;
	own.cid = GUEST_CID;
	own.queue_size = H_QUEUE;
	own.buffer = 65536;
	if (h_start(&vsock_ops, &config, &why) != 0)
		abort();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_run(data, size);
	if (vsock.nconns != 0 || vsock.nguest != 0 || vsock.ngreeting != 0 ||
	    fcntl(FD_VSOCK_CONNS, F_GETFD) >= 0)
		abort();
	for (uint32_t i = 0; i < CLIENTS; i++)
		keep(i, -1);
	/* The answer to what was asked for a connection that is gone. */
	if (vsock.asking)
		vsock_ops.port(&h.dev, ECONNREFUSED, -1);
	return 0;
}
