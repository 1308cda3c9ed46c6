// SPDX-License-Identifier: Apache-2.0
/* Far ends where somebody comes and goes: sockets and ptys. */
#include "tests/unit/console_fixture.h"

static void
socket_keeps_the_last_bytes_for_a_client(void **state)
{
	static char line[4001], got[FAR_BACKLOG + 8192];
	struct sockaddr_un addr;
	size_t n = 0;
	ssize_t part;
	int client;

	(void)state;
	memset(line, 'x', 4000);
	listen_at(FD_CONSOLE_IN, &addr);
	console.console = SOCKET;
	start();
	/* Nobody there: the guest is never held up. */
	for (unsigned int i = 0; i < 40; i++)
		assert_true(say(line));
	assert_true(say("last line"));
	client = client_of(&addr);
	while (h_poll(20)) {
		part = read(client, got + n, sizeof(got) - n);
		n += part > 0 ? (size_t)part : 0;
	}
	assert_int_equal(n, FAR_BACKLOG);
	assert_memory_equal(got + n - 9, "last line", 9);
	close(client);
	unlink(addr.sun_path);
}

static void
socket_clients_come_one_by_one(void **state)
{
	const struct h_seg seg = { H_DATA + 0x1000, 64, true };
	struct sockaddr_un addr;
	uint32_t id, len;
	int first, second;

	(void)state;
	listen_at(FD_CONSOLE_IN, &addr);
	console.console = SOCKET;
	start();
	first = client_of(&addr);
	settle();
	second = client_of(&addr);
	settle();
	assert_true(say("hello"));
	settle();
	assert_reads(first, "hello");
	assert_silent(second);

	/* Its last words arrive, though it has gone at once. */
	assert_int_equal(write(first, "quit", 4), 4);
	close(first);
	settle();
	h_add(CONSOLE_RX, &seg, 1);
	h_kick(CONSOLE_RX);
	assert_true(h_used(CONSOLE_RX, &id, &len) && len == 4);
	assert_memory_equal(h.mem + H_DATA + 0x1000, "quit", 4);
	settle();
	assert_true(say("next"));
	settle();
	assert_reads(second, "next");

	/* Half closed it still listens. */
	assert_int_equal(shutdown(second, SHUT_WR), 0);
	settle();
	assert_false(h_poll(0));
	assert_true(say("more"));
	settle();
	assert_reads(second, "more");
	close(second);
	settle();
	assert_true(say("kept"));
	first = client_of(&addr);
	settle();
	assert_reads(first, "kept");
	close(first);
	settle();
	unlink(addr.sun_path);
}

static void
client_that_leaves_in_mid_output(void **state)
{
	static char line[4001];
	struct sockaddr_un addr;
	int client;

	(void)state;
	memset(line, 'x', 4000);
	listen_at(FD_CONSOLE_IN, &addr);
	console.console = SOCKET;
	start();
	client = client_of(&addr);
	settle();
	for (unsigned int i = 0; i < 400 && say(line); i++)
		;
	close(client);
	settle();
	assert_int_equal(h.watch[FD_CONSOLE_IN], EPOLLIN);
	client = client_of(&addr);
	settle();
	assert_true(say("x") || say("x"));
	close(client);
	unlink(addr.sun_path);
}

static void
pty_without_a_reader_holds_nobody_up(void **state)
{
	static char line[4001];
	char name[64], got[4096];
	int master, slave;
	ssize_t n;

	(void)state;
	memset(line, 'x', 4000);
	assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
	assert_int_equal(fcntl(master, F_SETFL, O_NONBLOCK), 0);
	close(slave);
	to_slot(master, FD_SERIAL_OUT);
	console.serial = PTY;
	start();
	for (unsigned int i = 0; i < 40; i++)
		serial_say(line);
	serial_say("prompt# ");
	slave = high(open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
	/* The timer finds the reader. */
	assert_true(h_poll(2000));
	n = 0;
	for (unsigned int i = 0; i < 200; i++) {
		ssize_t part;

		(void)h_poll(5);
		part = read(slave, got, sizeof(got));
		if (part > 0)
			n += part;
		if (part > 0 && memcmp(got + part - 1, " ", 1) == 0)
			break;
	}
	assert_int_equal(n, FAR_BACKLOG);

	/* Typed text goes to the guest, and the guest's does not echo. */
	assert_int_equal(write(slave, "ls\r", 3), 3);
	settle();
	n = (ssize_t)bytering_get(&serial_in, got, sizeof(got));
	assert_int_equal(n, 3);
	assert_memory_equal(got, "ls\r", 3);
	serial_say("file\r\n");
	assert_reads(slave, "file\r\n");
	assert_int_equal(bytering_get(&serial_in, got, sizeof(got)), 0);

	close(slave);
	settle();
	assert_int_equal(h.watch[FD_SERIAL_OUT], 0);
	serial_say("kept");
	slave = high(open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
	assert_true(h_poll(2000));
	settle();
	assert_reads(slave, "kept");
	close(slave);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(socket_keeps_the_last_bytes_for_a_client),
		T(socket_clients_come_one_by_one),
		T(client_that_leaves_in_mid_output),
		T(pty_without_a_reader_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
