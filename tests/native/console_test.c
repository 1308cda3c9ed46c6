// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-console in its jail: pipe, pty, socket and file as far
 * ends of the virtio console on every kind of ring and of the serial port.
 */
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <poll.h>

#include "device-workers/console/console.h"
#include "device-workers/console/far.h"
#include "device-workers/console/slots.h"
#include "ipc/bytering.h"
#include "tests/native/device_test.h"

#define KIND(k) BH__PORT_KIND__PORT_KIND_##k
#define OUT FAKEVM_DATA
#define IN (FAKEVM_DATA + 0x100000)
#define IN_LEN 64u

static struct fakevm vm;
static struct bytering_page *page;
static struct bytering serial_out, serial_in, debug_out;
static int rings_fd, to_far, to_guest;

static bool
make_rings(void)
{
	rings_fd = memfd_create("rings", MFD_CLOEXEC);
	to_far = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	to_guest = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	MUST(rings_fd >= 0 && to_far >= 0 && to_guest >= 0);
	MUST(ftruncate(rings_fd, sizeof(*page)) == 0);
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED,
	    rings_fd, 0);
	MUST(page != MAP_FAILED);
	bytering_init(&serial_out, &page->serial_out);
	bytering_init(&serial_in, &page->serial_in);
	bytering_init(&debug_out, &page->debug_out);
	return true;
}

static bool
start(Bh__ConsoleConfig *console, const struct fakevm_fd *far, unsigned int n)
{
	static char id[] = "console0";
	struct fakevm_fd fds[16] = {
		{ FD_RINGS, rings_fd }, { FD_RINGS_TO_FAR, to_far },
		{ FD_RINGS_TO_GUEST, to_guest },
	};
	Bh__DeviceConfig config;

	bh__device_config__init(&config);
	for (unsigned int i = 0; i < n; i++)
		fds[3 + i] = far[i];
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_CONSOLE;
	config.console = console;
	MUST(fakevm_start(&vm, "build/bulkhead-console", &config, fds, 3 + n) ==
	    0);
	return true;
}

/* Read @len bytes, waiting for them. */
static bool
gets_exactly(int fd, char *buf, size_t len)
{
	size_t at = 0;

	while (at < len) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, 20000) <= 0)
			return false;
		n = read(fd, buf + at, len - at);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool
gets_text(int fd, const char *text)
{
	static char buf[4096];

	return gets_exactly(fd, buf, strlen(text)) &&
	    memcmp(buf, text, strlen(text)) == 0;
}

static bool
says(const char *text, size_t len)
{
	const struct drvq_buf buf = { OUT, (uint32_t)len, false };
	uint32_t used;

	memcpy(vm.ram + OUT, text, len);
	return fakevm_request(&vm, CONSOLE_TX, &buf, 1, &used) == 0;
}

static bool
serial_says(const char *text)
{
	size_t n = bytering_put(&serial_out, text, strlen(text));

	if (bytering_was_empty(&serial_out, n))
		eventfd_write(to_far, 1);
	return n == strlen(text);
}

static bool
serial_hears(const char *text)
{
	struct pollfd p = { .fd = to_guest, .events = POLLIN };
	char buf[256];
	size_t at = 0;

	while (at < strlen(text)) {
		eventfd_t count;
		size_t n = bytering_get(&serial_in, buf + at, sizeof(buf) - at);

		at += n;
		if (n == 0 && poll(&p, 1, 20000) <= 0)
			return false;
		if (n == 0 && eventfd_read(to_guest, &count) != 0)
			return false;
	}
	return at == strlen(text) && memcmp(buf, text, at) == 0;
}

