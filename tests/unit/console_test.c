// SPDX-License-Identifier: Apache-2.0
/*
 * The console device: the escape, virtio queues and byte rings, and that a far
 * end which takes nothing stops nobody else.
 */
#include "tests/unit/console_fixture.h"
#include "device-workers/console/escape.h"

static void
escape_cases(void **state)
{
	static const struct {
		const char *in, *out;
		bool stop;
	} cases[] = {
		{ "ls -l\n", "ls -l\n", false },
		{ "\x1dx", "", true },
		{ "a\x1dxb", "ab", true },
		{ "\x1d\x1d", "\x1d", false },
		{ "\x1d\x1d\x1dx", "\x1d", true },
		{ "\x1dX", "\x1dX", false },
		{ "\x1d\x03", "\x1d\x03", false },
		{ "x", "x", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].in);

		/* Cut anywhere, the result is the same. */
		for (size_t cut = 0; cut <= len; cut++) {
			struct escape esc = { false };
			uint8_t buf[32], out[32];
			bool stop = false;
			size_t n;

			memcpy(buf + 1, cases[i].in, cut);
			n = escape_filter(&esc, buf, buf + 1, cut, &stop);
			memcpy(out, buf, n);
			memcpy(buf + 1, cases[i].in + cut, len - cut);
			len = len - cut;
			len = escape_filter(&esc, buf, buf + 1, len, &stop);
			memcpy(out + n, buf, len);
			n += len;
			len = strlen(cases[i].in);
			assert_int_equal(stop, cases[i].stop);
			assert_int_equal(n, strlen(cases[i].out));
			assert_memory_equal(out, cases[i].out, n);
		}
	}
}

static void
tty_both_ways(void **state)
{
	const struct h_seg seg = { H_DATA + 0x1000, 64, true };
	int in[2], out[2];
	uint32_t id, len;

	(void)state;
	assert_int_equal(pipe2(in, 0), 0);
	assert_int_equal(pipe2(out, 0), 0);
	in[1] = high(in[1]);
	out[0] = high(out[0]);
	out[1] = high(out[1]);
	to_slot(in[0], FD_CONSOLE_IN);
	to_slot(out[1], FD_CONSOLE_OUT);
	console.console = TTY;
	console.escape = true;
	console.columns = 80;
	console.rows = 25;
	start();
	assert_int_equal(h.dev.virtio_id, 3);
	assert_true(h.dev.features & 1);
	assert_int_equal(h.dev.config[0] | h.dev.config[1] << 8, 80);
	assert_int_equal(h.dev.config[2] | h.dev.config[3] << 8, 25);
	/* A driver that came to it is told to look. */
	assert_int_equal(h.config_changed, 1);

	assert_true(say("login: "));
	settle();		/* blocking: written when poll says so */
	assert_reads(out[0], "login: ");

	assert_int_equal(write(in[1], "ro\x1d\x1dot\n", 7), 7);
	settle();
	h_add(CONSOLE_RX, &seg, 1);
	h_kick(CONSOLE_RX);
	assert_true(h_used(CONSOLE_RX, &id, &len));
	assert_int_equal(len, 6);
	assert_memory_equal(h.mem + H_DATA + 0x1000, "ro\x1dot\n", 6);
	assert_int_equal(h.stop, 0);
	assert_int_equal(write(in[1], "\x1dx", 2), 2);
	settle();
	assert_int_equal(h.stop, 1);

	console_ops.console_size(&h.dev, 132, 50);
	assert_int_equal(h.config_changed, 2);
	assert_int_equal(h.dev.config[0], 132);

	/* The end of input is not the end of output. */
	close(in[1]);
	settle();
	assert_true(say("bye"));
	settle();
	assert_reads(out[0], "bye");
}

static void
stuck_far_end_stops_only_itself(void **state)
{
	static char line[4001];
	int out[2], ser[2];
	unsigned int taken = 0;
	uint32_t id, len;

	(void)state;
	memset(line, 'x', 4000);
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	assert_int_equal(pipe2(ser, O_NONBLOCK), 0);
	out[0] = high(out[0]);
	ser[0] = high(ser[0]);
	out[1] = high(out[1]);
	to_slot(ser[1], FD_SERIAL_OUT);
	to_slot(out[1], FD_CONSOLE_OUT);
	console.console = FILE_;
	console.serial = FILE_;
	start();
	while (taken < 100 && say(line))
		taken++;
	/* 64 KiB of the pipe, some of ours, and then the guest keeps it. */
	assert_in_range(taken, 10, 30);
	assert_false(h_poll(0));
	serial_say("still here");
	assert_reads(ser[0], "still here");
	/* Room again: what was kept goes out, in order and whole. */
	for (unsigned int i = 0; i < 200; i++) {
		char buf[4096];
		ssize_t n = read(out[0], buf, sizeof(buf));

		if (n <= 0 && !h_poll(0))
			break;
		for (ssize_t k = 0; k < n; k++)
			assert_int_equal(buf[k], 'x');
	}
	while (h_used(CONSOLE_TX, &id, &len))
		taken++;
	assert_true(say("end"));
	settle();
	assert_reads(out[0], "end");
}

