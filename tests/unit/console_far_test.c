// SPDX-License-Identifier: Apache-2.0
/* Far ends where somebody comes and goes: sockets, ptys, named pipes; a full disk. */
#include <signal.h>
#include <sys/resource.h>

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

/* Until @len bytes came out of @fd, or for ever: a hang ends by the test's limit. */
static void
assert_gets(int fd, const char *text)
{
	char buf[256];
	size_t n = 0;

	while (n < strlen(text)) {
		ssize_t part = read(fd, buf + n, sizeof(buf) - n);

		if (part > 0)
			n += (size_t)part;
		else
			assert_true(h_poll(20000));
	}
	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, n);
}

static void
assert_hears(const char *text)
{
	char buf[64];
	size_t n;

	while ((n = bytering_get(&serial_in, buf, sizeof(buf))) == 0)
		assert_true(h_poll(20000));
	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, n);
}

static const char *
make_fifo(char path[64])
{
	snprintf(path, 64, "/tmp/con%d.fifo", (int)getpid());
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	return path;
}

static void
named_pipe_has_reader_after_reader(void **state)
{
	char path[64];
	int reader;

	(void)state;
	reader = high(open(make_fifo(path), O_RDONLY | O_NONBLOCK));
	to_slot(open(path, O_WRONLY | O_NONBLOCK), FD_SERIAL_OUT);
	console.serial = FILE_;
	start();
	serial_say("first");
	assert_reads(reader, "first");
	for (unsigned int i = 0; i < 3; i++) {
		close(reader);
		serial_say("kept");
		/* Its error would wake the loop again and again. */
		assert_int_equal(h.watch[FD_SERIAL_OUT], 0);
		assert_true(far_wants_probe(far_of(1)));
		serial_say(", too");
		reader = high(open(path, O_RDONLY | O_NONBLOCK));
		assert_gets(reader, "kept, too");
		serial_say("seen");
		assert_gets(reader, "seen");
		assert_false(far_wants_probe(far_of(1)));
	}
	close(reader);
	unlink(path);
}

static void
pipe_without_a_name_does_not_come_back(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	p[0] = high(p[0]);
	to_slot(p[1], FD_SERIAL_OUT);
	console.serial = FILE_;
	start();
	serial_say("first");
	assert_reads(p[0], "first");
	close(p[0]);
	for (unsigned int i = 0; i < 20; i++)
		serial_say("to nobody");
	assert_int_equal(h.watch[FD_SERIAL_OUT], 0);
	assert_false(far_wants_probe(far_of(1)));
}

static void
named_pipe_has_writer_after_writer(void **state)
{
	char path[64];
	int writer;

	(void)state;
	to_slot(open(make_fifo(path), O_RDONLY | O_NONBLOCK), FD_SERIAL_IN);
	to_slot(memfd_create("out", 0), FD_SERIAL_OUT);
	console.serial = TTY;
	start();
	for (unsigned int i = 0; i < 3; i++) {
		writer = open(path, O_WRONLY | O_NONBLOCK);
		assert_true(writer >= 0);
		assert_int_equal(write(writer, "ls\n", 3), 3);
		assert_hears("ls\n");
		close(writer);
		settle();
		assert_int_equal(h.watch[FD_SERIAL_IN], 0);
		assert_true(far_wants_probe(far_of(1)));
		serial_say(".");
	}
	unlink(path);
}

/* As when the user's shell has the terminal in between. */
static void
end_of_file_key_does_not_end_the_input(void **state)
{
	int master, slave;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	master = high(master);
	assert_int_equal(dup2(slave, FD_SERIAL_IN), FD_SERIAL_IN);
	to_slot(slave, FD_SERIAL_OUT);
	console.serial = TTY;
	start();
	assert_int_equal(write(master, "\x04", 1), 1);
	settle();
	assert_int_equal(write(master, "ls\n", 3), 3);
	assert_hears("ls\n");

	/* A hang-up does, and does not wake the loop again and again. */
	close(master);
	settle();
	serial_say("to nobody");
	assert_int_equal(h.watch[FD_SERIAL_IN], 0);
	assert_int_equal(h.watch[FD_SERIAL_OUT], 0);
	assert_false(far_wants_probe(far_of(1)));
}

static void
full_file_goes_on_when_there_is_room(void **state)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit full = { 8, RLIM_INFINITY };
	char got[32] = "";

	(void)state;
	assert_ptr_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
	to_slot(memfd_create("file", 0), FD_SERIAL_OUT);
	console.serial = FILE_;
	start();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	serial_say("12345678");
	for (unsigned int i = 0; i < 20; i++)
		serial_say("lost");
	assert_true(far_of(1)->lost);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	serial_say("again");
	assert_false(far_of(1)->lost);
	assert_int_equal(pread(FD_SERIAL_OUT, got, sizeof(got), 0), 13);
	assert_string_equal(got, "12345678again");
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
		T(named_pipe_has_reader_after_reader),
		T(pipe_without_a_name_does_not_come_back),
		T(named_pipe_has_writer_after_writer),
		T(end_of_file_key_does_not_end_the_input),
		T(full_file_goes_on_when_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
