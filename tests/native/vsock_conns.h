/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of vsock_drive.h's guest, for tests/native/vsock_test.c and
 * vsock_lies_test.c: the test is the controller, and connects what the guest asks for.
 */
#ifndef BULKHEAD_TESTS_NATIVE_VSOCK_CONNS_H
#define BULKHEAD_TESTS_NATIVE_VSOCK_CONNS_H

#include "tests/native/vsock_drive.h"

#define BUFFER (256u << 10)

/* The host's end of what the guest asks for. */
static int near_end = -1, refuse_with;
static uint32_t wanted_port;
static bool wanted_seqpacket;
static unsigned int wanted;

static void
on_want_port(struct fakevm *v, uint32_t port, bool seqpacket)
{
	int pair[2];

	wanted++;
	wanted_port = port;
	wanted_seqpacket = seqpacket;
	if (refuse_with != 0) {
		fakevm_give_port(v, refuse_with, -1);
		return;
	}
	if (socketpair(AF_UNIX, (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) |
	    SOCK_CLOEXEC, 0, pair) != 0)
		abort();
	near_end = pair[0];
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	fakevm_give_port(v, 0, pair[1]);
}

static bool
begin_on(size_t ring)
{
	MUST(vsock_start(BUFFER));
	vm.want_port = on_want_port;
	refuse_with = 0;
	MUST(vm.virtio_id == 19 && vm.nqueues == 3 && vm.config_len == 8 &&
	    vm.config[0] == GUEST_CID && vm.config[7] == 0);
	MUST(activate(&vm, ring, 3) == 0);
	post_all();
	return true;
}

/* The guest connects to a port of the host's. */
static bool
guest_connects(struct guest *g, uint32_t port, uint32_t host, uint16_t type)
{
	*g = (struct guest){ .type = type, .port = port, .host = host,
			     .alloc = 1u << 18 };
	near_end = -1;
	MUST(send_op(g, VSOCK_OP_REQUEST, 0));
	MUST(receive() && got.op == VSOCK_OP_RESPONSE && got.src_port == host &&
	    got.dst_port == port && got.type == type && got.buf_alloc >= 4096);
	MUST(wanted_port == host && wanted_seqpacket == (type == VSOCK_SEQPACKET));
	return true;
}

static bool
closed(int fd)
{
	char c;
	bool good = recv(fd, &c, 1, 0) <= 0;

	close(fd);
	return good;
}

/* In a folder of its own. */
static int
vsock_run(int (*all)(void))
{
	const char *tmp = getenv("TMPDIR");

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(dir, sizeof(dir), "%.40s/vsock-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/s", dir);
	return all();
}

#endif