static void
file_gets_everything(void **state)
{
	char buf[64] = "";

	(void)state;
	to_slot(memfd_create("out", 0), FD_CONSOLE_OUT);
	to_slot(memfd_create("debug", 0), FD_DEBUG_OUT);
	console.console = FILE_;
	console.debug_console = FILE_;
	start();
	assert_true(say("one "));
	assert_true(say("two"));
	assert_int_equal(pread(FD_CONSOLE_OUT, buf, 63, 0), 7);
	assert_string_equal(buf, "one two");
	bytering_put(&debug_out, "post 80", 7);
	assert_int_equal(eventfd_write(FD_RINGS_TO_FAR, 1), 0);
	settle();
	memset(buf, 0, sizeof(buf));
	assert_int_equal(pread(FD_DEBUG_OUT, buf, 63, 0), 7);
	assert_string_equal(buf, "post 80");
}

static void
null_takes_all(void **state)
{
	const struct h_seg huge[] = {
		{ H_DATA, 0xe0000, false }, { H_DATA, 0xe0000, false },
		{ H_DATA, 0, false },
	};
	uint32_t id, len;

	(void)state;
	console.console = NUL;
	start();
	h_add(CONSOLE_TX, huge, 3);
	h_add(CONSOLE_TX, &huge[2], 1);
	h_kick(CONSOLE_TX);
	assert_true(h_used(CONSOLE_TX, &id, &len) && id == 0);
	assert_true(h_used(CONSOLE_TX, &id, &len) && id == 3);
	assert_false(h.dev.features & 1);
}

static void
serial_input_waits_for_room(void **state)
{
	static char typed[BYTERING_SIZE + 1000], got[8192];
	struct sockaddr_un addr;
	size_t n, total;
	int client;

	(void)state;
	for (size_t i = 0; i < sizeof(typed); i++)
		typed[i] = (char)(i * 7);
	listen_at(FD_SERIAL_IN, &addr);
	console.serial = SOCKET;
	start();
	assert_int_equal(h.dev.virtio_id, 0);
	client = client_of(&addr);
	settle();
	assert_int_equal(write(client, typed, sizeof(typed)), sizeof(typed));
	settle();
	assert_false(h_poll(0));
	total = 0;
	while ((n = bytering_get(&serial_in, got + total, 100)) > 0) {
		total += n;
		if (bytering_was_full(&serial_in, n))
			eventfd_write(FD_RINGS_TO_FAR, 1);
		settle();
	}
	assert_int_equal(total, sizeof(typed));
	assert_memory_equal(got, typed, total);
	close(client);
	unlink(addr.sun_path);
}

static void
full_ring_is_told_of_room(void **state)
{
	static char full[BYTERING_SIZE];
	eventfd_t count;

	(void)state;
	memset(full, 'y', sizeof(full));
	console.serial = NUL;
	start();
	assert_int_equal(bytering_put(&serial_out, full, sizeof(full)),
	    sizeof(full));
	eventfd_write(FD_RINGS_TO_FAR, 1);
	settle();
	assert_int_equal(eventfd_read(FD_RINGS_TO_GUEST, &count), 0);
	assert_int_equal(bytering_room(&serial_out, 1), BYTERING_SIZE);
}

static void
a_ring_full_of_lies_is_bounded(void **state)
{
	(void)state;
	to_slot(memfd_create("out", 0), FD_SERIAL_OUT);
	console.serial = FILE_;
	start();
	page->serial_out.head = 0xfffffff0;
	page->serial_in.tail = 0x12345678;
	eventfd_write(FD_RINGS_TO_FAR, 1);
	/* It goes on for ever, as the liar does, but in turns. */
	for (unsigned int i = 0; i < 10; i++)
		(void)h_poll(0);
	page->serial_out.head = 0;
}

static void
drain_gets_the_last_words_out(void **state)
{
	static char line[4001];
	struct timespec a, b;
	int out[2];

	(void)state;
	memset(line, 'x', 4000);
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	out[0] = high(out[0]);
	to_slot(out[1], FD_SERIAL_OUT);
	console.serial = FILE_;
	start();
	bytering_put(&serial_out, "halted\n", 7);
	assert_int_equal(console_ops.drain(&h.dev), 0);
	assert_reads(out[0], "halted\n");

	/* Nobody reads: patience ends. */
	for (unsigned int i = 0; i < 20; i++) {
		bytering_put(&serial_out, line, 4000);
		eventfd_write(FD_RINGS_TO_FAR, 1);
		settle();
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	while (console_ops.drain(&h.dev) > 0)
		(void)h_poll(1000);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_in_range((b.tv_sec - a.tv_sec) * 1000 +
	    (b.tv_nsec - a.tv_nsec) / 1000000, 200, 900);
}

static void
missing_fds_are_said(void **state)
{
	const char *why = NULL;

	(void)state;
	console.console = FILE_;
	close(FD_CONSOLE_OUT);
	assert_int_equal(h_start(&console_ops, &config, &why), -EBADF);
	assert_non_null(why);
	free(h.dev.priv);
	h.dev.priv = NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(escape_cases),
		T(tty_both_ways),
		T(stuck_far_end_stops_only_itself),
		T(file_gets_everything),
		T(null_takes_all),
		T(serial_input_waits_for_room),
		T(full_ring_is_told_of_room),
		T(a_ring_full_of_lies_is_bounded),
		T(drain_gets_the_last_words_out),
		T(missing_fds_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
