/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's side of vsock for tests/native/vsock_test.c and tests/bench: a driver
 * that posts receive buffers, sends packets, and keeps no connection's state but what
 * a test keeps. And the host's: a client of the listening socket.
 */
#ifndef BULKHEAD_TESTS_NATIVE_VSOCK_DRIVE_H
#define BULKHEAD_TESTS_NATIVE_VSOCK_DRIVE_H

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "device-workers/lib/record.h"
#include "device-workers/vsock/packet.h"
#include "device-workers/vsock/slots.h"
#include "tests/native/device_test.h"

#define GUEST_CID 42u
#define HDR ((uint32_t)sizeof(struct vsock_hdr))
#define SLOT 0x20000ull		/* from one buffer to the next */
#define RX_AT FAKEVM_DATA
#define MAX_RX 64ull
#define TX_AT (FAKEVM_DATA + MAX_RX * SLOT)
#define MAX_TX 16ull
#define EVENT_AT (TX_AT + MAX_TX * SLOT)

static struct fakevm vm;
static char dir[64], path[90];
static int listener[2] = { -1, -1 }, record = -1;
static uint32_t rx_size = HDR + 4096, nrx = 32;
static uint64_t rx_slot, tx_slot;

/* What came last, and its data. */
static struct vsock_hdr got;
static const uint8_t *data;

static __attribute__((unused)) int
listen_at(const char *suffix, int type)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", path, suffix);
	unlink(a.sun_path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 4096) != 0)
		return -1;
	return fd;
}

static __attribute__((unused)) int
connect_to(const char *suffix, int type)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", path, suffix);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool
vsock_boot(uint32_t buffer)
{
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	Bh__VsockConfig vsock = BH__VSOCK_CONFIG__INIT;
	const struct fakevm_fd fds[] = { { FD_VSOCK_STREAM, listener[0] },
		{ FD_VSOCK_SEQPACKET, listener[1] }, { FD_RECORD, record } };
	static char id[] = "_vsock0";

	config.id = id;
	config.packed = true;
	vsock.cid = GUEST_CID;
	vsock.queue_size = 256;
	vsock.buffer = buffer;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_VSOCK;
	config.vsock = &vsock;
	return fakevm_start(&vm, "build/bulkhead-vsock", &config, fds, 3) == 0;
}

static bool
vsock_start(uint32_t buffer)
{
	char suffix[] = ".seqpacket";

	MUST(fakevm_init(&vm) == 0);
	listener[0] = listen_at("", SOCK_STREAM);
	listener[1] = listen_at(suffix, SOCK_SEQPACKET);
	record = memfd_create("record", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	MUST(record >= 0 && ftruncate(record, (off_t)RECORD_SIZE(3)) == 0);
	MUST(fcntl(record, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	return vsock_boot(buffer);
}

static bool
vsock_end(void)
{
	MUST(fakevm_quit(&vm) == 0);
	close(listener[0]);
	close(listener[1]);
	close(record);
	fakevm_fini(&vm);
	return true;
}

static void
post_rx(uint64_t slot)
{
	const struct drvq_buf b = { RX_AT + slot * SLOT, rx_size, true };

	if (drvq_add(&vm.q[0], &b, 1, 0, slot) < 0)
		printf("# no room in the receive queue\n");
}

/* Receive buffers, and one for events. */
static void
post_all(void)
{
	const struct drvq_buf b = { EVENT_AT, 4, true };

	for (uint64_t i = 0; i < nrx; i++)
		post_rx(i);
	fakevm_publish(&vm, 0);
	memset(vm.ram + EVENT_AT, 0xee, 4);
	drvq_add(&vm.q[2], &b, 1, 0, 0);
	fakevm_publish(&vm, 2);
	tx_slot = 0;
	rx_slot = UINT64_MAX;
}

/* Give the buffer of the last packet back. */
static void
done(void)
{
	if (rx_slot != UINT64_MAX) {
		post_rx(rx_slot);
		fakevm_publish(&vm, 0);
	}
	rx_slot = UINT64_MAX;
}

/* The next packet, within @ms. */
static bool
receive_in(int ms)
{
	uint32_t len;
	uint64_t slot;

	done();
	for (int waited = 0; !drvq_get(&vm.q[0], &slot, &len); waited += 5) {
		if (waited > ms)
			return false;
		if (fakevm_pump(&vm, 5) < 0)
			return false;
	}
	rx_slot = slot;
	memcpy(&got, vm.ram + RX_AT + slot * SLOT, sizeof(got));
	data = vm.ram + RX_AT + slot * SLOT + HDR;
	return got.src_cid == VSOCK_HOST_CID && got.dst_cid == GUEST_CID &&
	    len == HDR + got.len;
}

#define receive() receive_in(FAKEVM_WAIT_MS)

/* Take back what was sent. */
static bool
sent(unsigned int n)
{
	uint64_t cookie;
	uint32_t len;

	while (n-- > 0)
		if (fakevm_used(&vm, 1, &cookie, &len) != 0 || len != 0)
			return false;
	return true;
}

/* A packet as it is, its data already at its slot. @cut: where the buffers part. */
static bool
post(const struct vsock_hdr *h, uint32_t len, uint32_t cut)
{
	uint64_t at = TX_AT + tx_slot * SLOT;
	struct drvq_buf b[2] = { { at, len, false } };
	unsigned int n = 1;

	memcpy(vm.ram + at, h, sizeof(*h));
	if (cut > 0 && cut < len) {
		b[0].len = cut;
		b[n++] = (struct drvq_buf){ at + cut, len - cut, false };
	}
	tx_slot = (tx_slot + 1) % MAX_TX;
	if (drvq_add(&vm.q[1], b, n, 0, 0) < 0)
		return false;
	fakevm_publish(&vm, 1);
	return true;
}

/* A socket of the guest's. */
struct guest {
	uint16_t type;
	uint32_t port, host;
	uint32_t alloc, fwd;	/* what it says of itself */
	uint32_t flags;
	const void *bytes;
};

static bool
send_op(const struct guest *g, enum vsock_op op, uint32_t len)
{
	const struct vsock_hdr h = {
		.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID,
		.src_port = g->port, .dst_port = g->host, .len = len,
		.type = g->type, .op = (uint16_t)op, .flags = g->flags,
		.buf_alloc = g->alloc, .fwd_cnt = g->fwd,
	};

	if (len > 0)
		memcpy(vm.ram + TX_AT + tx_slot * SLOT + HDR, g->bytes, len);
	return post(&h, HDR + len, 0) && sent(1);
}

/* A client connects to the guest's @port, which takes it. -1: no. */
static int
client(struct guest *g, uint32_t port, uint16_t type)
{
	char line[64], want[64];
	int fd = connect_to(type == VSOCK_STREAM ? "" : ".seqpacket",
	    type == VSOCK_STREAM ? SOCK_STREAM : SOCK_SEQPACKET);
	ssize_t n;

	snprintf(line, sizeof(line), "CONNECT %u\n", port);
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
		return -1;
	if (!receive() || got.op != VSOCK_OP_REQUEST || got.dst_port != port ||
	    got.type != type)
		return -1;
	*g = (struct guest){ .type = type, .port = port, .host = got.src_port,
			     .alloc = 1u << 18 };
	if (!send_op(g, VSOCK_OP_RESPONSE, 0))
		return -1;
	n = recv(fd, want, sizeof(want), 0);
	snprintf(line, sizeof(line), "OK %u\n", g->host);
	return n == (ssize_t)strlen(line) && memcmp(line, want, (size_t)n) == 0 ?
	    fd : -1;
}

#endif
