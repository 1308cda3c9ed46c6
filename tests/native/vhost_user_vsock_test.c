/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-vhost-user-vsock with a front end of two rings: streams and messages both
 * ways, those that the guest opens by way of the process that connects; a path that is
 * removed and put back, that process killed, the front end gone and back. Then a guest
 * that lies: credit, ports and lengths, headers split at every byte, rings and packets
 * that change while they are read, a thousand resets with connections open.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/native/vhu_vsock.h"
#include "tests/native/private_kib.h"

static unsigned int number, failures;
static bool full;
static char program[160];

static void
result(bool good, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %u - %s ring: %s\n", good ? "" : "not ", number,
	    t.more_features >> VIRTIO_F_RING_PACKED & 1 ? "packed" : "split", name);
}

/* ---- what it is for -------------------------------------------------------------- */

static bool
configuration(void)
{
	struct packet answer;
	uint32_t head[3 + 2] = { 0, 8, 0 };
	uint64_t cid;

	MUST(up());
	MUST(ask(VHU_GET_CONFIG, head, sizeof(head), &answer));
	memcpy(&cid, (uint8_t *)&answer.payload + 12, sizeof(cid));
	return cid == CID;
}

static bool
streams(void)
{
	static uint8_t out[20000], in[20000];
	uint32_t n = 0;
	struct guest g;
	int fd;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 253);
	MUST((fd = client(&g, 1234, VSOCK_STREAM)) >= 0);
	MUST(send(fd, out, sizeof(out), 0) == sizeof(out));
	for (; n < sizeof(out); n += got.len)
		MUST(receive_op(VSOCK_OP_RW) && memcmp(data, out + n, got.len) == 0);
	g.fwd = n;
	for (n = 0; n < sizeof(out); n += 4000)
		MUST(send_op(&g, VSOCK_OP_RW, out + n, 4000));
	MUST(recv(fd, in, sizeof(in), MSG_WAITALL) == sizeof(in) &&
	    memcmp(in, out, sizeof(in)) == 0);
	MUST(shutdown(fd, SHUT_WR) == 0 && receive_op(VSOCK_OP_SHUTDOWN) &&
	    got.flags == SHUT_F_SEND);
	MUST(send_op(&g, VSOCK_OP_RW, out, 100) &&
	    recv(fd, in, 100, MSG_WAITALL) == 100);
	g.flags = SHUT_F_BOTH;
	MUST(send_op(&g, VSOCK_OP_SHUTDOWN, NULL, 0) && closed(fd));
	return receive_op(VSOCK_OP_RST);
}

static bool
from_guest_on(uint16_t type)
{
	int listener = listen_at("_5000", type == VSOCK_STREAM ? SOCK_STREAM :
	    SOCK_SEQPACKET);
	struct guest g;
	char in[16];
	int fd;

	MUST(listener >= 0);
	MUST((fd = guest_connects(&g, 77, 5000, type, listener)) >= 0);
	g.flags = type == VSOCK_SEQPACKET ? SEQ_F_EOM : 0;
	MUST(send_op(&g, VSOCK_OP_RW, "hello", 5) &&
	    recv(fd, in, sizeof(in), 0) == 5 && memcmp(in, "hello", 5) == 0);
	g.flags = SHUT_F_SEND;
	MUST(send_op(&g, VSOCK_OP_SHUTDOWN, NULL, 0) &&
	    recv(fd, in, sizeof(in), 0) == 0);
	MUST(send(fd, "answer", 6, 0) == 6 && receive_op(VSOCK_OP_RW) &&
	    got.len == 6 && memcmp(data, "answer", 6) == 0);
	close(fd);
	MUST(receive_op(VSOCK_OP_SHUTDOWN) && send_op(&g, VSOCK_OP_RST, NULL, 0));
	unlisten(listener, "_5000");
	/* One of the other type, nobody, a file. */
	MUST((listener = listen_at("_5000", type == VSOCK_STREAM ? SOCK_SEQPACKET :
	    SOCK_STREAM)) >= 0);
	MUST(refused(78, 5000, type));
	unlisten(listener, "_5000");
	MUST(refused(79, 5000, type));
	return true;
}

