// SPDX-License-Identifier: Apache-2.0
/*
 * Frames over a stream socket: cut at every byte, lengths that lie, a socket that
 * is full, another peer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device-workers/net/net.h"
#include "device-workers/net/stream.h"

#define LONGEST (NET_FRAME_MAX - NET_HDR_SIZE)

static struct net_pair p;
static int far;
static uint8_t frame[NET_FRAME_MAX + 1], record[4 + LONGEST + 1];

static int
setup(void **state)
{
	const char *why;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    pair), 0);
	memset(&p, 0, sizeof(p));
	p.fd = pair[0];
	far = pair[1];
	assert_int_equal(net_stream.start(&p, &why), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(p.priv);
	close(p.fd);
	close(far);
	return 0;
}

static uint8_t
byte(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8));
}

/* A record of a frame of @len bytes; its length on the wire. */
static size_t
make_record(uint32_t len)
{
	record[0] = (uint8_t)(len >> 24);
	record[1] = (uint8_t)(len >> 16);
	record[2] = (uint8_t)(len >> 8);
	record[3] = (uint8_t)len;
	for (size_t i = 0; i < len && i <= LONGEST; i++)
		record[4 + i] = byte(i);
	return 4 + (size_t)len;
}

static ssize_t
receive(void)
{
	const struct iovec v[] = {
		{ frame, 5 }, { frame + 5, 20 }, { frame + 25, sizeof(frame) - 25 },
	};

	return net_stream.receive(&p, v, 3);
}

static void
assert_received(size_t len)
{
	memset(frame, 0xee, sizeof(frame));
	assert_int_equal(receive(), NET_HDR_SIZE + len);
	for (size_t i = 0; i < NET_HDR_SIZE; i++)
		assert_int_equal(frame[i], 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(frame[NET_HDR_SIZE + i], byte(i));
}

static ssize_t
send_frame(size_t len)
{
	struct iovec v[3];

	for (size_t i = 0; i < len; i++)
		frame[NET_HDR_SIZE + i] = byte(i);
	v[0] = (struct iovec){ frame, NET_HDR_SIZE };
	v[1] = (struct iovec){ frame + NET_HDR_SIZE, len / 3 };
	v[2] = (struct iovec){ frame + NET_HDR_SIZE + len / 3, len - len / 3 };
	return net_stream.send(&p, v, 3);
}

static void
a_frame_cut_at_every_byte(void **state)
{
	size_t n = make_record(60);

	(void)state;
	for (size_t cut = 1; cut < n; cut++) {
		assert_int_equal(write(far, record, cut), cut);
		assert_int_equal(receive(), -EAGAIN);
		assert_false(net_stream.pending(&p));
		assert_int_equal(write(far, record + cut, n - cut), n - cut);
		assert_received(60);
		assert_int_equal(receive(), -EAGAIN);
	}
}

/* Many in one read: all come, those behind the first without the socket. */
static void
several_at_once(void **state)
{
	static const uint32_t lens[] = { 14, 1500, 60, 9000, 64 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		size_t n = make_record(lens[i]);

		assert_int_equal(write(far, record, n), n);
	}
	for (size_t i = 0; i < 5; i++) {
		assert_received(lens[i]);
		assert_int_equal(net_stream.pending(&p), i < 4);
	}
}

/* The longest, again and again: the buffer's end is met at many places. */
static void
the_longest(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 40; round++) {
		uint32_t len = round % 3 == 1 ? 1000 + round : LONGEST - round % 3;
		size_t n = make_record(len), sent = 0;
		ssize_t got = -EAGAIN;

		memset(frame, 0xee, sizeof(frame));
		while (got == -EAGAIN) {
			size_t part = n - sent < 20011 ? n - sent : 20011;

			if (part > 0)
				assert_int_equal(write(far, record + sent, part),
				    part);
			sent += part;
			got = receive();
		}
		assert_int_equal(got, NET_HDR_SIZE + len);
		assert_int_equal(sent, n);
		assert_memory_equal(frame + NET_HDR_SIZE, record + 4, len);
	}
}

