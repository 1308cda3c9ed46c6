/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: what gets through, and that no fd of a refused packet stays. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/chan.h"

static struct chan_buffers buffers;
static struct chan controller, worker;
static struct chan_msg msg;

static int
set_up(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	chan_init(&controller, fds[0], PEER_CONTROLLER, PEER_DEVICE, &buffers);
	chan_init(&worker, fds[1], PEER_DEVICE, PEER_CONTROLLER, &buffers);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(controller.fd);
	close(worker.fd);
	return 0;
}

static int
open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 512; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			n++;
	return n;
}

static void
a_message_arrives_with_its_fd(void **state)
{
	Bh__MemoryRegion region = BH__MEMORY_REGION__INIT;
	Bh__AddMemory add = BH__ADD_MEMORY__INIT;
	CHAN_PACKET(p, ADD_MEMORY, add_memory, &add);
	int before = open_fds(), fd;

	(void)state;
	region.gpa = 0x1000;
	region.size = 0x2000;
	add.region = &region;
	p.seq = 7;
	worker.states = PROTO_CONFIGURING;
	assert_int_equal(chan_recv(&worker, &msg, NULL), 0);
	fd = worker.fd;
	assert_int_equal(chan_send(&controller, &p, &fd, 1), 0);
	assert_int_equal(chan_recv(&worker, &msg, NULL), 1);
	assert_int_equal(msg.packet->seq, 7);
	assert_int_equal(msg.packet->body_case, BH__PACKET__BODY_ADD_MEMORY);
	assert_true(msg.packet->add_memory->region->size == 0x2000);
	assert_int_equal(msg.nfds, 1);
	fd = chan_take_fd(&msg, 0);
	chan_done(&msg);
	assert_int_equal(open_fds(), before + 1);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	close(fd);
}

/* Send it, and it is refused for @reason with nothing left open. */
static void
refused(struct chan *from, struct chan *to, const Bh__Packet *p,
    unsigned int nfds, const char *reason)
{
	int fds[4] = { from->fd, from->fd, from->fd, from->fd };
	const char *why = NULL;
	int before = open_fds();

	assert_int_equal(chan_send(from, p, fds, nfds), 0);
	assert_int_equal(chan_recv(to, &msg, &why), -EPROTO);
	assert_string_equal(why, reason);
	assert_int_equal(open_fds(), before);
}

static void
what_the_table_does_not_permit_is_refused(void **state)
{
	Bh__Ack ack = BH__ACK__INIT;
	Bh__Quit quit = BH__QUIT__INIT;
	Bh__RemoveMemory rm = BH__REMOVE_MEMORY__INIT;
	Bh__SeccompListener listener = BH__SECCOMP_LISTENER__INIT;
	CHAN_PACKET(pack, ACK, ack, &ack);
	CHAN_PACKET(pquit, QUIT, quit, &quit);
	CHAN_PACKET(prm, REMOVE_MEMORY, remove_memory, &rm);
	CHAN_PACKET(pl, SECCOMP_LISTENER, seccomp_listener, &listener);

	(void)state;
	refused(&controller, &worker, &pack, 0,
	    "not permitted from this sender");
	refused(&worker, &controller, &pquit, 0,
	    "not permitted from this sender");
	worker.states = PROTO_CONFIGURING;
	refused(&controller, &worker, &prm, 0, "not permitted in this state");
	controller.states = PROTO_CONFIGURING;
	refused(&worker, &controller, &pl, 0, "wrong number of fds");
	refused(&worker, &controller, &pl, 2, "wrong number of fds");
	/* Nothing that brings fds may be received now: not even looked at. */
	controller.states = PROTO_CLOSING;
	refused(&worker, &controller, &pack, 3, "fds where none are due");
}

static void
raw(const void *bytes, size_t len, const char *reason)
{
	const char *why = NULL;

	assert_int_equal(send(worker.fd, bytes, len, 0), len);
	assert_int_equal(chan_recv(&controller, &msg, &why), -EPROTO);
	assert_string_equal(why, reason);
}

