// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-net in its jail with a stream socket for a back end: a peer
 * that cuts frames, one that does not read, one that lies, one that dies, and the
 * next one.
 */
#include <endian.h>
#include <poll.h>
#include <sys/socket.h>

#include "device-workers/net/net_hdr.h"
#include "tests/native/device_test.h"

#define TX FAKEVM_DATA
#define RX (FAKEVM_DATA + 0x400000)
#define RX_LEN 2048u
#define RX_BUFS 40u
#define FRAME_MAX 65553u

static struct fakevm vm;
static int peer = -1;
static uint8_t want[4 + FRAME_MAX], got[4 + FRAME_MAX];

/* A new pair; the worker's end. */
static int
new_peer(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    pair) != 0)
		return -1;
	if (peer >= 0)
		close(peer);
	peer = pair[1];
	return pair[0];
}

static bool
start(void)
{
	static uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
	static char id[] = "net0";
	struct fakevm_fd fd = { FD_BACKEND, new_peer() };
	Bh__DeviceConfig config;
	Bh__NetConfig net;

	MUST(fd.fd >= 0);
	bh__device_config__init(&config);
	bh__net_config__init(&net);
	net.mac.data = mac;
	net.mac.len = sizeof(mac);
	net.queue_pairs = 1;
	net.queue_size = 64;
	net.backend = BH__NET_BACKEND__NET_BACKEND_STREAM;
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_NET;
	config.net = &net;
	MUST(fakevm_start(&vm, "build/bulkhead-net", &config, &fd, 1) == 0);
	close(fd.fd);
	/* Nothing that passt does not know. */
	MUST((vm.features & (1ull << VIRTIO_NET_F_CSUM |
	    1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_MQ |
	    1ull << VIRTIO_NET_F_HOST_TSO4)) == 0);
	return true;
}

static size_t
make_record(uint32_t len, unsigned int salt)
{
	const uint32_t length = htobe32(len);

	memcpy(want, &length, 4);
	memset(want + 4, 0xff, 6);	/* to all: no filter stops it */
	for (size_t i = 6; i < len; i++)
		want[4 + i] = (uint8_t)(i * 7 + i / 251 + salt);
	return 4 + (size_t)len;
}