static void
lengths_that_lie(void **state)
{
	static const uint32_t lies[] = { 0, 1, 13, LONGEST + 1, 0x7fffffff,
	    0x80000000, 0xffffffff };

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		make_record(14);
		assert_int_equal(write(far, record, 18), 18);
		make_record(lies[i]);
		assert_int_equal(write(far, record, 4), 4);
		assert_received(14);
		assert_true(net_stream.pending(&p));
		assert_int_equal(receive(), -EPROTO);
		assert_true(net_stream.is_gone(EPROTO));
		teardown(state);
		setup(state);
	}
}

static void
the_peer_hangs_up(void **state)
{
	size_t n = make_record(60);

	(void)state;
	assert_int_equal(write(far, record, n - 1), n - 1);
	close(far);
	assert_int_equal(receive(), -EAGAIN);
	assert_int_equal(receive(), -EPIPE);
	assert_true(net_stream.is_gone(EPIPE));
	far = open("/dev/null", O_RDONLY);
}

/* Read a frame of @len bytes at the far end, and compare it. */
static void
assert_sent(size_t len)
{
	size_t have = 0;

	make_record((uint32_t)len);
	while (have < 4 + len) {
		ssize_t n = read(far, frame + have, 4 + len - have);

		if (n < 0) {	/* the rest comes when there is room */
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(net_stream.events(&p), EPOLLOUT);
			assert_true(net_stream.ready(&p, EPOLLOUT) >= 0);
			continue;
		}
		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(frame, record, 4 + len);
}

/*
 * A peer that does not read: whole frames wait, at most a part of one is kept, and
 * all that were taken come out whole and in order.
 */
static void
a_full_socket(void **state)
{
	unsigned int taken = 0;
	ssize_t n = 0;

	(void)state;
	while (taken < 10000) {
		n = send_frame(100 + (taken * 997) % 9000);
		if (n < 0)
			break;
		taken++;
	}
	assert_int_equal(n, -ENOBUFS);
	assert_true(taken > 3);
	assert_int_equal(net_stream.events(&p), EPOLLOUT);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(send_frame(60), -ENOBUFS);
	for (unsigned int i = 0; i < taken; i++)
		assert_sent(100 + (i * 997) % 9000);
	while (net_stream.events(&p) != 0)
		assert_int_equal(net_stream.ready(&p, EPOLLOUT), 1);
	assert_int_equal(send_frame(60), NET_HDR_SIZE + 60);
	assert_sent(60);
	assert_int_equal(read(far, frame, 1), -1);
}

static void
the_longest_out(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(send_frame(LONGEST), NET_FRAME_MAX);
		assert_sent(LONGEST);
	}
	assert_int_equal(send_frame(LONGEST + 1), -EMSGSIZE);
}

/* What was left of the old peer is not the new one's. */
static void
another_peer(void **state)
{
	int pair[2];

	(void)state;
	make_record(60);
	assert_int_equal(write(far, record, 30), 30);
	assert_int_equal(receive(), -EAGAIN);
	while (send_frame(9000) > 0)
		;
	net_stream.end(&p);
	assert_int_equal(fcntl(p.fd, F_GETFD) >= 0, 1);
	while (read(far, frame, sizeof(frame)) > 0)
		;
	assert_int_equal(read(far, frame, 1), 0);	/* it was hung up */
	close(far);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    pair), 0);
	dup2(pair[0], p.fd);
	close(pair[0]);
	far = pair[1];
	net_stream.restart(&p);
	assert_int_equal(net_stream.events(&p), 0);
	make_record(70);
	assert_int_equal(write(far, record, 74), 74);
	assert_received(70);
	assert_int_equal(send_frame(80), NET_HDR_SIZE + 80);
	assert_sent(80);
}

static void
only_a_stream_socket(void **state)
{
	struct net_pair other = { .fd = open("/dev/null", O_RDWR) };
	const char *why = NULL;
	int pair[2];

	(void)state;
	assert_int_equal(net_stream.start(&other, &why), -EINVAL);
	close(other.fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	other.fd = pair[0];
	assert_int_equal(net_stream.start(&other, &why), -EINVAL);
	assert_non_null(why);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(net_stream.set_offloads(&p, 1), -EINVAL);
	assert_int_equal(net_stream.set_offloads(&p, 0), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_frame_cut_at_every_byte),
		T(several_at_once),
		T(the_longest),
		T(lengths_that_lie),
		T(the_peer_hangs_up),
		T(a_full_socket),
		T(the_longest_out),
		T(another_peer),
		T(only_a_stream_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