static void
what_is_no_message_is_refused(void **state)
{
	static uint8_t big[CHAN_MAX_PACKET + 100];
	/* hello with an unknown field 15; a log line with a newline in it */
	static const uint8_t unknown[] = { 0x52, 2, 0x78, 1 };
	static const uint8_t newline[] = { 0x5a, 5, 0x12, 3, 'a', '\n', 'b' };
	static const uint8_t not_utf8[] = { 0x5a, 4, 0x12, 2, 0xc0, 0x80 };
	static const uint8_t empty_body[] = { 0x08, 1 };

	(void)state;
	raw("\xff\xff\xff", 3, "not decodable");
	raw(big, sizeof(big), "packet too long");
	raw(unknown, sizeof(unknown), "unknown field");
	raw(newline, sizeof(newline), "string is not printable UTF-8");
	raw(not_utf8, sizeof(not_utf8), "string is not printable UTF-8");
	raw(empty_body, sizeof(empty_body), "not permitted from this sender");
}

/* Many tiny strings: each costs more memory decoded than on the wire. */
static void
a_packet_that_swells_is_refused(void **state)
{
	static uint8_t big[CHAN_MAX_PACKET];
	Bh__Quit quit = BH__QUIT__INIT;
	CHAN_PACKET(p, QUIT, quit, &quit);
	size_t n = 0;

	(void)state;
	/* device_state { queues: [ {} × 32,000 ] }: 2 bytes each. */
	big[n++] = 0xda;
	big[n++] = 0x04;
	big[n++] = 0x80;
	big[n++] = 0xfa;
	big[n++] = 0x03;
	for (size_t i = 0; i < 32000; i++) {
		big[n++] = 0x22;
		big[n++] = 0x00;
	}
	controller.states = PROTO_RUNNING;
	raw(big, n, "not decodable");
	assert_int_equal(chan_send(&controller, &p, NULL, 0), 0);
}

static void
a_hang_up_and_a_full_queue_are_told(void **state)
{
	Bh__Quit quit = BH__QUIT__INIT;
	CHAN_PACKET(p, QUIT, quit, &quit);
	int rc = 0;

	(void)state;
	for (int i = 0; i < 100000 && rc == 0; i++)
		rc = chan_send(&controller, &p, NULL, 0);
	assert_int_equal(rc, -EAGAIN);
	assert_int_equal(shutdown(worker.fd, SHUT_RDWR), 0);
	assert_int_equal(chan_recv(&controller, &msg, NULL), -EPIPE);
	assert_int_equal(chan_send(&controller, &p, NULL, 0), -EPIPE);
}

/* It did not read what we sent: its own last packet is not lost for that. */
static void
the_last_words_of_a_peer_arrive(void **state)
{
	Bh__Quit quit = BH__QUIT__INIT;
	CHAN_PACKET(p, QUIT, quit, &quit);

	(void)state;
	assert_int_equal(chan_send(&controller, &p, NULL, 0), 0);
	assert_int_equal(chan_send_failed(&worker, 0, ENOMEM, "no room"), 0);
	close(worker.fd);
	worker.fd = -1;
	assert_int_equal(chan_recv(&controller, &msg, NULL), 1);
	assert_int_equal(msg.packet->failed->error, ENOMEM);
	assert_int_equal(chan_recv(&controller, &msg, NULL), -EPIPE);
}

static void
answers_carry_the_number(void **state)
{
	(void)state;
	controller.states = PROTO_CONFIGURING;
	assert_int_equal(chan_send_failed(&worker, 9, ENOSPC, "no room"), 0);
	assert_int_equal(chan_recv(&controller, &msg, NULL), 1);
	assert_int_equal(msg.packet->seq, 9);
	assert_int_equal(msg.packet->failed->error, ENOSPC);
	assert_int_equal(chan_send_ack(&worker, 10), 0);
	assert_int_equal(chan_recv(&controller, &msg, NULL), 1);
	assert_int_equal(msg.packet->seq, 10);
	controller.next_seq = UINT32_MAX;
	assert_int_equal(chan_next_seq(&controller), 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_message_arrives_with_its_fd),
		T(what_the_table_does_not_permit_is_refused),
		T(what_is_no_message_is_refused),
		T(a_packet_that_swells_is_refused),
		T(a_hang_up_and_a_full_queue_are_told),
		T(the_last_words_of_a_peer_arrive),
		T(answers_carry_the_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
