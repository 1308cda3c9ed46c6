// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-vsock in its jail, a guest and clients that lie: packets and lines
 * that are none, more connections than there may be, no receive buffers, a thousand resets.
 */
#include "tests/native/vsock_conns.h"
#include "tests/native/private_kib.h"

/* As the device has them. */
#define VSOCK_GUEST_CONNS (FD_VSOCK_COUNT - 256u)
#define VSOCK_RESETS 256u

static bool full;

static bool
packets_that_lie(void)
{
	const struct vsock_hdr good = {
		.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID, .src_port = 3,
		.dst_port = 4, .type = VSOCK_STREAM, .op = VSOCK_OP_RW,
	};
	struct vsock_hdr h;
	struct guest g;
	int fd;

	MUST(begin_on(1));
	/* No such connection: RST; from RST nothing. */
	MUST(post(&good, HDR, 0) && sent(1));
	MUST(receive() && got.op == VSOCK_OP_RST && got.src_port == 4 &&
	    got.dst_port == 3);
	h = good;
	h.op = VSOCK_OP_RST;
	MUST(post(&h, HDR, 0) && sent(1));
	/* In another's name, to another, too short, longer than it is: nothing. */
	h = good;
	h.src_cid = GUEST_CID + 1;
	MUST(post(&h, HDR, 0) && sent(1));
	h = good;
	h.dst_cid = 1;
	MUST(post(&h, HDR, 0) && sent(1));
	MUST(post(&good, HDR - 1, 0) && sent(1));
	MUST(post(&good, 1, 0) && sent(1));
	h = good;
	h.len = 1;
	MUST(post(&h, HDR, 0) && sent(1));
	h.len = UINT32_MAX;
	MUST(post(&h, HDR + 100, 0) && sent(1));
	MUST(!receive_in(50));
	/* A type that there is none of. */
	h = good;
	h.type = 3;
	MUST(post(&h, HDR, 0) && sent(1));
	MUST(receive() && got.op == VSOCK_OP_RST && got.type == 3);
	/* Each operation that does not belong there costs the connection. */
	for (uint16_t op = 0; op < 300; op = op < 9 ? op + 1 : op * 2) {
		if (op == VSOCK_OP_SHUTDOWN || op == VSOCK_OP_RW ||
		    op == VSOCK_OP_CREDIT_UPDATE || op == VSOCK_OP_CREDIT_REQUEST ||
		    op == VSOCK_OP_RST)
			continue;
		fd = client(&g, 8, VSOCK_STREAM);
		MUST(fd >= 0);
		MUST(send_op(&g, (enum vsock_op)op, 0));
		MUST(receive() && got.op == VSOCK_OP_RST && closed(fd));
	}
	/* Data before the connection stands. */
	fd = connect_to("", SOCK_STREAM);
	MUST(send(fd, "CONNECT 8\n", 10, 0) == 10 && receive() &&
	    got.op == VSOCK_OP_REQUEST);
	g = (struct guest){ .type = VSOCK_STREAM, .port = 8, .host = got.src_port,
			    .bytes = "x" };
	MUST(send_op(&g, VSOCK_OP_RW, 1) && receive() && got.op == VSOCK_OP_RST &&
	    closed(fd));
	MUST(vm.needs_reset == 0);
	return vsock_end();
}

static bool
is_reset(const struct guest *g)
{
	return receive() && got.op == VSOCK_OP_RST && got.dst_port == g->port;
}