/* Buffers for input, and what arrives in them: @len bytes into @buf. */
static bool
hears(char *buf, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint64_t n;
		uint32_t used;

		if (fakevm_used(&vm, CONSOLE_RX, &n, &used) != 0 || used == 0 ||
		    at + used > len)
			return false;
		memcpy(buf + at, vm.ram + IN + n * IN_LEN, used);
		at += used;
		if (drvq_add(&vm.q[CONSOLE_RX], &(struct drvq_buf){
		    IN + n * IN_LEN, IN_LEN, true }, 1, 0, n) < 0)
			return false;
		fakevm_publish(&vm, CONSOLE_RX);
	}
	return true;
}

static bool
add_input(void)
{
	for (uint64_t n = 0; n < 16; n++)
		MUST(drvq_add(&vm.q[CONSOLE_RX], &(struct drvq_buf){
		    IN + n * IN_LEN, IN_LEN, true }, 1, 0, n) >= 0);
	fakevm_publish(&vm, CONSOLE_RX);
	return true;
}

/* ---- the terminal ---------------------------------------------------------------- */

static int keys, screen, debug_far;

static bool
test_terminal(void)
{
	static char text[3000], back[3000];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	MUST(add_input());
	for (unsigned int i = 0; i < 50; i++) {
		size_t len = 1 + i * 60;

		MUST(says(text, len) && gets_exactly(screen, back, len));
		MUST(memcmp(text, back, len) == 0);
	}
	MUST(write(keys, text, sizeof(text)) == sizeof(text));
	MUST(hears(back, sizeof(back)));
	MUST(memcmp(text, back, sizeof(text)) == 0);
	MUST(write(keys, "\x1d\x1d-\x1dq", 5) == 5);
	MUST(hears(back, 4) && memcmp(back, "\x1d-\x1dq", 4) == 0);
	return !vm.stop_requested;
}

/* The reader stops: the guest keeps what does not fit, serial goes on. */
static bool
test_stuck_reader(void)
{
	static char text[4000], back[4000];
	unsigned int sent = 0;

	memset(text, 's', sizeof(text));
	for (; sent < 40; sent++) {
		const struct drvq_buf buf = { OUT, sizeof(text), false };

		memcpy(vm.ram + OUT, text, sizeof(text));
		MUST(drvq_add(&vm.q[CONSOLE_TX], &buf, 1, 0, sent) >= 0);
		fakevm_publish(&vm, CONSOLE_TX);
	}
	for (unsigned int i = 0; i < 20; i++)
		MUST(serial_says("serial ") && gets_text(debug_far, "serial "));
	for (unsigned int i = 0; i < sent; i++) {
		MUST(gets_exactly(screen, back, sizeof(back)));
		MUST(memcmp(text, back, sizeof(text)) == 0);
	}
	for (unsigned int i = 0; i < sent; i++) {
		uint64_t cookie;
		uint32_t len;

		MUST(fakevm_used(&vm, CONSOLE_TX, &cookie, &len) == 0);
		MUST(cookie == i);
	}
	return true;
}

static bool
test_resize(void)
{
	Bh__ConsoleSize m = BH__CONSOLE_SIZE__INIT;
	CHAN_PACKET(p, CONSOLE_SIZE, console_size, &m);
	unsigned int before = vm.config_changes;

	m.columns = 100 + before;
	m.rows = 40;
	MUST(chan_send(&vm.ctl, &p, NULL, 0) == 0);
	for (unsigned int i = 0; i < 50 && vm.config_changes == before; i++)
		MUST(fakevm_pump(&vm, 100) >= 0);
	MUST(vm.config[0] == 100 + before && vm.config[2] == 40);
	return true;
}

