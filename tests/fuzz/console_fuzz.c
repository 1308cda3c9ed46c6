// SPDX-License-Identifier: Apache-2.0
/*
 * The console device against a hostile driver, a vcpu-worker whose byte rings
 * lie, and whatever is typed.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "device-workers/console/console.h"
#include "device-workers/console/far.h"
#include "device-workers/console/slots.h"
#include "ipc/bytering.h"
#include "tests/fuzz/device_fuzz.h"

static struct bytering_page *page;
static int typed[2];

void
fuzz_backend(struct fuzz_in *in)
{
	uint32_t what = fuzz_take(in, 1);
	uint8_t buf[256];
	uint32_t len = fuzz_take(in, 1);

	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)fuzz_take(in, 1);
	if (what & 1)
		page->serial_out.head = fuzz_take(in, 4);
	if (what & 2)
		page->serial_in.tail = fuzz_take(in, 4);
	if (what & 4)
		page->debug_out.head = fuzz_take(in, 4);
	if (what & 8 && write(typed[what >> 4 & 1], buf, len) < 0)
		return;
	eventfd_write(FD_RINGS_TO_FAR, 1);
	(void)h_poll(0);
	if (what & 0x20)
		console_ops.console_size(&h.dev, fuzz_take(in, 2), len);
}

static void
to_slot(int fd, int slot)
{
	if (fd < 0 || dup2(fd, slot) != slot)
		abort();
	if (fd != slot)
		close(fd);
}

static void
keyboard(unsigned int i, int slot)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
		abort();
	typed[i] = 40 + (int)i;
	to_slot(pair[1], typed[i]);
	to_slot(pair[0], slot);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	to_slot(memfd_create("rings", 0), FD_RINGS);
	if (ftruncate(FD_RINGS, sizeof(*page)) != 0)
		abort();
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED,
	    FD_RINGS, 0);
	to_slot(eventfd(0, EFD_NONBLOCK), FD_RINGS_TO_FAR);
	to_slot(eventfd(0, EFD_NONBLOCK), FD_RINGS_TO_GUEST);
	to_slot(open("/dev/null", O_WRONLY), FD_DEBUG_OUT);
	to_slot(memfd_create("out", 0), FD_SERIAL_OUT);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Bh__ConsoleConfig console;
	static Bh__DeviceConfig config;
	void *backlog[3];
	const char *why;

	memset(&h.dev, 0, sizeof(h.dev));
	memset(h.watch, 0, sizeof(h.watch));
	memset(page, 0, sizeof(*page));
	bh__console_config__init(&console);
	bh__device_config__init(&config);
	config.device_case = BH__DEVICE_CONFIG__DEVICE_CONSOLE;
	config.console = &console;
	console.console = BH__PORT_KIND__PORT_KIND_TTY;
	console.serial = BH__PORT_KIND__PORT_KIND_TTY;
	console.debug_console = BH__PORT_KIND__PORT_KIND_FILE;
	console.columns = console.rows = 25;
	console.escape = true;
	keyboard(0, FD_CONSOLE_IN);
	keyboard(1, FD_SERIAL_IN);
	to_slot(open("/dev/null", O_WRONLY), FD_CONSOLE_OUT);
	if (ftruncate(FD_SERIAL_OUT, 0) != 0 ||
	    h_start(&console_ops, &config, &why) != 0)
		abort();
	for (unsigned int i = 0; i < 3; i++)
		backlog[i] = ((struct far *)h.dev.priv)[i].backlog;
	fuzz_run(data, size);
	for (unsigned int i = 0; i < 3; i++)
		free(backlog[i]);
	munmap(*(void **)(void *)&((struct far *)h.dev.priv)[3],
	    sizeof(*page));
	free(h.dev.priv);
	return 0;
}