/* Each is right by itself, but not there, or not any more. */
static bool
sequences_that_lie(void)
{
	static const enum vsock_op late[] = { VSOCK_OP_RW, VSOCK_OP_SHUTDOWN,
		VSOCK_OP_RESPONSE, VSOCK_OP_CREDIT_UPDATE, VSOCK_OP_CREDIT_REQUEST };
	struct guest g;
	char in[4];
	int fd;

	MUST(begin_on(1));
	/* Flags that are none close nothing; one that has said its last says more. */
	MUST((fd = client(&g, 8, VSOCK_STREAM)) >= 0);
	g.bytes = "abc";
	g.flags = ~(uint32_t)SHUT_F_BOTH;
	MUST(send_op(&g, VSOCK_OP_SHUTDOWN, 0) && send_op(&g, VSOCK_OP_RW, 3));
	MUST(recv(fd, in, sizeof(in), 0) == 3 && memcmp(in, "abc", 3) == 0);
	g.flags = SHUT_F_SEND;
	MUST(send_op(&g, VSOCK_OP_SHUTDOWN, 0) && send_op(&g, VSOCK_OP_SHUTDOWN, 0));
	MUST(send_op(&g, VSOCK_OP_RW, 3) && is_reset(&g) && closed(fd));
	/* Over, by either end of it. */
	for (int by_reset = 0; by_reset < 2; by_reset++) {
		MUST((fd = client(&g, 9, VSOCK_STREAM)) >= 0);
		g.bytes = "abc";
		g.flags = SHUT_F_BOTH;
		MUST(send_op(&g, by_reset ? VSOCK_OP_RST : VSOCK_OP_SHUTDOWN, 0));
		MUST((by_reset || is_reset(&g)) && closed(fd));
		for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
			MUST(send_op(&g, late[i], 0) && is_reset(&g));
		MUST(send_op(&g, VSOCK_OP_RST, 0) && !receive_in(50));
	}
	/* Before the host's answer: each costs the request, which comes to nothing. */
	vm.want_port = NULL;
	for (uint32_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		g = (struct guest){ .type = VSOCK_STREAM, .port = 10 + i, .host = 5 };
		MUST(send_op(&g, VSOCK_OP_REQUEST, 0) && fakevm_pump(&vm, 1) >= 0);
		MUST(send_op(&g, VSOCK_OP_REQUEST, 0) && is_reset(&g));
		g.port += 100;
		MUST(send_op(&g, VSOCK_OP_REQUEST, 0) && fakevm_pump(&vm, 1) >= 0);
		/* These two cost nothing, but the third does. */
		if (late[i] == VSOCK_OP_CREDIT_UPDATE ||
		    late[i] == VSOCK_OP_CREDIT_REQUEST)
			MUST(send_op(&g, late[i], 0) && !receive_in(20) &&
			    send_op(&g, VSOCK_OP_RW, 0));
		else
			MUST(send_op(&g, late[i], 0));
		MUST(is_reset(&g));
		fakevm_give_port(&vm, ECONNREFUSED, -1);
	}
	vm.want_port = on_want_port;
	MUST(guest_connects(&g, 300, 5, VSOCK_STREAM) && vm.needs_reset == 0);
	close(near_end);
	return vsock_end();
}

static bool
clients_that_lie(void)
{
	static const char *const lines[] = { "\n", "CONNECT\n", "CONNECT \n",
		"CONNECT x\n", "CONNECT -1\n", "CONNECT 4294967295\n",
		"CONNECT 99999999999999999999\n", "connect 5\n", "CONNECT 5 \n",
		"CONNECT  5\n", "GET / HTTP/1.0\r\n\r\n",
		"CONNECT 00000000000000000000000000000000000000000000001\n" };
	int fd, silent[3], half;
	struct guest g;
	char line[32];

	MUST(begin_on(1));
	for (size_t i = 0; i < 3; i++)
		silent[i] = connect_to("", SOCK_STREAM);
	half = connect_to("", SOCK_STREAM);
	MUST(send(half, "CONNECT 12", 10, 0) == 10);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		fd = connect_to("", SOCK_STREAM);
		MUST(send(fd, lines[i], strlen(lines[i]), MSG_NOSIGNAL) > 0);
		MUST(closed(fd));
		fd = connect_to(".seqpacket", SOCK_SEQPACKET);
		MUST(send(fd, lines[i], strlen(lines[i]), MSG_NOSIGNAL) > 0);
		MUST(closed(fd));
	}
	/* Gone at once, and within the line. */
	for (size_t i = 0; i < 20; i++) {
		fd = connect_to("", SOCK_STREAM);
		MUST(send(fd, "CONNECT 55", i % 11, MSG_NOSIGNAL) >= 0);
		close(fd);
	}
	/* Byte by byte is fine. */
	fd = connect_to("", SOCK_STREAM);
	for (size_t i = 0; i < 10; i++) {
		MUST(send(fd, &"CONNECT 8\n"[i], 1, 0) == 1);
		usleep(1000);
	}
	MUST(receive() && got.op == VSOCK_OP_REQUEST && got.dst_port == 8);
	g = (struct guest){ .type = VSOCK_STREAM, .port = 8, .host = got.src_port };
	MUST(send_op(&g, VSOCK_OP_RST, 0) && closed(fd));
	/* The half line goes on. */
	MUST(send(half, "34\nmore", 7, 0) == 7);
	MUST(receive() && got.op == VSOCK_OP_REQUEST && got.dst_port == 1234);
	g = (struct guest){ .type = VSOCK_STREAM, .port = 1234,
			    .host = got.src_port, .alloc = 100 };
	MUST(send_op(&g, VSOCK_OP_RESPONSE, 0));
	MUST(recv(half, line, sizeof(line), 0) > 3);
	MUST(receive() && got.op == VSOCK_OP_RW && got.len == 4 &&
	    memcmp(data, "more", 4) == 0);
	close(half);
	MUST(receive() && got.op == VSOCK_OP_SHUTDOWN);
	MUST(send_op(&g, VSOCK_OP_RST, 0));
	/* Who says nothing has some seconds. */
	for (size_t i = 0; i < 3; i++)
		MUST(closed(silent[i]));
	return vsock_end();
}

