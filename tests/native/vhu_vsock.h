/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's socket driver of two rings over vhu_front.h, and the clients and ports of the
 * host, for tests/native/vhost_user_vsock_test.c. As vsock_drive.h is for the worker.
 */
#ifndef BULKHEAD_TESTS_NATIVE_VHU_VSOCK_H
#define BULKHEAD_TESTS_NATIVE_VHU_VSOCK_H

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "device-workers/vsock/packet.h"
#include "tests/native/vhu_front.h"

#define CID 42u
#define HDR ((uint32_t)sizeof(struct vsock_hdr))
#define BUFFER 65536u
#define RX_RING 0x8000u
#define RX_AT 0x100000u
#define SLOT 0x2000u
#define NRX 32u
#define TX_AT 0x200000u
#define NTX 16u

static char path[96];
static struct drvq rx, tx;
static int rx_kick = -1;
static uint64_t rx_slot, tx_slot;

static struct vsock_hdr got;		/* what came last, and its data */
static const uint8_t *data;

/* ---- host ------------------------------------------------------------------------ */

static struct sockaddr_un
address(const char *suffix)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", path, suffix);
	return a;
}

static int
listen_at(const char *suffix, int type)
{
	struct sockaddr_un a = address(suffix);
	struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	unlink(a.sun_path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 64) != 0)
		return -1;
	return fd;
}

static void
unlisten(int fd, const char *suffix)
{
	struct sockaddr_un a = address(suffix);

	close(fd);
	unlink(a.sun_path);
}