static bool
put(const uint8_t *from, size_t len)
{
	while (len > 0) {
		struct pollfd p = { .fd = peer, .events = POLLOUT };
		ssize_t n = write(peer, from, len);

		if (n < 0 && (errno != EAGAIN || poll(&p, 1, 3000) <= 0))
			return false;
		if (n > 0) {
			from += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool
take(uint8_t *to, size_t len)
{
	while (len > 0) {
		struct pollfd p = { .fd = peer, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, 3000) <= 0)
			return false;
		n = read(peer, to, len);
		if (n <= 0)
			return false;
		to += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
add_buffer(uint64_t n)
{
	const struct drvq_buf buf = { RX + n * RX_LEN, RX_LEN, true };

	return drvq_add(&vm.q[0], &buf, 1, 0, n) >= 0;
}

static bool
fill_ring(void)
{
	for (unsigned int n = 0; n < RX_BUFS; n++)
		MUST(add_buffer(n));
	fakevm_publish(&vm, 0);
	return true;
}

/* The next frame that the guest gets is the one in want. */
static bool
guest_gets(size_t want_len)
{
	unsigned int left = 1;
	size_t at = 0;

	for (unsigned int i = 0; i < left; i++) {
		uint32_t len, skip = i == 0 ? NET_HDR_SIZE : 0;
		uint64_t n;

		MUST(fakevm_used(&vm, 0, &n, &len) == 0 && len >= skip);
		if (i == 0)
			memcpy(&left, vm.ram + RX + n * RX_LEN +
			    NET_HDR_NUM_BUFFERS, 2);
		MUST(at + len - skip <= sizeof(got));
		memcpy(got + at, vm.ram + RX + n * RX_LEN + skip, len - skip);
		at += len - skip;
		MUST(add_buffer(n));
	}
	fakevm_publish(&vm, 0);
	MUST(at == want_len && memcmp(got, want + 4, at) == 0);
	return true;
}

/* The guest sends what is in want; false: it is not taken. */
static bool
guest_sends(size_t len)
{
	const struct drvq_buf buf = { TX, (uint32_t)(NET_HDR_SIZE + len), false };
	uint32_t used;

	memset(vm.ram + TX, 0, NET_HDR_SIZE);
	memcpy(vm.ram + TX + NET_HDR_SIZE, want + 4, len);
	return fakevm_request(&vm, 1, &buf, 1, &used) == 0;
}

static bool
both_ways(unsigned int salt)
{
	static const uint32_t sizes[] = { 60, 1514, 14, 9000, FRAME_MAX };

	for (unsigned int i = 0; i < 30; i++) {
		size_t n = make_record(sizes[i % 5], salt + i);

		MUST(put(want, n) && guest_gets(n - 4));
		MUST(guest_sends(n - 4));
		MUST(take(got, n) && memcmp(got, want, n) == 0);
	}
	return true;
}

/* In pieces of all sizes, and many in one. */
static bool
pieces(void)
{
	static uint8_t many[20 * 100];
	size_t n = make_record(300, 1);

	for (size_t cut = 1; cut < n; cut += 7) {
		MUST(put(want, cut));
		(void)fakevm_pump(&vm, 2);
		MUST(put(want + cut, n - cut) && guest_gets(n - 4));
	}
	for (unsigned int i = 0; i < 20; i++) {
		make_record(96, i);
		memcpy(many + i * 100, want, 100);
	}
	MUST(put(many, sizeof(many)));
	for (unsigned int i = 0; i < 20; i++) {
		make_record(96, i);
		MUST(guest_gets(96));
	}
	return true;
}

/*
 * It does not read: frames wait in the driver's ring, the device can be reset all
 * the same, and what the peer reads at last are whole frames.
 */
static bool
a_peer_that_hangs(size_t ring)
{
	struct drvq_buf buf = { TX, NET_HDR_SIZE + 9000, false };
	unsigned int added = 0, back = 0, whole = 0;
	uint64_t cookie;
	uint32_t len;

	make_record(9000, 5);
	memset(vm.ram + TX, 0, NET_HDR_SIZE);
	memcpy(vm.ram + TX + NET_HDR_SIZE, want + 4, 9000);
	for (unsigned int idle = 0; idle < 10;) {
		while (drvq_add(&vm.q[1], &buf, 1, 0, 0) >= 0)
			added++;
		fakevm_publish(&vm, 1);
		(void)fakevm_pump(&vm, 5);
		for (idle++; drvq_get(&vm.q[1], &cookie, &len); idle = 0)
			back++;
	}
	MUST(back > 0 && added > back);
	MUST(fakevm_reset(&vm) == 0);
	for (;; whole++) {
		struct pollfd p = { .fd = peer, .events = POLLIN };

		if (poll(&p, 1, 300) <= 0)
			break;
		MUST(take(got, 9004) && memcmp(got, want, 9004) == 0);
	}
	MUST(whole >= back);
	MUST(activate(&vm, ring, 2) == 0 && fill_ring());
	return both_ways(77);
}

static bool
link_is(bool up)
{
	for (unsigned int i = 0; i < 100; i++) {
		if ((vm.config[6] & 1) == up)
			return true;
		(void)fakevm_pump(&vm, 50);
	}
	return false;
}

/* The socket is closed at once, the link goes down, what is sent is dropped. */
static bool
is_gone(void)
{
	struct pollfd p = { .fd = peer, .events = POLLIN };

	MUST(link_is(false));
	MUST(poll(&p, 1, 3000) == 1 && read(peer, got, 1) <= 0);
	make_record(60, 3);
	MUST(guest_sends(60));
	return true;
}

static bool
another(unsigned int salt)
{
	int fd = new_peer();

	MUST(fd >= 0 && fakevm_attach_backend(&vm, fd) == 0);
	close(fd);
	MUST(link_is(true));
	return both_ways(salt);
}

static bool
a_peer_that_lies(void)
{
	static const uint32_t lies[] = { 0, 13, FRAME_MAX + 1, UINT32_MAX };

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		const uint32_t length = htobe32(lies[i]);
		size_t n = make_record(100, 9);

		MUST(put(want, n) && put((const uint8_t *)&length, 4));
		MUST(guest_gets(n - 4) && is_gone());
		MUST(another((unsigned int)i));
	}
	return vm.needs_reset == 0;
}

static bool
a_peer_that_dies(void)
{
	/* Half a frame is left behind: it is nobody's. */
	size_t n = make_record(500, 9);

	MUST(put(want, n / 2));
	MUST(shutdown(peer, SHUT_RDWR) == 0 && link_is(false));
	MUST(another(40));
	/* One that nobody has missed yet is replaced as well. */
	MUST(another(50));
	return true;
}

int
main(void)
{
	char name[100];

	if (fakevm_init(&vm) != 0 || !start()) {
		printf("Bail out! cannot start the worker: %s\n", vm.failed);
		return 1;
	}
	for (size_t i = 0; i < NRINGS; i++) {
#define RUN(what, call)							\
		(void)snprintf(name, sizeof(name), "%s: %s", rings[i].name, \
		    what);						\
		result(call, &vm, name)
		RUN("both ways", activate(&vm, i, 2) == 0 && fill_ring() &&
		    both_ways((unsigned int)i));
		RUN("frames in pieces", pieces());
		RUN("a peer that does not read", a_peer_that_hangs(i));
		RUN("a peer that lies", a_peer_that_lies());
		RUN("a peer that dies, and another", a_peer_that_dies());
		RUN("reset", fakevm_reset(&vm) == 0);
	}
	result(fakevm_quit(&vm) == 0, &vm, "ends with status 0");
	fakevm_fini(&vm);
	return finish();
}