static void
test_terminals(void)
{
	int in[2], out[2], ser[2];
	Bh__ConsoleConfig console;
	char name[120];
	bool good = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
	    pipe2(ser, O_CLOEXEC | O_NONBLOCK) == 0;
	/* Blocking ones: as a terminal that is shared with a shell. */
	const struct fakevm_fd far[] = {
		{ FD_CONSOLE_IN, in[0] }, { FD_CONSOLE_OUT, out[1] },
		{ FD_SERIAL_OUT, ser[1] },
	};

	keys = in[1];
	screen = out[0];
	debug_far = ser[0];
	bh__console_config__init(&console);
	console.console = KIND(TTY);
	console.serial = KIND(FILE);
	console.columns = 80;
	console.rows = 25;
	console.escape = true;
	result(good && start(&console, far, 3), &vm, "starts on a terminal");
	for (size_t i = 0; i < NRINGS; i++) {
		bool active = activate(&vm, i, 2) == 0;

		snprintf(name, sizeof(name), "%s: both ways", rings[i].name);
		result(active && test_terminal(), &vm, name);
		snprintf(name, sizeof(name), "%s: a reader that stops",
		    rings[i].name);
		result(active && test_stuck_reader(), &vm, name);
		snprintf(name, sizeof(name), "%s: resize", rings[i].name);
		result(active && test_resize(), &vm, name);
		snprintf(name, sizeof(name), "%s: reset", rings[i].name);
		result(fakevm_reset(&vm) == 0, &vm, name);
	}
	good = write(keys, "\x1dx", 2) == 2;
	for (unsigned int i = 0; i < 50 && !vm.stop_requested; i++)
		(void)fakevm_pump(&vm, 100);
	result(good && vm.stop_requested, &vm, "the escape stops the VM");
	serial_says("last words\n");
	result(fakevm_quit(&vm) == 0 && gets_text(ser[0], "last words\n"), &vm,
	    "ends with status 0, and all is written");
}

/* ---- others ---------------------------------------------------------------------- */

static bool
test_pty(void)
{
	static char line[4001], back[FAR_BACKLOG];
	struct fakevm_fd far = { FD_SERIAL_OUT, -1 };
	Bh__ConsoleConfig console;
	char name[64];
	int slave, status;
	pid_t child;

	MUST(openpty(&far.fd, &slave, name, NULL, NULL) == 0);
	MUST(fcntl(far.fd, F_SETFL, O_NONBLOCK) == 0);
	close(slave);
	bh__console_config__init(&console);
	console.serial = KIND(PTY);
	MUST(start(&console, &far, 1));
	MUST(vm.virtio_id == 0 && vm.nqueues == 0);
	memset(line, 'p', 4000);
	/* Nobody has it open: the guest goes on all the same. */
	for (unsigned int i = 0; i < 40; i++) {
		for (unsigned int k = 0; !serial_says(line); k++) {
			MUST(k < 100);
			usleep(10000);
		}
		usleep(2000);
	}
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	MUST(slave >= 0 && gets_exactly(slave, back, sizeof(back)));
	MUST(write(slave, "root\r", 5) == 5 && serial_hears("root\r"));
	MUST(serial_says("# ") && gets_text(slave, "# "));
	close(slave);
	usleep(100000);
	MUST(serial_says("while you were away"));
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	MUST(slave >= 0 && gets_text(slave, "while you were away"));
	/* A reader that is slow still gets the last line. */
	close(far.fd);		/* the worker's master is the only one */
	child = fork();
	if (child == 0) {
		struct pollfd p = { .fd = slave, .events = POLLIN };

		_exit(poll(&p, 1, 20000) == 1 && usleep(10000) == 0 &&
		    gets_text(slave, "power down") ? 0 : 1);
	}
	usleep(20000);
	bytering_put(&serial_out, "power down", 10);
	MUST(fakevm_quit(&vm) == 0);
	close(slave);
	MUST(waitpid(child, &status, 0) == child && status == 0);
	return true;
}

/* CPU time of the worker, in hundredths of a second. */
static unsigned long
ticks(void)
{
	char path[64], text[512];
	unsigned long user = 0, kernel = 0;
	const char *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", vm.pid);
	f = fopen(path, "re");
	at = f != NULL && fgets(text, sizeof(text), f) != NULL ?
	    strrchr(text, ')') : NULL;
	if (f != NULL)
		fclose(f);
	if (at == NULL || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
	    "%lu %lu", &user, &kernel) != 2)
		return 0;
	return user + kernel;
}

