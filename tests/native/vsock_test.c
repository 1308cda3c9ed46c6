// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-vsock in its jail, with sockets at one end and a driver's rings
 * at the other: streams and messages both ways on every kind of ring, half close,
 * credit, a host that does not read, a worker that dies. Lies are vsock_lies_test.c's.
 */
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/native/vsock_conns.h"

#define MANY 1500u

static bool full;

/* ---- what it is for ------------------------------------------------------------------ */

static bool
streams_on(size_t ring)
{
	uint8_t out[10000], in[10000];
	struct guest g;
	uint32_t n;
	int fd;

	MUST(begin_on(ring));
	fd = client(&g, 1234, VSOCK_STREAM);
	MUST(fd >= 0);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 253);
	MUST(send(fd, out, sizeof(out), 0) == sizeof(out));
	for (n = 0; n < sizeof(out); n += got.len) {
		MUST(receive() && got.op == VSOCK_OP_RW && got.len > 0);
		MUST(memcmp(data, out + n, got.len) == 0);
	}
	/* The same with a border within header and data. */
	g.bytes = out;
	for (uint32_t cut = 1; cut < 60; cut++) {
		const struct vsock_hdr h = {
			.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID,
			.src_port = g.port, .dst_port = g.host, .len = 5000,
			.type = VSOCK_STREAM, .op = VSOCK_OP_RW,
			.buf_alloc = g.alloc, .fwd_cnt = n,
		};

		memcpy(vm.ram + TX_AT + tx_slot * SLOT + HDR, out, 5000);
		MUST(post(&h, HDR + 5000, cut) && sent(1));
		MUST(recv(fd, in, 5000, MSG_WAITALL) == 5000 &&
		    memcmp(in, out, 5000) == 0);
	}
	/* Half closed: the host has said its last, and still hears. */
	MUST(shutdown(fd, SHUT_WR) == 0);
	do
		MUST(receive());
	while (got.op == VSOCK_OP_CREDIT_UPDATE);
	MUST(got.op == VSOCK_OP_SHUTDOWN && got.flags == SHUT_F_SEND);
	MUST(send_op(&g, VSOCK_OP_RW, 100) && recv(fd, in, 100, MSG_WAITALL) == 100);
	g.flags = SHUT_F_BOTH;
	MUST(send_op(&g, VSOCK_OP_SHUTDOWN, 0) && closed(fd));
	MUST(receive() && got.op == VSOCK_OP_RST);
	MUST(vm.needs_reset == 0);
	return vsock_end();
}

static bool
to_host_on(size_t ring)
{
	struct guest g;
	char in[20];

	MUST(begin_on(ring));
	MUST(guest_connects(&g, 77, 5000, VSOCK_STREAM));
	g.bytes = "hello";
	MUST(send_op(&g, VSOCK_OP_RW, 5) && recv(near_end, in, sizeof(in), 0) == 5 &&
	    memcmp(in, "hello", 5) == 0);
	/* The guest has said its last, and still hears. */
	g.flags = SHUT_F_SEND;
	MUST(send_op(&g, VSOCK_OP_SHUTDOWN, 0) &&
	    recv(near_end, in, sizeof(in), 0) == 0);
	MUST(send(near_end, "answer", 6, 0) == 6);
	MUST(receive() && got.op == VSOCK_OP_RW && got.len == 6 &&
	    memcmp(data, "answer", 6) == 0);
	close(near_end);
	MUST(receive() && got.op == VSOCK_OP_SHUTDOWN && got.flags == SHUT_F_BOTH);
	MUST(send_op(&g, VSOCK_OP_RST, 0));
	/* Nobody there. */
	refuse_with = ECONNREFUSED;
	MUST(send_op(&g, VSOCK_OP_REQUEST, 0));
	MUST(receive() && got.op == VSOCK_OP_RST && got.dst_port == 77);
	return vsock_end();
}

static bool
messages_on(size_t ring)
{
	static uint8_t out[60000], in[60000];
	struct guest g;
	uint32_t n = 0, total = 0;
	int fd;

	MUST(begin_on(ring));
	fd = client(&g, 9, VSOCK_SEQPACKET);
	MUST(fd >= 0);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 11 + i / 251);
	MUST(send(fd, out, 3, 0) == 3 && send(fd, out, 20000, 0) == 20000);
	MUST(receive() && got.op == VSOCK_OP_RW && got.len == 3 &&
	    got.flags == SEQ_F_EOM);
	do {
		MUST(receive() && got.op == VSOCK_OP_RW);
		MUST(memcmp(data, out + n, got.len) == 0);
		n += got.len;
	} while (got.flags == 0);
	MUST(n == 20000);
	/* In pieces from the guest: one message. */
	g.fwd = 20003;
	for (unsigned int i = 0; i < 3; i++) {
		g.bytes = out + total;
		g.flags = i == 2 ? SEQ_F_EOM : 0;
		MUST(send_op(&g, VSOCK_OP_RW, 9000 + i));
		total += 9000 + i;
	}
	g.bytes = out;
	MUST(send_op(&g, VSOCK_OP_RW, 1));
	MUST(recv(fd, in, sizeof(in), 0) == total && memcmp(in, out, total) == 0);
	MUST(recv(fd, in, sizeof(in), 0) == 1);
	close(fd);
	do
		MUST(receive());
	while (got.op == VSOCK_OP_CREDIT_UPDATE);
	MUST(got.op == VSOCK_OP_SHUTDOWN && got.flags == SHUT_F_BOTH);
	MUST(send_op(&g, VSOCK_OP_RST, 0));
	MUST(guest_connects(&g, 10, 11, VSOCK_SEQPACKET));
	close(near_end);
	return vsock_end();
}