static bool
from_guest(void)
{
	struct sockaddr_un a = address("_6000");
	int fd;

	MUST(from_guest_on(VSOCK_STREAM));
	fd = open(a.sun_path, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
	MUST(fd >= 0 && refused(80, 6000, VSOCK_STREAM));
	close(fd);
	unlink(a.sun_path);
	MUST(refused(81, UINT32_MAX, VSOCK_STREAM) && refused(82, 0, VSOCK_STREAM));
	return from_guest_on(VSOCK_SEQPACKET);
}

/* The path of a port, and that of the clients, go and come back. */
static bool
path_removed(void)
{
	struct sockaddr_un a = address("");
	char aside[128], x;
	struct guest g;
	int listener, fd, old;

	MUST((listener = listen_at("_5001", SOCK_STREAM)) >= 0);
	MUST((old = guest_connects(&g, 1, 5001, VSOCK_STREAM, listener)) >= 0);
	unlisten(listener, "_5001");
	MUST(refused(2, 5001, VSOCK_STREAM));
	MUST((listener = listen_at("_5001", SOCK_STREAM)) >= 0);
	MUST((fd = guest_connects(&(struct guest){ 0 }, 3, 5001, VSOCK_STREAM,
	    listener)) >= 0);
	/* What was open does not mind. */
	g.flags = 0;
	MUST(send_op(&g, VSOCK_OP_RW, "x", 1) && recv(old, &x, 1, 0) == 1);
	close(fd);
	MUST(receive_op(VSOCK_OP_SHUTDOWN));
	close(old);
	MUST(receive_op(VSOCK_OP_SHUTDOWN));
	unlisten(listener, "_5001");
	snprintf(aside, sizeof(aside), "%.90s.aside", path);
	MUST(rename(a.sun_path, aside) == 0);
	MUST(connect_to("", SOCK_STREAM) < 0);
	MUST(rename(aside, a.sun_path) == 0);
	return works();
}

/* Clients that say nothing, half a line, or vanish cost themselves. */
static bool
bad_clients(void)
{
	int silent = connect_to("", SOCK_STREAM), half = connect_to("", SOCK_STREAM);

	MUST(silent >= 0 && half >= 0 && send(half, "CONN", 4, 0) == 4);
	for (int i = 0; i < 40; i++) {
		int fd = connect_to("", SOCK_STREAM);

		MUST(fd >= 0 && send(fd, "CONNECT 5\n", (size_t)(i % 11), 0) >= 0);
		close(fd);
		/* Those that got as far are told to the guest, and that they went. */
		while (receive_in(i % 11 == 10 ? 50 : 0))
			;
	}
	MUST(works());
	close(half);
	close(silent);
	return works();
}

static bool
comes_back(void)
{
	struct guest g;
	int fd = client(&g, 9, VSOCK_STREAM);

	MUST(fd >= 0);
	close(t.conn);
	t.conn = -1;
	MUST(closed(fd));
	return up() && works();
}

/* ---- lies ------------------------------------------------------------------------ */

static bool
credit_lies(void)
{
	static uint8_t bytes[4096];
	struct guest g;
	uint32_t n = 0;
	int fd;

	/* Less than it said before, more taken than was sent, none at all. */
	MUST((fd = client(&g, 1, VSOCK_STREAM)) >= 0);
	MUST(send(fd, bytes, 2000, 0) == 2000 && receive_op(VSOCK_OP_RW));
	g.alloc = 100;
	MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, NULL, 0));
	MUST(send(fd, bytes, 2000, 0) == 2000 && !receive_in(50));
	g.fwd = 0x80000000u;
	MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, NULL, 0) && !receive_in(50));
	g.alloc = 0;
	MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, NULL, 0) && !receive_in(50));
	g.alloc = g.fwd = UINT32_MAX;
	MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, NULL, 0));
	while (receive_in(50))
		n += got.op == VSOCK_OP_RW ? got.len : 0;
	MUST(n <= 2000);
	/* More than the host said it takes, of a host that does not read. */
	for (n = 0; n < 1000; n++) {
		MUST(send_op(&g, VSOCK_OP_RW, bytes, sizeof(bytes)));
		if (receive_in(0) && got.op == VSOCK_OP_RST)
			break;
	}
	MUST(n < 1000);
	close(fd);
	return works();
}