/* The window that a terminal was in is closed: the guest goes on, and writes for
 * nobody; the serial port beside it is as it was. */
static bool
test_closed_terminal(void)
{
	int master, slave, ser[2];
	struct fakevm_fd far[3];
	Bh__ConsoleConfig console;
	unsigned long busy;

	MUST(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	MUST(pipe2(ser, O_CLOEXEC | O_NONBLOCK) == 0);
	far[0] = (struct fakevm_fd){ FD_CONSOLE_IN, slave };
	far[1] = (struct fakevm_fd){ FD_CONSOLE_OUT, slave };
	far[2] = (struct fakevm_fd){ FD_SERIAL_OUT, ser[1] };
	bh__console_config__init(&console);
	console.console = KIND(TTY);
	console.serial = KIND(FILE);
	MUST(start(&console, far, 3));
	close(slave);
	MUST(activate(&vm, 1, 2) == 0);
	MUST(says("seen\r", 5) && gets_text(master, "seen\r"));
	close(master);
	for (unsigned int i = 0; i < 300; i++)
		MUST(says("not seen\r", 9));
	MUST(serial_says("serial\n") && gets_text(ser[0], "serial\n"));
	MUST(fakevm_reset(&vm) == 0 && activate(&vm, 3, 2) == 0);
	MUST(says("after a reset", 13));
	/* Nobody is asked again and again whether he is back. */
	busy = ticks();
	usleep(500000);
	MUST(ticks() - busy < 20);
	MUST(vm.needs_reset == 0);
	MUST(fakevm_quit(&vm) == 0);
	close(ser[0]);
	close(ser[1]);
	return true;
}

static int
client_of(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0)
		return -1;
	return fd;
}

static bool
test_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct fakevm_fd far[2] = { { FD_CONSOLE_IN, -1 }, { FD_SERIAL_IN, -1 } };
	Bh__ConsoleConfig console;
	char back[8];
	int one, two;

	for (unsigned int i = 0; i < 2; i++) {
		/* Abstract: the kernel chooses the name. */
		socklen_t len = sizeof(addr);

		far[i].fd = socket(AF_UNIX,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		snprintf(addr.sun_path, sizeof(addr.sun_path),
		    "%s/bhcon%d.%u", getenv("TMPDIR") ? getenv("TMPDIR") :
		    "/tmp", (int)getpid(), i);
		unlink(addr.sun_path);
		MUST(bind(far[i].fd, (struct sockaddr *)&addr, len) == 0);
		MUST(listen(far[i].fd, 4) == 0);
	}
	bh__console_config__init(&console);
	console.console = console.serial = KIND(SOCKET);
	MUST(start(&console, far, 2));
	MUST(activate(&vm, 1, 2) == 0 && add_input());
	MUST(serial_says("serial: kept"));
	one = client_of(&addr);
	unlink(addr.sun_path);
	MUST(gets_text(one, "serial: kept"));
	MUST(write(one, "ls\n", 3) == 3 && serial_hears("ls\n"));

	addr.sun_path[strlen(addr.sun_path) - 1] = '0';
	MUST(says("virtio: kept", 12));
	for (unsigned int i = 0; i < 5; i++) {
		two = client_of(&addr);
		MUST(gets_text(two, i == 0 ? "virtio: kept" : "again"));
		MUST(write(two, "key", 3) == 3 && hears(back, 3));
		MUST(memcmp(back, "key", 3) == 0);
		close(two);
		usleep(50000);
		MUST(says("again", 5));
	}
	unlink(addr.sun_path);
	close(one);
	MUST(fakevm_quit(&vm) == 0);
	close(far[0].fd);
	close(far[1].fd);
	return true;
}