/* ---- credit ---------------------------------------------------------------------------- */

static bool
credit_of_guest(void)
{
	static uint8_t out[50000];
	struct guest g;
	uint32_t n = 0;
	int fd;

	MUST(begin_on(1));
	fd = client(&g, 1, VSOCK_STREAM);
	MUST(fd >= 0);
	g.alloc = 1000;
	MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, 0));
	MUST(send(fd, out, sizeof(out), 0) == sizeof(out));
	while (n < 1000) {
		MUST(receive() && got.op == VSOCK_OP_RW);
		n += got.len;
	}
	MUST(n == 1000 && !receive_in(100));
	g.fwd = 400;
	MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, 0));
	MUST(receive() && got.len == 400 && !receive_in(100));
	/* What cannot be: more was taken than there was; less than before. */
	g.fwd = 5000;
	MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, 0) && !receive_in(100));
	g.fwd = 1400;
	g.alloc = 100;
	MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, 0));
	MUST(receive() && got.len == 100);
	close(fd);
	return vsock_end();
}

/* A host that does not read: as much as it has credit for is kept, and no more. */
static bool
slow_host(void)
{
	static uint8_t out[16384], in[16384];
	struct guest g;
	uint32_t credit, put = 0, read = 0, fwd;

	MUST(begin_on(1));
	MUST(guest_connects(&g, 5, 6, VSOCK_STREAM));
	credit = got.buf_alloc;
	fwd = got.fwd_cnt;
	MUST(credit == BUFFER);
	g.bytes = out;
	/* All that the socket and then the credit take. */
	while (put - fwd < credit) {
		uint32_t len = credit - (put - fwd);

		if (len > sizeof(out))
			len = sizeof(out);
		for (uint32_t i = 0; i < len; i++)
			out[i] = (uint8_t)((put + i) * 31 >> 3);
		MUST(send_op(&g, VSOCK_OP_RW, len));
		put += len;
		while (receive_in(0)) {
			MUST(got.op == VSOCK_OP_CREDIT_UPDATE);
			fwd = got.fwd_cnt;
		}
	}
	MUST(put > credit);	/* the socket took some */
	while (read < put) {
		ssize_t n = recv(near_end, in, sizeof(in), 0);

		MUST(n > 0);
		for (ssize_t i = 0; i < n; i++)
			MUST(in[i] == (uint8_t)((read + (uint32_t)i) * 31 >> 3));
		read += (uint32_t)n;
	}
	MUST(receive() && got.op == VSOCK_OP_CREDIT_UPDATE);
	g.flags = 0;
	MUST(send_op(&g, VSOCK_OP_CREDIT_REQUEST, 0));
	do
		MUST(receive());
	while (got.fwd_cnt != put);
	/* Now one byte more than it has. */
	for (uint32_t i = 0; i * sizeof(out) < 2 * credit + (1u << 20); i++) {
		MUST(send_op(&g, VSOCK_OP_RW, sizeof(out)));
		if (receive_in(0) && got.op == VSOCK_OP_RST)
			break;
	}
	MUST(got.op == VSOCK_OP_RST);
	for (;;) {
		ssize_t n = recv(near_end, in, sizeof(in), 0);

		if (n <= 0)
			break;
	}
	close(near_end);
	return vsock_end();
}

/* The same of messages: they come whole, in their order, small ones too. */
static bool
slow_host_of_messages(void)
{
	static uint8_t out[9000], in[20000];
	struct guest g;
	uint32_t credit, used = 0, count = 0;

	MUST(begin_on(2));
	MUST(guest_connects(&g, 5, 6, VSOCK_SEQPACKET));
	credit = got.buf_alloc;
	MUST(credit >= 4096);
	g.bytes = out;
	for (;;) {
		uint32_t len = 1 + count * 37 % 9000;

		if (count % 3 != 0)
			len = 1;
		if (used + len > credit)
			break;
		memset(out, (int)count, len);
		g.flags = SEQ_F_EOM;
		if (len > 100) {	/* in two pieces */
			g.flags = 0;
			MUST(send_op(&g, VSOCK_OP_RW, 77));
			g.flags = SEQ_F_EOM;
			MUST(send_op(&g, VSOCK_OP_RW, len - 77));
		} else {
			MUST(send_op(&g, VSOCK_OP_RW, len));
		}
		used += len;
		count++;
	}
	g.flags = SHUT_F_BOTH;
	MUST(send_op(&g, VSOCK_OP_SHUTDOWN, 0));
	for (uint32_t i = 0; i < count; i++) {
		uint32_t len = 1 + i * 37 % 9000;

		if (i % 3 != 0)
			len = 1;
		MUST(recv(near_end, in, sizeof(in), 0) == len);
		MUST(in[0] == (uint8_t)i && in[len - 1] == (uint8_t)i);
	}
	MUST(closed(near_end));
	return vsock_end();
}

