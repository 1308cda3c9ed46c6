/* SPDX-License-Identifier: Apache-2.0 */
/* The 16550A, with the test at the far end of its rings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "vcpu-worker/serial.h"

static struct bytering_page page;
static struct bytering far_out, far_in;
static struct serial s;
static int to_far;
static bool line;
static unsigned int edges;

static void
set_line(void *owner, bool high)
{
	(void)owner;
	if (high && !line)
		edges++;
	line = high;
}

static uint8_t
in(unsigned int reg)
{
	uint8_t v;

	serial_ops.read(&s, reg, &v, 1);
	return v;
}

static void
out(unsigned int reg, uint8_t v)
{
	serial_ops.write(&s, reg, &v, 1);
}

static bool
signalled(void)
{
	uint64_t n;

	return read(to_far, &n, sizeof(n)) == sizeof(n);
}

static void
type(const char *text, size_t len)
{
	assert_int_equal(bytering_put(&far_in, text, len), len);
	serial_ready(&s);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	bytering_init(&far_out, &page.serial_out);
	bytering_init(&far_in, &page.serial_in);
	to_far = eventfd(0, EFD_NONBLOCK);
	line = false;
	edges = 0;
	serial_init(&s, &page.serial_out, &page.serial_in, to_far, set_line,
	    NULL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(to_far);
	return 0;
}

static void
test_registers(void **state)
{
	(void)state;
	assert_int_equal(in(5), 0x60);
	assert_int_equal(in(2), 0x01);
	out(7, 0x5a);
	assert_int_equal(in(7), 0x5a);
	/* The divisor is behind DLAB, and no byte is sent. */
	out(3, 0x80);
	out(0, 12);
	out(1, 1);
	assert_int_equal(in(0), 12);
	assert_int_equal(in(1), 1);
	out(3, 3);
	assert_int_equal(in(1), 0);
	assert_int_equal(in(3), 3);
	assert_int_equal(bytering_used(&far_out, 0), 0);
	/* The FIFO is there, as a 16550A says it. */
	out(2, 1);
	assert_int_equal(in(2) & 0xc0, 0xc0);
	assert_int_equal(in(6) & 0xb0, 0xb0);
	/* An interrupt enable register has four bits. */
	out(1, 0xf0);
	assert_int_equal(in(1), 0);
}

static void
test_output(void **state)
{
	uint8_t got[4];

	(void)state;
	out(0, 'a');
	assert_true(signalled());
	out(0, 'b');
	assert_false(signalled());	/* the ring was not empty */
	assert_int_equal(bytering_get(&far_out, got, 4), 2);
	assert_memory_equal(got, "ab", 2);
	out(0, 'c');
	assert_true(signalled());
}

static void
test_full_ring(void **state)
{
	static uint8_t got[BYTERING_SIZE];
	size_t n;

	(void)state;
	out(1, 2);
	in(2);
	for (unsigned int i = 0; i < BYTERING_SIZE; i++)
		out(0, (uint8_t)i);
	in(2);
	assert_int_equal(in(5) & 0x60, 0x60);
	/* Held, and said so; no interrupt that there is room. */
	for (uint8_t i = 0; i < SERIAL_FIFO; i++)
		out(0, (uint8_t)(0x80 + i));
	assert_int_equal(in(5) & 0x60, 0);
	assert_int_equal(in(2) & 0xf, 1);
	edges = 0;
	out(0, 0xee);			/* does not fit: lost */
	assert_int_equal(bytering_get(&far_out, got, 4), 4);
	serial_ready(&s);
	assert_int_equal(in(5) & 0x60, 0);
	n = bytering_get(&far_out, got, sizeof(got));
	assert_int_equal(n, BYTERING_SIZE);
	serial_ready(&s);
	assert_int_equal(edges, 1);
	assert_int_equal(in(2) & 0xf, 2);
	assert_int_equal(in(5) & 0x60, 0x60);
	n += bytering_get(&far_out, got, sizeof(got));
	assert_int_equal(n, BYTERING_SIZE + SERIAL_FIFO - 4);
	assert_int_equal(got[n - BYTERING_SIZE - 1], 0x8f);
}

/* A guest that only looks at LSR goes on without the main thread. */
static void
test_full_ring_polled(void **state)
{
	uint8_t got[8];

	(void)state;
	for (unsigned int i = 0; i <= BYTERING_SIZE; i++)
		out(0, 'x');
	assert_int_equal(in(5) & 0x20, 0);
	bytering_get(&far_out, got, 1);
	assert_int_equal(in(5) & 0x20, 0x20);
}

static void
test_input(void **state)
{
	char text[20];

	(void)state;
	memset(text, 'i', sizeof(text));
	out(2, 1);
	out(1, 1);
	type("ab", 2);
	assert_int_equal(edges, 1);
	assert_int_equal(in(2) & 0xf, 4);
	assert_int_equal(in(5) & 1, 1);
	assert_int_equal(in(0), 'a');
	assert_true(line);
	assert_int_equal(in(0), 'b');
	assert_false(line);
	assert_int_equal(in(5) & 1, 0);
	assert_int_equal(in(0), 0);
	/* More than the FIFO has room for: one interrupt, and all of it. */
	type(text, sizeof(text));
	assert_int_equal(edges, 2);
	assert_int_equal(bytering_used(&far_in, 1), 4);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(in(5) & 1, 1);
		assert_int_equal(in(0), 'i');
	}
	assert_int_equal(edges, 2);
	assert_false(line);
	type("c", 1);
	assert_int_equal(edges, 3);
}

static void
test_input_room(void **state)
{
	static char text[BYTERING_SIZE];

	(void)state;
	out(2, 1);
	assert_int_equal(bytering_put(&far_in, text, sizeof(text)),
	    BYTERING_SIZE);
	assert_false(signalled());
	in(5);				/* takes a FIFO full: there is room */
	assert_true(signalled());
	in(0);
	assert_false(signalled());
}

static void
test_thre_interrupt(void **state)
{
	(void)state;
	out(1, 2);
	assert_int_equal(edges, 1);
	assert_int_equal(in(2) & 0xf, 2);
	assert_false(line);
	assert_int_equal(in(2) & 0xf, 1);
	/* One interrupt for the bytes of a handler. */
	for (int i = 0; i < 16; i++)
		out(0, 'x');
	assert_int_equal(edges, 2);
	assert_int_equal(in(2) & 0xf, 2);
	out(0, 'x');
	assert_int_equal(edges, 3);
}

static void
test_loop(void **state)
{
	(void)state;
	out(2, 1);
	out(4, 0x10);
	for (uint8_t i = 0; i < SERIAL_FIFO; i++)
		out(0, i);
	assert_int_equal(in(5) & 3, 1);
	out(0, 99);
	assert_int_equal(in(5) & 3, 3);	/* overrun, once */
	assert_int_equal(in(5) & 3, 1);
	assert_int_equal(in(0), 0);
	assert_int_equal(in(0), 1);
	assert_int_equal(bytering_used(&far_out, 0), 0);
	out(4, 0x1a);			/* RTS, OUT2 */
	assert_int_equal(in(6), 0x90);
	out(2, 3);			/* clear */
	assert_int_equal(in(5) & 1, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_registers), T(test_output), T(test_full_ring),
		T(test_full_ring_polled), T(test_input), T(test_input_room),
		T(test_thre_interrupt), T(test_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