static bool
packet_lies(void)
{
	struct guest g;
	struct vsock_hdr h;
	int fd;

	MUST((fd = client(&g, 1, VSOCK_STREAM)) >= 0);
	/* Another's port: the answer is for that one, and this one stays. */
	h = header(&g, VSOCK_OP_RW, 0);
	h.src_port++;
	MUST(send_hdr(&h, HDR, 0) && receive() && got.op == VSOCK_OP_RST &&
	    got.dst_port == g.port + 1);
	h = header(&g, VSOCK_OP_RW, 0);
	h.dst_port++;
	MUST(send_hdr(&h, HDR, 0) && receive() && got.op == VSOCK_OP_RST &&
	    got.src_port == g.host + 1);
	h = header(&g, VSOCK_OP_RST, 0);
	h.src_cid = CID + 1;
	MUST(send_hdr(&h, HDR, 0));
	h = header(&g, VSOCK_OP_RST, 0);
	h.dst_cid = 3;
	MUST(send_hdr(&h, HDR, 0));
	/* Shorter than a header; longer than there is. */
	h = header(&g, VSOCK_OP_RW, 0);
	for (uint32_t len = 1; len < HDR; len++)
		MUST(send_hdr(&h, len, 0));
	for (uint32_t len = 1; len != 0; len *= 2) {
		h.len = len;
		MUST(send_hdr(&h, HDR + len / 2 % 0x1000, 0));
	}
	h.len = UINT32_MAX;
	MUST(send_hdr(&h, HDR + 4096, 0) && !receive_in(50));
	MUST(send_op(&g, VSOCK_OP_RW, "still", 5));
	MUST(recv(fd, &h, sizeof(h), 0) == 5 && memcmp(&h, "still", 5) == 0);
	close(fd);
	MUST(receive_op(VSOCK_OP_SHUTDOWN));
	return again() && works();
}

/* Both ways: what is sent, and where what comes is put. */
static bool
split_headers(void)
{
	struct guest g;
	char in[8];
	int fd;

	MUST(again() && (fd = client(&g, 1, VSOCK_STREAM)) >= 0);
	for (uint32_t cut = 1; cut < HDR + 5; cut++) {
		struct vsock_hdr h = header(&g, VSOCK_OP_RW, 5);

		memcpy(t.ram + TX_AT + tx_slot * SLOT + HDR, "hello", 5);
		MUST(send_hdr(&h, HDR + 5, cut));
		MUST(recv(fd, in, 5, MSG_WAITALL) == 5 && memcmp(in, "hello", 5) == 0);
	}
	/* All buffers of one piece are used up, those in two follow. */
	for (uint32_t cut = 1; cut < HDR + 5; cut++) {
		MUST(rx_slot != UINT64_MAX);
		post_rx(rx_slot, cut);
		rx_slot = UINT64_MAX;
		kick(rx_kick);
		MUST(send(fd, "hello", 5, 0) == 5);
		MUST(receive_op(VSOCK_OP_RW) && got.len == 5 &&
		    memcmp(data, "hello", 5) == 0);
		g.fwd += 5;
		MUST(send_op(&g, VSOCK_OP_CREDIT_UPDATE, NULL, 0));
	}
	close(fd);
	return receive_op(VSOCK_OP_SHUTDOWN);
}