static int
connect_to(const char *suffix, int type)
{
	struct sockaddr_un a = address(suffix);
	struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool
closed(int fd)
{
	char c;
	bool good = recv(fd, &c, 1, 0) <= 0;

	close(fd);
	return good;
}

/* ---- guest ----------------------------------------------------------------------- */

static void
kick(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static bool
start(uint32_t ring, struct drvq *q, uint64_t at, int kick_fd)
{
	drvq_init(q, t.ram, at, QUEUE, FEATURES | t.more_features);
	MUST(set_vring(VHU_SET_VRING_NUM, ring, q->size) == 0);
	MUST(set_vring(VHU_SET_VRING_BASE, ring, q->packed ? 0x80008000 : 0) == 0);
	MUST(set_addr(ring, UVA + q->desc, UVA + q->avail, UVA + q->used) == 0);
	MUST(set_fd(VHU_SET_VRING_CALL, ring, t.call) == 0);
	MUST(set_fd(VHU_SET_VRING_KICK, ring, kick_fd) == 0);
	return set_vring(VHU_SET_VRING_ENABLE, ring, 1) == 0;
}

static void
post_rx(uint64_t slot, uint32_t cut)
{
	struct drvq_buf b[2] = { { RX_AT + slot * SLOT, HDR + 4096, true } };
	unsigned int n = 1;

	if (cut > 0) {
		b[1] = (struct drvq_buf){ b[0].addr + cut, b[0].len - cut, true };
		b[0].len = cut;
		n = 2;
	}
	if (drvq_add(&rx, b, n, 0, slot) < 0)
		printf("# no room in the receive queue\n");
	drvq_publish(&rx);
}

static bool
start_rings(void)
{
	MUST(start(VSOCK_RX, &rx, RX_RING, rx_kick));
	MUST(start(VSOCK_TX, &tx, RING, t.kick));
	for (uint64_t i = 0; i < NRX; i++)
		post_rx(i, 0);
	kick(rx_kick);
	rx_slot = UINT64_MAX;
	tx_slot = 0;
	return true;
}

static bool
up(void)
{
	return negotiate() && set_memory() && start_rings() &&
	    set_u64(VHU_SET_STATUS, 0x0f) == 0;
}

/* A driver's reset. */
static bool
again(void)
{
	return set(VHU_RESET_DEVICE, NULL, 0, NULL, 0) == 0 && start_rings();
}

static bool
wait_used(struct drvq *q, uint64_t *cookie, uint32_t *len, int ms)
{
	for (int waited = 0; !drvq_get(q, cookie, len); waited += 5) {
		struct pollfd p = { .fd = t.call, .events = POLLIN };
		uint64_t count;

		if (waited > ms)
			return false;
		if (poll(&p, 1, 5) == 1 && read(t.call, &count, sizeof(count)) < 0)
			return false;
	}
	return true;
}

static bool
receive_in(int ms)
{
	uint32_t len;

	if (rx_slot != UINT64_MAX) {
		post_rx(rx_slot, 0);
		kick(rx_kick);
	}
	rx_slot = UINT64_MAX;
	if (!wait_used(&rx, &rx_slot, &len, ms))
		return false;
	memcpy(&got, t.ram + RX_AT + rx_slot * SLOT, sizeof(got));
	data = t.ram + RX_AT + rx_slot * SLOT + HDR;
	return got.src_cid == VSOCK_HOST_CID && got.dst_cid == CID &&
	    len == HDR + got.len;
}

#define receive() receive_in(WAIT_MS)

/* The next packet that is not of credit. */
static bool
receive_op(enum vsock_op op)
{
	do
		if (!receive())
			return false;
	while (got.op == VSOCK_OP_CREDIT_UPDATE && op != VSOCK_OP_CREDIT_UPDATE);
	return got.op == op;
}

struct guest {
	uint16_t type;
	uint32_t port, host, alloc, fwd, flags;
};

static struct vsock_hdr
header(const struct guest *g, enum vsock_op op, uint32_t len)
{
	return (struct vsock_hdr){
		.src_cid = CID, .dst_cid = VSOCK_HOST_CID,
		.src_port = g->port, .dst_port = g->host, .len = len,
		.type = g->type, .op = (uint16_t)op, .flags = g->flags,
		.buf_alloc = g->alloc, .fwd_cnt = g->fwd,
	};
}

/* @len bytes, parted at @cut; what is behind the header is there already. */
static bool
send_hdr(const struct vsock_hdr *h, uint32_t len, uint32_t cut)
{
	const uint64_t at = TX_AT + tx_slot * SLOT;
	struct drvq_buf b[2] = { { at, len, false } };
	unsigned int n = 1;
	uint64_t cookie;

	memcpy(t.ram + at, h, sizeof(*h));
	if (cut > 0 && cut < len) {
		b[0].len = cut;
		b[n++] = (struct drvq_buf){ at + cut, len - cut, false };
	}
	tx_slot = (tx_slot + 1) % NTX;
	if (drvq_add(&tx, b, n, 0, 1) < 0)
		return false;
	drvq_publish(&tx);
	kick(t.kick);
	return wait_used(&tx, &cookie, &len, WAIT_MS) && len == 0;
}

static bool
send_op(const struct guest *g, enum vsock_op op, const void *bytes, uint32_t len)
{
	const struct vsock_hdr h = header(g, op, len);

	if (len > 0)
		memcpy(t.ram + TX_AT + tx_slot * SLOT + HDR, bytes, len);
	return send_hdr(&h, HDR + len, 0);
}

/* A client connects to the guest's @port. -1: no. */
static int
client(struct guest *g, uint32_t port, uint16_t type)
{
	const bool stream = type == VSOCK_STREAM;
	int fd = connect_to(stream ? "" : ".seqpacket", stream ? SOCK_STREAM :
	    SOCK_SEQPACKET);
	char line[32], want[32];
	int len = snprintf(line, sizeof(line), "CONNECT %u\n", port);

	if (fd < 0 || send(fd, line, (size_t)len, MSG_NOSIGNAL) != len ||
	    !receive_op(VSOCK_OP_REQUEST) || got.dst_port != port ||
	    got.type != type)
		return -1;
	*g = (struct guest){ .type = type, .port = port, .host = got.src_port,
			     .alloc = BUFFER };
	if (!send_op(g, VSOCK_OP_RESPONSE, NULL, 0))
		return -1;
	len = snprintf(want, sizeof(want), "OK %u\n", g->host);
	return recv(fd, line, sizeof(line), 0) == len &&
	    memcmp(line, want, (size_t)len) == 0 ? fd : -1;
}

/* The guest connects to @host, where @listener listens. -1: it was refused. */
static int
guest_connects(struct guest *g, uint32_t port, uint32_t host, uint16_t type,
    int listener)
{
	*g = (struct guest){ .type = type, .port = port, .host = host,
			     .alloc = BUFFER };
	if (!send_op(g, VSOCK_OP_REQUEST, NULL, 0) || !receive() ||
	    got.src_port != host || got.dst_port != port || got.type != type ||
	    got.op != VSOCK_OP_RESPONSE)
		return -1;
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static bool
refused(uint32_t port, uint32_t host, uint16_t type)
{
	struct guest g;

	MUST(guest_connects(&g, port, host, type, -1) == -1);
	return got.op == VSOCK_OP_RST;
}

static bool
works(void)
{
	struct guest g;
	char in[8];
	int fd = client(&g, 7, VSOCK_STREAM);

	MUST(fd >= 0);
	MUST(send_op(&g, VSOCK_OP_RW, "hello", 5));
	MUST(recv(fd, in, sizeof(in), 0) == 5 && memcmp(in, "hello", 5) == 0);
	MUST(send_op(&g, VSOCK_OP_RST, NULL, 0));
	return closed(fd);
}

#endif