static bool
test_files(void)
{
	struct fakevm_fd far[3] = {
		{ FD_CONSOLE_OUT, memfd_create("console", MFD_CLOEXEC) },
		{ FD_SERIAL_OUT, open("/dev/full", O_WRONLY | O_CLOEXEC) },
		{ FD_DEBUG_OUT, memfd_create("debug", MFD_CLOEXEC) },
	};
	Bh__ConsoleConfig console;
	char back[16] = "";

	bh__console_config__init(&console);
	console.console = console.serial = console.debug_console = KIND(FILE);
	MUST(start(&console, far, 3));
	MUST(activate(&vm, 0, 2) == 0);
	MUST(says("to a file", 9));
	/* A full disk is the file's trouble, not the guest's. */
	for (unsigned int i = 0; i < 100; i++) {
		MUST(serial_says("lost"));
		usleep(1000);
	}
	MUST(bytering_put(&debug_out, "post", 4) == 4);
	eventfd_write(to_far, 1);
	MUST(fakevm_quit(&vm) == 0);
	MUST(pread(far[0].fd, back, 16, 0) == 9);
	MUST(memcmp(back, "to a file", 9) == 0);
	MUST(pread(far[2].fd, back, 16, 0) == 4);
	MUST(memcmp(back, "post", 4) == 0);
	MUST(strstr(vm.log, "ENOSPC") != NULL);
	for (unsigned int i = 0; i < 3; i++)
		close(far[i].fd);
	return true;
}

/*
 * Readers of a named pipe and of a pty, and the window of a terminal, go and come
 * while the worker is there, and while it is not.
 */
static bool
test_killed(void)
{
	struct fakevm_fd far[3] = { { FD_CONSOLE_OUT, -1 }, { FD_SERIAL_OUT, -1 },
		{ FD_DEBUG_OUT, -1 } };
	int fifo, slave, master;
	Bh__ConsoleConfig console;
	char path[108], name[64];

	snprintf(path, sizeof(path), "%s/bhfifo%d", getenv("TMPDIR") ?
	    getenv("TMPDIR") : "/tmp", (int)getpid());
	unlink(path);
	MUST(mkfifo(path, 0600) == 0);
	fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	far[0].fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	MUST(fifo >= 0 && far[0].fd >= 0);
	MUST(openpty(&far[1].fd, &slave, name, NULL, NULL) == 0);
	MUST(fcntl(far[1].fd, F_SETFL, O_NONBLOCK) == 0);
	close(slave);
	MUST(openpty(&master, &far[2].fd, NULL, NULL, NULL) == 0);
	bh__console_config__init(&console);
	console.console = KIND(FILE);
	console.serial = KIND(PTY);
	console.debug_console = KIND(TTY);
	for (unsigned int life = 0; life < 3; life++) {
		MUST(start(&console, far, 3));
		MUST(activate(&vm, 0, 2) == 0);
		slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
		MUST(slave >= 0 && serial_says("login: "));
		MUST(gets_text(slave, "login: "));
		MUST(write(slave, "root\r", 5) == 5 && serial_hears("root\r"));
		/* In one life nobody reads it. */
		if (life != 1) {
			MUST(says("seen", 4) && gets_text(fifo, "seen"));
			close(fifo);
			MUST(says("kept", 4));
			fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
			MUST(fifo >= 0 && gets_text(fifo, "kept"));
		}
		if (life == 1) {
			close(master);
			bytering_put(&debug_out, "to nobody", 9);
			eventfd_write(to_far, 1);
		}
		close(slave);
		fakevm_kill(&vm);
	}
	close(fifo);
	unlink(path);
	for (unsigned int i = 0; i < 3; i++)
		close(far[i].fd);
	return true;
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fakevm_init(&vm) != 0 || !make_rings())
		return 2;
	test_terminals();
	result(test_pty(), &vm, "pty, with and without a reader");
	result(test_closed_terminal(), &vm, "a terminal that is closed");
	fakevm_kill(&vm);
	result(test_socket(), &vm, "sockets, client after client");
	result(test_files(), &vm, "files, one of them full");
	result(test_killed(), &vm, "readers and the worker, gone and back");
	fakevm_fini(&vm);
	return finish();
}