/* Requests without end: those that are too many get RST, and host clients go on. */
static bool
too_many(void)
{
	unsigned int responses = 0, resets = 0;
	static int ends[FD_VSOCK_COUNT + 100];
	struct guest g;
	int fd;

	MUST(begin_on(1));
	for (unsigned int i = 0; i < VSOCK_GUEST_CONNS + 50; i++) {
		g = (struct guest){ .type = VSOCK_STREAM, .port = i, .host = 1 };
		near_end = -1;
		MUST(send_op(&g, VSOCK_OP_REQUEST, 0) && receive());
		ends[i] = near_end;
		responses += got.op == VSOCK_OP_RESPONSE;
		resets += got.op == VSOCK_OP_RST;
	}
	MUST(responses == VSOCK_GUEST_CONNS && resets == 50);
	fd = client(&g, 99999, VSOCK_STREAM);
	MUST(fd >= 0);
	close(fd);
	for (unsigned int i = 0; i < VSOCK_GUEST_CONNS; i++)
		close(ends[i]);
	return vsock_end();
}

/* Requests without receive buffers: the transmit queue stops, and goes on later. */
static bool
no_buffers(void)
{
	unsigned int n = 0;
	uint64_t cookie;
	uint32_t len;

	nrx = 0;
	MUST(begin_on(1));
	for (unsigned int i = 0; i < VSOCK_RESETS + 100; i++) {
		const struct vsock_hdr h = {
			.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID,
			.src_port = i, .dst_port = 1, .type = VSOCK_STREAM,
			.op = VSOCK_OP_RW,
		};

		MUST(post(&h, HDR, 0));
		if (i < VSOCK_RESETS)
			MUST(sent(1));
	}
	fakevm_pump(&vm, 50);
	MUST(!drvq_get(&vm.q[1], &cookie, &len));
	nrx = 32;
	post_all();
	while (n < VSOCK_RESETS + 100) {
		MUST(receive() && got.op == VSOCK_OP_RST);
		n++;
	}
	MUST(sent(100));
	return vsock_end();
}

/* With connections open, one that nobody has answered, and a client that says nothing. */
static bool
resets(void)
{
	const unsigned int n = full ? 1000 : 60;
	long before = -1;

	MUST(begin_on(1));
	for (unsigned int i = 0; i < n; i++) {
		struct guest g, h, late = { .type = VSOCK_STREAM, .port = 3, .host = 4 };
		int fd = client(&g, 1, VSOCK_STREAM), silent;

		MUST(fd >= 0 && guest_connects(&h, 2, 3, VSOCK_STREAM));
		silent = connect_to("", SOCK_STREAM);
		vm.want_port = NULL;
		MUST(send_op(&late, VSOCK_OP_REQUEST, 0) && fakevm_pump(&vm, 1) >= 0);
		MUST(fakevm_reset(&vm) == 0);
		MUST(closed(fd) && closed(near_end));
		close(silent);
		/* The answer comes when nobody waits for it any more. */
		fakevm_give_port(&vm, ECONNREFUSED, -1);
		vm.want_port = on_want_port;
		MUST(activate(&vm, i % NRINGS, 3) == 0);
		post_all();
		if (i == n / 2)
			before = private_kib(vm.pid);
	}
	MUST(private_kib(vm.pid) <= before + 64 && vm.needs_reset == 0);
	return vsock_end();
}

static int
all(void)
{
	result(packets_that_lie(), &vm, "packets that lie");
	result(sequences_that_lie(), &vm, "packets at the wrong time");
	result(clients_that_lie(), &vm, "clients that lie");
	if (full)
		result(too_many(), &vm, "more than there may be");
	result(no_buffers(), &vm, "no receive buffers");
	result(resets(), &vm, full ? "a thousand resets" : "resets");
	return finish();
}

int
main(void)
{
	full = getenv("FULL") != NULL;
	return vsock_run(all);
}