/* ---- many ----------------------------------------------------------------------------------- */

static bool
many(void)
{
	static struct guest g[MANY];
	static int fd[MANY];
	struct rlimit files = { 4096, 4096 };
	unsigned int n = full ? MANY : 300;
	char in[4];

	(void)setrlimit(RLIMIT_NOFILE, &files);
	MUST(begin_on(1));
	for (unsigned int i = 0; i < n; i++) {
		if (i % 2 == 0) {
			fd[i] = client(&g[i], 100 + i, VSOCK_STREAM);
			MUST(fd[i] >= 0);
		} else {
			MUST(guest_connects(&g[i], 100 + i, 7, VSOCK_STREAM));
			fd[i] = near_end;
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		g[i].bytes = &i;
		MUST(send_op(&g[i], VSOCK_OP_RW, 4));
		MUST(recv(fd[i], in, 4, 0) == 4 && memcmp(in, &i, 4) == 0);
		MUST(send(fd[i], in, 4, 0) == 4);
		MUST(receive() && got.len == 4 && got.dst_port == 100 + i &&
		    memcmp(data, &i, 4) == 0);
	}
	/* A reset of the device closes all of them. */
	MUST(fakevm_reset(&vm) == 0);
	for (unsigned int i = 0; i < n; i++)
		MUST(closed(fd[i]));
	MUST(activate(&vm, 1, 3) == 0);
	post_all();
	MUST((fd[0] = client(&g[0], 1, VSOCK_STREAM)) >= 0);
	close(fd[0]);
	return vsock_end();
}

/* ---- its worker ------------------------------------------------------------------------------ */

static bool
killed(void)
{
	struct guest g;
	uint64_t cookie;
	uint32_t len, event = 1;
	int fd;

	MUST(begin_on(1));
	fd = client(&g, 1, VSOCK_STREAM);
	MUST(fd >= 0 && guest_connects(&g, 2, 3, VSOCK_STREAM));
	fakevm_kill(&vm);
	MUST(closed(fd) && closed(near_end));
	MUST(vsock_boot(BUFFER));
	vm.resume = true;
	MUST(fakevm_activate_rings(&vm, (vm.features & ~RING_FEATURES) |
	    rings[1].features, 3) == 0);
	vm.resume = false;
	/* The driver is told that its connections are gone. */
	MUST(fakevm_used(&vm, 2, &cookie, &len) == 0 && len == 4);
	memcpy(&event, vm.ram + EVENT_AT, 4);
	MUST(event == 0);
	/* One that does not believe it hears it again. */
	g.bytes = "x";
	MUST(send_op(&g, VSOCK_OP_RW, 1) && receive() && got.op == VSOCK_OP_RST);
	MUST((fd = client(&g, 1, VSOCK_STREAM)) >= 0);
	close(fd);
	return vsock_end();
}

/* Not what it maps of its program, which is dirty while that is new. */
static bool
memory(void)
{
	char name[64], line[200];
	long kib = -1;
	FILE *f;

	MUST(begin_on(1));
	snprintf(name, sizeof(name), "/proc/%d/smaps_rollup", (int)vm.pid);
	f = fopen(name, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Anonymous:", 10) == 0)
			kib = strtol(line + 10, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	printf("# private memory of an idle worker: %ld KiB\n", kib);
#ifndef BULKHEAD_SANITIZED
	MUST(kib >= 0 && kib <= 400);
#endif
	return vsock_end();
}

static int
all(void)
{
	for (size_t i = 0; i < NRINGS; i++) {
		char name[100];

		snprintf(name, sizeof(name), "a client of the host: %s", rings[i].name);
		result(streams_on(i), &vm, name);
		snprintf(name, sizeof(name), "the guest connects: %s", rings[i].name);
		result(to_host_on(i), &vm, name);
		snprintf(name, sizeof(name), "messages: %s", rings[i].name);
		result(messages_on(i), &vm, name);
	}
	result(credit_of_guest(), &vm, "no more than the guest takes");
	result(slow_host(), &vm, "a host that does not read");
	result(slow_host_of_messages(), &vm, "a host that does not read messages");
	result(many(), &vm, "many connections");
	result(killed(), &vm, "its worker is killed");
	result(memory(), &vm, "an idle worker is small");
	return finish();
}

int
main(void)
{
	full = getenv("FULL") != NULL;
	return vsock_run(all);
}
