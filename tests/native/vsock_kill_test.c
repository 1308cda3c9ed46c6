// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-vsock, killed while numbers go from host to guest and back.
 * What either end has seen until then is the beginning of the sequence, nothing left
 * out and nothing twice; the host's end is closed, the driver is told, each packet that
 * was under way is answered by RST, and the next connection works.
 */
#include <sys/resource.h>

#include "tests/native/vsock_drive.h"

#define BATCH 300u		/* bytes */
#define UNDER_WAY 8u		/* packets of the guest's */
#define STRANGER 5u		/* a port of no connection */

static int near_end = -1;
static uint32_t seed = 1;

/* One connection: bytes that each end has sent, and has seen. */
static struct {
	struct guest g;
	int fd;
	uint32_t host_sent, guest_seen, guest_sent, host_seen;
	unsigned int under_way;
	bool reset;
} c;

static uint32_t
chance(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* Byte @at of a sequence of numbers. */
static uint8_t
byte_at(uint32_t at)
{
	return (uint8_t)(at / 4 >> 8 * (at % 4));
}

static void
fill(uint8_t *to, uint32_t at)
{
	for (uint32_t i = 0; i < BATCH; i++)
		to[i] = byte_at(at + i);
}

static bool
goes_on(const uint8_t *bytes, uint32_t n, uint32_t *at)
{
	for (uint32_t i = 0; i < n; i++)
		if (bytes[i] != byte_at((*at)++))
			return false;
	return true;
}

static void
on_want_port(struct fakevm *v, uint32_t port, bool seqpacket)
{
	int pair[2];

	(void)port;
	if (socketpair(AF_UNIX, (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) |
	    SOCK_CLOEXEC, 0, pair) != 0)
		abort();
	near_end = pair[0];
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	fakevm_give_port(v, 0, pair[1]);
}

static bool
open_one(unsigned int round)
{
	memset(&c, 0, sizeof(c));
	if (round % 2 == 0) {
		c.fd = client(&c.g, 1000 + round, VSOCK_STREAM);
		return c.fd >= 0;
	}
	c.g = (struct guest){ .type = VSOCK_STREAM, .port = 1000 + round,
			      .host = 7, .alloc = 1u << 18 };
	MUST(send_op(&c.g, VSOCK_OP_REQUEST, 0));
	MUST(receive() && got.op == VSOCK_OP_RESPONSE);
	c.fd = near_end;
	return true;
}

/* Without waiting until the worker has it. */
static bool
guest_sends(void)
{
	uint8_t *to = vm.ram + TX_AT + tx_slot * SLOT + HDR;
	const struct vsock_hdr h = {
		.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID,
		.src_port = c.g.port, .dst_port = c.g.host, .len = BATCH,
		.type = VSOCK_STREAM, .op = VSOCK_OP_RW,
		.buf_alloc = c.g.alloc, .fwd_cnt = c.guest_seen,
	};

	if (c.under_way == UNDER_WAY) {
		MUST(sent(1));
		c.under_way--;
	}
	fill(to, c.guest_sent);
	c.guest_sent += BATCH;
	c.under_way++;
	return post(&h, HDR + BATCH, 0);
}

static bool
host_sends(void)
{
	uint8_t out[BATCH];

	fill(out, c.host_sent);
	c.host_sent += BATCH;
	return send(c.fd, out, BATCH, MSG_NOSIGNAL) == (ssize_t)BATCH;
}

/* What is there for it, or, at the end, all until the end. */
static bool
host_reads(int flags)
{
	uint8_t in[BATCH];
	ssize_t n;

	while ((n = recv(c.fd, in, sizeof(in), flags)) > 0)
		MUST(goes_on(in, (uint32_t)n, &c.host_seen));
	if (n < 0 && errno == EAGAIN)
		return flags == MSG_DONTWAIT;
	return n == 0 || errno == ECONNRESET;
}

/* A packet of this connection or of what is none. */
static bool
guest_hears(void)
{
	MUST(receive());
	if (got.dst_port == STRANGER)
		return got.op == VSOCK_OP_RST;
	MUST(got.dst_port == c.g.port && got.src_port == c.g.host);
	if (got.op == VSOCK_OP_RW) {
		MUST(!c.reset && goes_on(data, got.len, &c.guest_seen));
		return true;
	}
	c.reset = c.reset || got.op == VSOCK_OP_RST;
	return got.op == VSOCK_OP_RST || got.op == VSOCK_OP_CREDIT_UPDATE;
}

static bool
successor(void)
{
	const struct drvq_buf b = { EVENT_AT, 4, true };
	uint64_t cookie;
	uint32_t len, event;

	MUST(vsock_boot(256u << 10));
	vm.resume = true;
	MUST(fakevm_activate_rings(&vm, (vm.features & ~RING_FEATURES) |
	    rings[1].features, 3) == 0);
	vm.resume = false;
	MUST(fakevm_used(&vm, 2, &cookie, &len) == 0 && len == 4);
	memcpy(&event, vm.ram + EVENT_AT, 4);
	MUST(event == 0);
	memset(vm.ram + EVENT_AT, 0xee, 4);
	MUST(drvq_add(&vm.q[2], &b, 1, 0, 0) >= 0);
	fakevm_publish(&vm, 2);
	return true;
}

static bool
one_death(unsigned int round)
{
	struct guest stranger = { .type = VSOCK_STREAM, .port = STRANGER, .host = 9,
				  .bytes = "x" };
	unsigned int steps = chance(12);

	MUST(open_one(round));
	for (unsigned int i = 0; i < steps; i++) {
		MUST(host_sends() && guest_hears() && guest_sends());
		MUST(host_reads(MSG_DONTWAIT));
	}
	MUST(host_sends());
	for (unsigned int i = chance(UNDER_WAY); i > 0; i--)
		MUST(guest_sends());
	usleep(chance(400));
	fakevm_kill(&vm);
	MUST(host_reads(0));
	close(c.fd);
	MUST(c.host_seen <= c.guest_sent);
	MUST(successor());
	MUST(sent(c.under_way));
	MUST(send_op(&stranger, VSOCK_OP_RW, 1));
	do
		MUST(guest_hears());
	while (got.dst_port != STRANGER);
	MUST(c.guest_seen <= c.host_sent);
	return vm.needs_reset == 0;
}

static unsigned int
open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool
deaths(unsigned int n)
{
	unsigned int fds = 0;

	MUST(vsock_start(256u << 10));
	vm.want_port = on_want_port;
	MUST(activate(&vm, 1, 3) == 0);
	post_all();
	for (unsigned int i = 0; i < n; i++) {
		if (!one_death(i)) {
			printf("# death %u\n", i);
			return false;
		}
		if (i == 1)
			fds = open_fds();
	}
	MUST(open_fds() == fds);
	return vsock_end();
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	const bool full = getenv("FULL") != NULL;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(dir, sizeof(dir), "%.40s/vsock-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/s", dir);
	result(deaths(full ? 1000 : 6), &vm, "killed while numbers go both ways");
	return finish();
}
