// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-net on a tap, when things go wrong: the interface goes
 * down, or away; nobody takes frames, or far too many come; a driver that resets
 * without end, or lies about its queues. The worker stays small, idle when there is
 * nothing to do, and answers.
 */
#include "tests/native/net_host.h"

static bool
test_interface_down(void)
{
	static uint8_t want[300], got[300];

	MUST(set_up(false));
	make_frame(vm.ram + TX + NET_HDR_SIZE, 300, ++seed);
	MUST(transmit(1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(set_up(true));
	recv(packets, got, sizeof(got), 0);	/* ENETDOWN is told once */
	make_frame(want, 300, ++seed);
	memcpy(vm.ram + TX + NET_HDR_SIZE, want, 300);
	MUST(transmit(1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(host_gets(got, sizeof(got)) == 300);
	MUST(memcmp(got, want, 300) == 0);
	return true;
}

/* What @pid has used of a CPU, in hundredths of a second. */
static long
cpu_ticks(pid_t pid)
{
	char path[40], text[400] = "";
	unsigned long user = 0, system = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL || fgets(text, sizeof(text), f) == NULL ||
	    sscanf(text, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
	    "%lu %lu", &user, &system) != 2)
		abort();
	fclose(f);
	return (long)(user + system);
}

#ifdef BULKHEAD_SANITIZED
#define SMALL_KIB 200000
#else
#define SMALL_KIB 4096
#endif

static long
resident_kib(pid_t pid)
{
	char path[40], line[100];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	if (f == NULL || kib < 0)
		abort();
	fclose(f);
	return kib;
}

/* A thousand drivers, one after the other, while frames come and go. */
static bool
test_resets(void)
{
	static uint8_t frame[1000];
	long before = 0;

	make_frame(frame, sizeof(frame), ++seed);
	for (unsigned int i = 0; i < 1000; i++) {
		const struct drvq_buf tx = { TX, NET_HDR_SIZE + 300, false };

		MUST(activate(&vm, i % NRINGS, 2 * PAIRS + 1) == 0);
		for (unsigned int n = 0; n < i % RX_BUFS; n++)
			MUST(add_buffer(0, n));
		fakevm_publish(&vm, 0);
		(void)send(packets, frame, sizeof(frame), 0);
		MUST(drvq_add(&vm.q[1], &tx, 1, 0, 0) >= 0);
		fakevm_publish(&vm, 1);
		if (i % 3 == 0)
			MUST(command(4, 0, PAIRS, 2) == 0);
		MUST(fakevm_reset(&vm) == 0);
		if (i == 50)
			before = resident_kib(vm.pid);
	}
	MUST(resident_kib(vm.pid) <= before + 64);
	return vm.needs_reset == 0;
}

/* What the tap still holds of an earlier test. Leaves buffers in the ring. */
static bool
drain_tap(void)
{
	double quiet = seconds() + 0.2;

	for (unsigned int n = 0; n < RX_BUFS; n++)
		MUST(add_buffer(0, n));
	fakevm_publish(&vm, 0);
	while (seconds() < quiet) {
		uint64_t n;
		uint32_t len;

		if (!drvq_get(&vm.q[0], &n, &len))
			continue;
		MUST(add_buffer(0, n));
		fakevm_publish(&vm, 0);
		quiet = seconds() + 0.2;
	}
	return true;
}

/* Without a buffer the worker sleeps; with some it goes on where it was. */
static bool
test_no_buffers(void)
{
	static uint8_t want[300], got[300];
	unsigned int first = seed + 1;
	long spent = cpu_ticks(vm.pid);

	for (unsigned int i = 0; i < 3000; i++) {
		make_frame(want, sizeof(want), ++seed);
		(void)send(packets, want, sizeof(want), 0);
	}
	usleep(200000);
	MUST(cpu_ticks(vm.pid) - spent < 15);
	for (unsigned int n = 0; n < RX_BUFS; n++)
		MUST(add_buffer(0, n));
	fakevm_publish(&vm, 0);
	for (unsigned int i = 0; i < 100; i++) {
		make_frame(want, sizeof(want), first + i);
		MUST(guest_gets(0, got, sizeof(got)) == sizeof(got));
		MUST(memcmp(got, want, sizeof(want)) == 0);
	}
	return true;
}

/* The transmit ring is kept full: commands and a reset are answered in between. */
static bool
test_flood(void)
{
	const struct drvq_buf tx = { TX, NET_HDR_SIZE + 1500, false };
	double end = seconds() + 1.0;
	unsigned int sent = 0, commands = 0;

	memset(vm.ram + TX, 0, NET_HDR_SIZE);
	make_frame(vm.ram + TX + NET_HDR_SIZE, 1500, ++seed);
	while (seconds() < end) {
		uint64_t cookie;
		uint32_t len;

		while (drvq_get(&vm.q[1], &cookie, &len))
			sent++;
		while (drvq_add(&vm.q[1], &tx, 1, 0, 0) >= 0)
			;
		fakevm_publish(&vm, 1);
		MUST(command(0, 1, commands & 1, 1) == 0);
		commands++;
	}
	printf("# %u frames, %u commands between them\n", sent, commands);
	MUST(sent > 100 && commands > 10 && resident_kib(vm.pid) < SMALL_KIB);
	return true;
}

/* Queue pairs that come, go and are used although they are not in use. */
static bool
test_lies_about_queues(void)
{
	static uint8_t frame[300], got[300];
	const struct drvq_buf tx = { TX, NET_HDR_SIZE + 300, false };

	make_frame(frame, sizeof(frame), ++seed);
	memset(vm.ram + TX, 0, NET_HDR_SIZE);
	memcpy(vm.ram + TX + NET_HDR_SIZE, frame, sizeof(frame));
	for (unsigned int i = 0; i < 300; i++) {
		uint16_t pairs = (uint16_t)(i % (PAIRS + 2));
		uint32_t len;

		MUST(command(4, 0, pairs, 2) ==
		    (pairs < 1 || pairs > PAIRS ? 1 : 0));
		(void)send(packets, frame, sizeof(frame), 0);
		/* No buffers on its receive queue, a kick all the same. */
		fakevm_kick(&vm, 2);
		MUST(fakevm_request(&vm, 3, &tx, 1, &len) == 0);
	}
	MUST(vm.needs_reset == 0 && command(4, 0, 1, 2) == 0);
	while (recv(packets, got, sizeof(got), 0) >= 0)
		;
	/* Not in use: taken from the ring, and dropped. */
	MUST(fakevm_request(&vm, 3, &tx, 1, &(uint32_t){ 0 }) == 0);
	usleep(50000);
	MUST(recv(packets, got, sizeof(got), 0) < 0);
	MUST(transmit(1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(host_gets(got, sizeof(got)) == 300);
	return drain_tap();
}

static bool
test_deleted_tap(void)
{
	char command_line[64];
	unsigned int before = vm.log_lines, changes = vm.config_changes;
	long spent;

	snprintf(command_line, sizeof(command_line), "ip link del %s",
	    tap_name.ifr_name);
	MUST(system(command_line) == 0);
	make_frame(vm.ram + TX + NET_HDR_SIZE, 300, ++seed);
	for (unsigned int i = 0; i < 50; i++)
		MUST(transmit(1, &(struct net_hdr){ 0 }, 300, 12));
	MUST(fakevm_pump(&vm, 100) >= 0);
	MUST(vm.log_lines > before && vm.log_lines <= before + PAIRS);
	MUST(strstr(vm.log, "gone") != NULL);
	/* The driver sees the link go, once; nobody spins on a dead fd. */
	MUST(vm.config_changes == changes + 1 && (vm.config[6] & 1) == 0);
	spent = cpu_ticks(vm.pid);
	usleep(300000);
	MUST(cpu_ticks(vm.pid) - spent < 10);
	MUST(fakevm_reset(&vm) == 0);
	return true;
}

int
main(void)
{
	static const struct {
		const char *name;
		bool (*run)(void);
	} tests[] = {
		{ "interface down and up", test_interface_down },
		{ "no buffers, then some", test_no_buffers },
		{ "a flood lets others have their turn", test_flood },
		{ "queue pairs that are not in use", test_lies_about_queues },
	};
	char name[120];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (access("/dev/net/tun", R_OK | W_OK) != 0) {
		printf("1..0 # SKIP no /dev/net/tun\n");
		return 77;
	}
	if (!make_network() || fakevm_init(&vm) != 0)
		return 2;
	result(start(0, 0), &vm, "starts");
	for (size_t i = 0; i < NRINGS; i++)
		for (size_t t = 0; t < sizeof(tests) / sizeof(tests[0]); t++) {
			bool good = activate(&vm, i, 2 * PAIRS + 1) == 0 &&
			    tests[t].run();

			snprintf(name, sizeof(name), "%s: %s", rings[i].name,
			    tests[t].name);
			result(good && fakevm_reset(&vm) == 0, &vm, name);
		}
	result(test_resets(), &vm, "a thousand resets");
	result(activate(&vm, 1, 2 * PAIRS + 1) == 0 && test_deleted_tap(), &vm,
	    "a tap that is deleted takes the link down, the device goes on");
	result(fakevm_quit(&vm) == 0, &vm, "ends with status 0");
	fakevm_fini(&vm);
	return finish();
}