static volatile bool scribble;

static void *
scribbler(void *arg)
{
	static const uint32_t places[] = { RING, RING + 0x1000, RX_RING,
		RX_RING + 0x1000, TX_AT, TX_AT, TX_AT + SLOT, RX_AT };
	uint32_t x = 1;

	(void)arg;
	while (scribble) {
		x = x * 1103515245 + 12345;
		((volatile uint8_t *)t.ram)[places[x >> 16 & 7] +
		    (x >> 20) % 64] ^= (uint8_t)(x >> 8);
	}
	return NULL;
}

static bool
changes_while_read(void)
{
	for (int round = 0; round < (full ? 200 : 15); round++) {
		pthread_t thread;
		struct guest g;
		int fd;

		MUST(again() && (fd = client(&g, 1, VSOCK_STREAM)) >= 0);
		for (uint32_t i = 0; i < NTX; i++) {
			struct vsock_hdr h = header(&g, VSOCK_OP_RW, 100);
			const struct drvq_buf b = { TX_AT + i * SLOT, HDR + 100, false };

			memcpy(t.ram + b.addr, &h, sizeof(h));
			(void)drvq_add(&tx, &b, 1, 0, 1);
		}
		scribble = true;
		MUST(pthread_create(&thread, NULL, scribbler, NULL) == 0);
		drvq_publish(&tx);
		for (int i = 0; i < 30; i++) {
			kick(t.kick);
			kick(rx_kick);
			(void)send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
			usleep(200);
		}
		scribble = false;
		MUST(pthread_join(thread, NULL) == 0);
		MUST(waitpid(t.pid, NULL, WNOHANG) == 0);
		drvq_errors = 0;
		close(fd);
	}
	return again() && works();
}

static bool
resets(void)
{
	long before = -1;
	int listener = listen_at("_5002", SOCK_STREAM);

	MUST(listener >= 0);
	for (int i = 0; i < 1000; i++) {
		struct guest g, h;
		int fd, far;

		MUST(again());
		MUST((fd = client(&g, 1, VSOCK_STREAM)) >= 0);
		far = guest_connects(&h, 2, 5002, VSOCK_STREAM, listener);
		MUST(far >= 0);
		if (i % 2 == 0)		/* one that nobody waits for any more */
			MUST(send_op(&(struct guest){ .type = VSOCK_STREAM, .port = 3,
			    .host = 5002 }, VSOCK_OP_REQUEST, NULL, 0));
		MUST(set(VHU_RESET_DEVICE, NULL, 0, NULL, 0) == 0);
		MUST(closed(fd) && closed(far));
		if (i % 2 == 0)
			close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
		if (i == 100)
			before = private_kib(t.pid);
	}
	unlisten(listener, "_5002");
	MUST(private_kib(t.pid) <= before + 64);
	return again() && works();
}

/* ---- the process that connects ----------------------------------------------------- */

