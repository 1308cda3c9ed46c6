/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console device of a unit test: slots, byte rings with the guest's side of
 * them, and the other ends of far ends.
 */
#ifndef BULKHEAD_TESTS_UNIT_CONSOLE_FIXTURE_H
#define BULKHEAD_TESTS_UNIT_CONSOLE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "device-workers/console/console.h"
#include "device-workers/console/far.h"
#include "device-workers/console/slots.h"
#include "ipc/bytering.h"
#include "tests/unit/device_harness.h"

#define OFF BH__PORT_KIND__PORT_KIND_OFF
#define NUL BH__PORT_KIND__PORT_KIND_NULL
#define FILE_ BH__PORT_KIND__PORT_KIND_FILE
#define TTY BH__PORT_KIND__PORT_KIND_TTY
#define PTY BH__PORT_KIND__PORT_KIND_PTY
#define SOCKET BH__PORT_KIND__PORT_KIND_SOCKET

static Bh__ConsoleConfig console;
static Bh__DeviceConfig config;
static struct bytering_page *page;
static struct bytering serial_out, serial_in, debug_out;	/* guest's side */
static void *backlogs[3];

static __attribute__((unused)) void
to_slot(int fd, int slot)
{
	assert_true(fd >= 0);
	if (fd == slot)
		return;
	assert_int_equal(dup2(fd, slot), slot);
	close(fd);
}

/* Another end, above the slots. */
static __attribute__((unused)) int
high(int fd)
{
	int to = fcntl(fd, F_DUPFD_CLOEXEC, 40);

	assert_true(to >= 40);
	close(fd);
	return to;
}

static __attribute__((unused)) int
setup(void **state)
{
	(void)state;
	memset(&h.dev, 0, sizeof(h.dev));
	memset(h.watch, 0, sizeof(h.watch));
	h.stop = h.config_changed = 0;
	bh__console_config__init(&console);
	bh__device_config__init(&config);
	config.device_case = BH__DEVICE_CONFIG__DEVICE_CONSOLE;
	config.console = &console;
	for (int fd = FD_TIMER; fd < 32; fd++)
		close(fd);
	to_slot(memfd_create("rings", 0), FD_RINGS);
	assert_int_equal(ftruncate(FD_RINGS, sizeof(*page)), 0);
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED,
	    FD_RINGS, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	to_slot(eventfd(0, EFD_NONBLOCK), FD_RINGS_TO_FAR);
	to_slot(eventfd(0, EFD_NONBLOCK), FD_RINGS_TO_GUEST);
	bytering_init(&serial_out, &page->serial_out);
	bytering_init(&serial_in, &page->serial_in);
	bytering_init(&debug_out, &page->debug_out);
	return 0;
}

/* The far ends are the first members of the device's struct. */
static __attribute__((unused)) struct far *
far_of(unsigned int i)
{
	return (struct far *)h.dev.priv + i;
}

static __attribute__((unused)) void
start(void)
{
	const char *why;
	eventfd_t count;

	assert_int_equal(h_start(&console_ops, &config, &why), 0);
	/* Both sides of the rings look once, for what a predecessor left. */
	if (config.console->serial != BH__PORT_KIND__PORT_KIND_OFF ||
	    config.console->debug_console != BH__PORT_KIND__PORT_KIND_OFF) {
		assert_int_equal(eventfd_read(FD_RINGS_TO_FAR, &count), 0);
		assert_int_equal(eventfd_read(FD_RINGS_TO_GUEST, &count), 0);
	}
	for (unsigned int i = 0; i < 3; i++)
		backlogs[i] = far_of(i)->backlog;
	if (h.dev.virtio_id != 0)
		h_activate(h.dev.features);
}

static __attribute__((unused)) int
teardown(void **state)
{
	(void)state;
	if (h.dev.priv != NULL) {
		for (unsigned int i = 0; i < 3; i++)
			free(backlogs[i]);
		free(h.dev.priv);
	}
	memset(backlogs, 0, sizeof(backlogs));
	munmap(page, sizeof(*page));
	for (int fd = FD_TIMER; fd < 64; fd++)
		close(fd);
	return 0;
}

static __attribute__((unused)) void
settle(void)
{
	while (h_poll(20))
		;
}

/* Text out of the guest by virtio: true if it was taken. */
static __attribute__((unused)) bool
say(const char *text)
{
	const struct h_seg seg = { H_DATA, (uint32_t)strlen(text), false };
	uint32_t id, len;

	memcpy(h.mem + H_DATA, text, strlen(text));
	h_add(CONSOLE_TX, &seg, 1);
	h_kick(CONSOLE_TX);
	return h_used(CONSOLE_TX, &id, &len);
}

static __attribute__((unused)) void
serial_say(const char *text)
{
	uint64_t one = 1;
	size_t n = bytering_put(&serial_out, text, strlen(text));

	assert_int_equal(n, strlen(text));
	if (bytering_was_empty(&serial_out, n))
		assert_int_equal(write(FD_RINGS_TO_FAR, &one, 8), 8);
	settle();
}

static __attribute__((unused)) void
assert_reads(int fd, const char *text)
{
	char buf[8192] = "";
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	assert_true(n >= 0);
	assert_string_equal(buf, text);
}

static __attribute__((unused)) void
assert_silent(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 0), 0);
}

static __attribute__((unused)) int
listen_at(int slot, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path, sizeof(addr->sun_path), "/tmp/con%d.%d",
	    (int)getpid(), slot);
	unlink(addr->sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)addr, sizeof(*addr)), 0);
	assert_int_equal(listen(fd, 4), 0);
	to_slot(fd, slot);
	return slot;
}

static __attribute__((unused)) int
client_of(const struct sockaddr_un *addr)
{
	int fd = high(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));

	assert_int_equal(connect(fd, (const struct sockaddr *)addr,
	    sizeof(*addr)), 0);
	return fd;
}

#endif