static pid_t
helper(void)
{
	char name[64], line[32];
	pid_t pid = -1;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/task/%d/children", t.pid, t.pid);
	f = fopen(name, "re");
	if (f != NULL && fgets(line, sizeof(line), f) != NULL)
		pid = (pid_t)strtol(line, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	return pid;
}

/* Its root is the directory of the sockets; none of its calls opens a path. */
static bool
helper_is_jailed(void)
{
	char name[64], line[128];
	struct stat here, root;
	long seccomp = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/status", helper());
	f = fopen(name, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Seccomp:", 8) == 0)
			seccomp = strtol(line + 8, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	MUST(seccomp == 2);
	snprintf(name, sizeof(name), "/proc/%d/root", helper());
	if (strstr(program, "/san/") != NULL || stat(name, &root) != 0)
		return true;	/* Ptrace may be needed to look */
	MUST(stat(t.dir, &here) == 0);
	return here.st_ino == root.st_ino && here.st_dev == root.st_dev;
}

static bool
helper_dies(void)
{
	pid_t pid = helper();
	struct guest g;
	int fd = client(&g, 1, VSOCK_STREAM);

	MUST(fd >= 0 && pid > 0 && kill(pid, SIGKILL) == 0);
	MUST(refused(2, 5000, VSOCK_STREAM) && refused(3, 5000, VSOCK_STREAM));
	MUST(send(fd, "x", 1, 0) == 1 && receive_op(VSOCK_OP_RW) && got.len == 1);
	close(fd);
	return receive_op(VSOCK_OP_SHUTDOWN) && works();
}

static bool
ends(void)
{
	pid_t pid = helper();
	char name[64];
	int status = -1;

	MUST(kill(t.pid, SIGTERM) == 0 && waitpid(t.pid, &status, 0) == t.pid);
	t.pid = 0;
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	snprintf(name, sizeof(name), "/proc/%d/fd/42", pid);
	for (int i = 0; i < 500 && access(name, F_OK) == 0; i++)
		usleep(10000);
	return access(name, F_OK) != 0;
}

static bool
back_end(const char *cid)
{
	char uds[128];

	snprintf(uds, sizeof(uds), "--uds-path=%s", path);
	return front_start(program, cid, uds, "--buffer=65536");
}

static bool
bad_options(void)
{
	static const char *const cids[] = { NULL, "--guest-cid=2",
		"--guest-cid=4294967295", "--guest-cid=x", "--guest-cid" };
	int status = 0;

	for (size_t i = 0; i < sizeof(cids) / sizeof(cids[0]); i++) {
		MUST(i == 0 ? front_start(program, "--guest-cid=3", NULL, NULL) :
		    back_end(cids[i]));
		MUST(waitpid(t.pid, &status, 0) == t.pid &&
		    WIFEXITED(status) && WEXITSTATUS(status) == 1);
	}
	MUST(front_start(program, "--guest-cid=3", "--uds-path=/nonexistent/v", NULL));
	MUST(waitpid(t.pid, &status, 0) == t.pid && WEXITSTATUS(status) == 1);
	t.pid = 0;
	return true;
}

int
main(void)
{
	static const struct {
		const char *name;
		bool (*run)(void);
	} tests[] = {
		{ "the guest's address", configuration },
		{ "a client of the host", streams },
		{ "the guest connects", from_guest },
		{ "a path is removed and put back", path_removed },
		{ "clients that say nothing, or half", bad_clients },
		{ "a front end comes back", comes_back },
		{ "false credit", credit_lies },
		{ "false ports and lengths", packet_lies },
		{ "headers split at every byte", split_headers },
		{ "rings and packets that change while they are read",
		    changes_while_read },
		{ "a thousand resets with connections open", resets },
		{ "who connects is jailed", helper_is_jailed },
		{ "who connects is killed", helper_dies },
	};
	const char *build = getenv("BUILD");

	full = getenv("FULL") != NULL;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(program, sizeof(program), "%s/bulkhead-vhost-user-vsock",
	    build != NULL ? build : "build");
	rx_kick = eventfd(0, EFD_CLOEXEC);
	if (rx_kick < 0 || !front_set_up(4096))
		return 1;
	snprintf(path, sizeof(path), "%.80s/v", t.dir);
	result(bad_options(), "options that are none");
	for (int packed = 0; packed < 2; packed++) {
		t.more_features = 1ull << VSOCK_F_SEQPACKET |
		    (packed ? 1ull << VIRTIO_F_RING_PACKED : 0);
		if (!back_end("--guest-cid=42"))
			return 1;
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
			result(tests[i].run(), tests[i].name);
		result(ends(), "SIGTERM ends both");
	}
	unlink(path);
	snprintf(path, sizeof(path), "%.80s/v.seqpacket", t.dir);
	unlink(path);
	front_clean_up();
	printf("1..%u\n", number);
	return failures != 0;
}
