/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small vhost-user front end for bulkhead-vhost-user-blk: reads and writes on a
 * split ring in a memfd, stops and continues, comes back, migrates, and lies. After
 * each lie the connection is closed or the request refused, and the same process
 * serves the next front end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/native/vhu_front.h"

#define DATA 0x100000u
#define DISK (1u << 20)

static unsigned int number, failures;

static void
result(bool good, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %u - %s\n", good ? "" : "not ", number, name);
}

static void
queue_request(uint32_t type, uint64_t sector, uint32_t len)
{
	const struct drvq_buf bufs[3] = {
		{ DATA, 16, false },
		{ DATA + 0x1000, len, type == 0 },
		{ DATA + 0x800, 1, true },
	};
	const uint64_t one = 1;

	memcpy(t.ram + DATA, &type, 4);
	memset(t.ram + DATA + 4, 0, 4);
	memcpy(t.ram + DATA + 8, &sector, 8);
	t.ram[DATA + 0x800] = 0xff;
	drvq_add(&t.q, bufs, 3, 0, 1);
	drvq_publish(&t.q);
	if (write(t.kick, &one, sizeof(one)) < 0)
		return;
}

/* The status byte, or -1: not used within @ms. */
static int
await_request(int ms)
{
	uint64_t cookie, count;
	uint32_t len;

	for (;;) {
		struct pollfd p = { .fd = t.call, .events = POLLIN };

		if (drvq_get(&t.q, &cookie, &len))
			return t.ram[DATA + 0x800];
		if (poll(&p, 1, ms) != 1)
			return -1;
		if (read(t.call, &count, sizeof(count)) < 0)
			return -1;
	}
}

static int
request(uint32_t type, uint64_t sector, uint32_t len)
{
	queue_request(type, sector, len);
	return await_request(WAIT_MS);
}

static bool
alive(void)
{
	return waitpid(t.pid, NULL, WNOHANG) == 0;
}

/* Does the disk work from the first message on? */
static bool
serves(void)
{
	MUST(alive());
	MUST(all_up());
	MUST(request(0, 8, 4096) == 0);
	return true;
}

/* ---- good behaviour ----------------------------------------------------------- */

static bool
reads_and_writes(void)
{
	uint8_t back[8192];
	int fd;

	MUST(all_up());
	memset(t.ram + DATA + 0x1000, 0xa5, 8192);
	MUST(request(1, 16, 8192) == 0);
	fd = open(t.disk, O_RDONLY);
	MUST(pread(fd, back, sizeof(back), 8192) == sizeof(back));
	close(fd);
	MUST(back[0] == 0xa5 && back[8191] == 0xa5);
	memset(t.ram + DATA + 0x1000, 0, 8192);
	MUST(request(0, 16, 8192) == 0);
	MUST(memcmp(t.ram + DATA + 0x1000, back, 8192) == 0);
	MUST(request(0, DISK / 512, 512) == 1);
	return true;
}

static bool
tells_its_configuration(void)
{
	union vhu_payload p = { .config = { .size = 60 } };
	struct packet answer;
	uint64_t capacity;

	MUST(negotiate());
	MUST(ask(VHU_GET_CONFIG, &p, 72, &answer));
	memcpy(&capacity, answer.payload.config.data, 8);
	MUST(answer.header.size == 72 && capacity == DISK / 512);
	MUST(ask(VHU_GET_QUEUE_NUM, NULL, 0, &answer));
	MUST(answer.payload.u64 == 2);
	MUST(ask(VHU_GET_MAX_MEM_SLOTS, NULL, 0, &answer));
	MUST(answer.payload.u64 >= 8);
	return true;
}

static bool
stops_and_goes_on(void)
{
	const uint32_t index[2] = { 0, 0 };
	struct packet answer;

	MUST(all_up());
	for (int i = 0; i < 5; i++)
		MUST(request(0, 0, 512) == 0);
	MUST(ask(VHU_GET_VRING_BASE, index, 8, &answer));
	MUST(answer.payload.vring.num == 5);
	queue_request(0, 0, 512);
	MUST(await_request(100) == -1);
	MUST(start_ring(5));
	MUST(await_request(WAIT_MS) == 0);
	/* Disabled, it takes nothing; enabled, what has come meanwhile. */
	MUST(set_vring(VHU_SET_VRING_ENABLE, 0, 0) == 0);
	queue_request(0, 0, 512);
	MUST(await_request(100) == -1);
	MUST(set_vring(VHU_SET_VRING_ENABLE, 0, 1) == 0);
	MUST(await_request(WAIT_MS) == 0);
	MUST(set(VHU_RESET_DEVICE, NULL, 0, NULL, 0) == 0);
	queue_request(0, 0, 512);
	MUST(await_request(100) == -1);
	return true;
}

static bool
comes_back(void)
{
	for (int i = 0; i < 50; i++)
		MUST(serves());
	return true;
}

static bool
logs_dirty_pages(void)
{
	const uint64_t log[2] = { RAM / 4096 / 8, 0 };
	struct packet answer;

	MUST(all_up());
	memset(t.log, 0, 4096);
	MUST(post(VHU_SET_LOG_BASE, 0, log, 16, &t.log_fd, 1));
	MUST(recv_all(&answer, 20) && answer.header.request == VHU_SET_LOG_BASE);
	MUST(set_u64(VHU_SET_FEATURES, FEATURES | 1ull << VHU_F_LOG_ALL) == 0);
	MUST(request(0, 0, 8192) == 0);
	/* The data's two pages, the status, and the used ring. */
	MUST((t.log[(DATA + 0x1000) / 4096 / 8] & 7) == 7);
	MUST((t.log[t.q.used / 4096 / 8] >> t.q.used / 4096 % 8 & 1) == 1);
	MUST((t.log[0x200000 / 4096 / 8]) == 0);
	MUST(set_u64(VHU_SET_FEATURES, FEATURES) == 0);
	memset(t.log, 0, 4096);
	MUST(request(0, 0, 512) == 0);
	MUST(t.log[DATA / 4096 / 8] == 0);
	return true;
}

static bool
changes_memory(void)
{
	union vhu_payload p = { .mem = { .region = { RAM, 4096, UVA + RAM, 4096 } } };

	MUST(all_up());
	MUST(set(VHU_ADD_MEM_REG, &p, 40, &t.ram_fd, 1) == 0);
	/* As often as there are queues: QEMU before 8.0 does. */
	MUST(set(VHU_ADD_MEM_REG, &p, 40, &t.ram_fd, 1) == 0);
	MUST(set(VHU_ADD_MEM_REG, &p, 40, &t.ram_fd, 1) == 1);
	p.mem.region.gpa += 4096;
	MUST(set(VHU_ADD_MEM_REG, &p, 40, &t.ram_fd, 1) == 1);
	p.mem.region.gpa -= 4096;
	MUST(request(0, 0, 512) == 0);
	MUST(set(VHU_REM_MEM_REG, &p, 40, NULL, 0) == 0);
	MUST(set(VHU_REM_MEM_REG, &p, 40, NULL, 0) == 0);
	MUST(set(VHU_REM_MEM_REG, &p, 40, NULL, 0) == 1);
	/* The whole table anew under a running ring. */
	MUST(set_memory());
	MUST(request(0, 0, 512) == 0);
	return true;
}

/* The one byte of an answer that says whether it worked. */
static int
state_fd(uint32_t direction, uint32_t phase, int fd)
{
	const uint32_t payload[2] = { direction, phase };
	struct packet answer;

	if (!post(VHU_SET_DEVICE_STATE_FD, 0, payload, 8, &fd, 1) ||
	    !recv_all(&answer, sizeof(answer.header) + 8) ||
	    (answer.payload.u64 & VHU_VRING_NO_FD) == 0)
		return -1;
	return (int)(answer.payload.u64 & 0xff);
}

static int
check_state(void)
{
	struct packet answer;

	return ask(VHU_CHECK_DEVICE_STATE, NULL, 0, &answer) ?
	    (int)answer.payload.u64 : -1;
}

/* Send @len bytes as a state to load: what CHECK_DEVICE_STATE says of it. */
static int
load_state(const void *state, size_t len)
{
	int pipe_fd[2], rc;
	bool sent;

	if (pipe(pipe_fd) != 0)
		return -1;
	rc = state_fd(1, 0, pipe_fd[0]);
	close(pipe_fd[0]);
	sent = write(pipe_fd[1], state, len) == (ssize_t)len;
	close(pipe_fd[1]);
	return rc != 0 || !sent ? -1 : check_state();
}

static bool
moves_its_state(void)
{
	static uint8_t large[60000];
	const uint32_t index[2] = { 0, 0 };
	struct packet answer;
	uint8_t state[64];
	ssize_t n;
	int p[2];

	MUST(all_up() && pipe(p) == 0);
	MUST(state_fd(0, 0, p[1]) == 1);	/* the ring runs */
	MUST(ask(VHU_GET_VRING_BASE, index, 8, &answer));
	MUST(state_fd(2, 0, p[1]) == 1);
	MUST(state_fd(0, 1, p[1]) == 1);
	MUST(state_fd(0, 0, t.kick) == 1);
	MUST(check_state() == 1);		/* of nothing */
	MUST(state_fd(0, 0, p[1]) == 0);
	close(p[1]);
	n = read(p[0], state, sizeof(state));
	MUST(n >= 16 && read(p[0], large, 1) == 0);
	close(p[0]);
	MUST(check_state() == 0);
	MUST(load_state(state, (size_t)n) == 0);
	MUST(load_state(state, (size_t)n - 1) == 1);
	MUST(load_state(large, sizeof(large)) == 1);
	MUST(load_state(large, 16) == 1);
	/* Asked before the end of it has come. */
	MUST(pipe(p) == 0 && state_fd(1, 0, p[0]) == 0);
	MUST(write(p[1], state, (size_t)n) == n);
	MUST(check_state() == 1);
	close(p[0]);
	close(p[1]);
	/* One that nobody reads, of a device that is needed again. */
	MUST(pipe(p) == 0 && state_fd(0, 0, p[1]) == 0);
	MUST(start_ring(0) && request(0, 0, 512) == 0);
	close(p[0]);
	close(p[1]);
	return true;
}

static int
status(void)
{
	struct packet answer;

	return ask(VHU_GET_STATUS, NULL, 0, &answer) ? (int)answer.payload.u64 : -1;
}

static bool
has_a_status(void)
{
	uint64_t count;

	/* The ring before this one was overwritten while it ran. */
	MUST(all_up() && status() == 0 && read(t.err, &count, 8) <= 8);
	MUST(set_u64(VHU_SET_STATUS, 0x0f) == 0 && status() == 0x0f);
	MUST(request(0, 0, 512) == 0);
	/* A driver that breaks the rules is told on two ways. */
	MUST(read(t.err, &count, 8) < 0);
	t.ram[t.q.avail + 3] ^= 0x40;
	MUST(write(t.kick, &(uint64_t){ 1 }, 8) == 8);
	for (int i = 0; i < 500 && read(t.err, &count, 8) < 0; i++)
		usleep(10000);
	MUST(status() == (0x0f | 0x40));
	MUST(set_u64(VHU_SET_STATUS, 0) == 0 && status() == 0);
	drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES);
	MUST(start_ring(0) && request(0, 0, 512) == 0);
	MUST(set_u64(VHU_SET_STATUS, 0x100) == 1);
	return true;
}

/* A ring for whose requests nobody kicks. */
static bool
polls(void)
{
	const uint64_t none = VHU_VRING_NO_FD;

	drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES);
	MUST(negotiate() && set_memory() && prepare_ring(0));
	MUST(set(VHU_SET_VRING_KICK, &none, 8, NULL, 0) == 0);
	MUST(set_vring(VHU_SET_VRING_ENABLE, 0, 1) == 0);
	for (int i = 0; i < 20; i++)
		MUST(request(0, 0, 512) == 0);
	MUST(set_vring(VHU_SET_VRING_ENABLE, 0, 0) == 0);
	queue_request(0, 0, 512);
	MUST(await_request(100) == -1);
	/* Enabled before it is started. */
	drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES);
	MUST(negotiate() && set_memory());
	MUST(set_vring(VHU_SET_VRING_ENABLE, 0, 1) == 0 && prepare_ring(0));
	MUST(set_fd(VHU_SET_VRING_KICK, 0, t.kick) == 0);
	MUST(request(0, 0, 512) == 0);
	return true;
}

/* Requests of features that it has not: an answer, where one was asked for. */
static bool
refuses_what_it_has_not(void)
{
	static const uint32_t others[] = { 0, 19, 20, 22, 23, 26, 27, 28, 29, 30,
		33, 35, 41, 44, 60, 1000, UINT32_MAX };
	static const uint8_t payload[40];
	struct packet answer;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		MUST(negotiate());
		MUST(set(others[i], payload, i % 2 ? 40 : 0, NULL, 0) == 1);
		MUST(set(others[i], payload, 8, &t.kick, 1) == 1);
		MUST(ask(VHU_GET_FEATURES, NULL, 0, &answer));
		MUST(post(others[i], 0, payload, 8, NULL, 0));
		MUST(!recv_all(&answer, 1));
	}
	return serves();
}

/* ---- lies --------------------------------------------------------------------- */

/* Refused (1) or hung up (-1), but never done. */
#define REFUSED(rc) MUST((rc) != 0)

static bool
lies_in_headers(void)
{
	static const uint32_t sizes[] = { 1, 7, 9, 272, 273, 0x7fffffff, 0xffffffff };
	struct packet p, answer;

	for (uint32_t request_no = 0; request_no < 50; request_no++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			MUST(negotiate());
			memset(&p, 0xff, sizeof(p));
			p.header = (struct vhu_header){
				request_no, VHU_VERSION | VHU_FLAG_NEED_REPLY,
				sizes[i],
			};
			MUST(send_raw(&p, sizeof(p), NULL, 0));
			/* Sent on, it is an answer of failure or the end. */
			shutdown(t.conn, SHUT_WR);
			while (recv_all(&answer.header, sizeof(answer.header)) &&
			    answer.header.size <= sizeof(answer.payload) &&
			    recv_all(&answer.payload, answer.header.size))
				;
			MUST(alive());
		}
	}
	for (uint32_t flags = 0; flags < 16; flags++) {
		if ((flags & 7) == VHU_VERSION)
			continue;
		MUST(negotiate());
		p.header = (struct vhu_header){ VHU_GET_FEATURES, flags, 0 };
		MUST(send_raw(&p.header, sizeof(p.header), NULL, 0));
		MUST(!recv_all(&answer.header, 1));
	}
	return serves();
}

static bool
stops_within_a_message(void)
{
	const uint64_t features = FEATURES;
	struct packet p = { .header = { VHU_SET_FEATURES, VHU_VERSION, 8 } };

	memcpy(&p.payload, &features, 8);
	for (size_t len = 1; len < 20; len++) {
		MUST(negotiate());
		MUST(send_raw(&p, len, &t.kick, len % 2));
	}
	MUST(negotiate());
	for (size_t i = 0; i < 20; i++)
		MUST(send_raw((char *)&p + i, 1, NULL, 0));
	MUST(set_u64(VHU_SET_FEATURES, FEATURES) == 0);
	return serves();
}

static bool
sends_the_wrong_fds(void)
{
	const int many[16] = { t.kick, t.kick, t.kick, t.kick, t.kick, t.kick,
		t.kick, t.kick, t.kick, t.kick, t.kick, t.kick, t.kick, t.kick,
		t.kick, t.kick };
	const int disk = open(t.disk, O_RDONLY), null = open("/dev/null", O_RDWR);
	const uint64_t zero = 0, none = VHU_VRING_NO_FD;
	const struct vhu_region all = { 0, RAM, UVA, 0 };

	for (unsigned int n = 0; n <= 16; n++) {
		if (n == 1)
			continue;
		MUST(negotiate());
		REFUSED(set(VHU_SET_VRING_KICK, &zero, 8, many, n));
		MUST(negotiate());
		REFUSED(set(VHU_SET_VRING_CALL, &none, 8, many, n > 0 ? n : 3));
	}
	MUST(negotiate() && set_memory() && prepare_ring(0));
	REFUSED(set_fd(VHU_SET_VRING_KICK, 0, disk));
	MUST(negotiate() && set_memory() && prepare_ring(0));
	REFUSED(set_fd(VHU_SET_VRING_KICK, 0, null));
	MUST(negotiate());
	REFUSED(set_fd(VHU_SET_VRING_CALL, 0, t.conn));
	MUST(negotiate());
	REFUSED(set_table(1, &all, &null));
	MUST(negotiate());
	REFUSED(set_table(1, &all, &t.kick));
	MUST(negotiate());
	REFUSED(set_table(1, &all, &disk));	/* smaller than it says, read only */
	MUST(negotiate());
	REFUSED(set_fd(VHU_SET_BACKEND_REQ_FD, 0, t.kick));
	close(disk);
	close(null);
	return serves();
}

static bool
lies_about_memory(void)
{
	static const struct vhu_region one[] = {
		{ 0, 0, UVA, 0 }, { 0, RAM + 4096, UVA, 0 },
		{ 0, RAM, UVA, 4096 }, { 0, 4096, UVA, UINT64_MAX - 4095 },
		{ 1, 4096, UVA, 0 }, { 0, 4095, UVA, 0 }, { 0, 4096, UVA, 1 },
		{ UINT64_MAX - 4095, 8192, UVA, 0 },
		{ 0, 8192, UINT64_MAX - 4095, 0 },
		{ 0, UINT64_MAX, UVA, 0 }, { 0, 1ull << 63, UVA, 0 },
	};
	static const struct vhu_region two[][2] = {
		{ { 0, 8192, UVA, 0 }, { 4096, 8192, UVA + RAM, 8192 } },
		{ { 0, 8192, UVA, 0 }, { 1 << 20, 8192, UVA + 4096, 8192 } },
	};
	const int fds[2] = { t.ram_fd, t.ram_fd };

	for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++) {
		MUST(negotiate());
		REFUSED(set_table(1, &one[i], &t.ram_fd));
	}
	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++) {
		MUST(negotiate());
		REFUSED(set_table(2, two[i], fds));
	}
	for (uint64_t size = RAM / 4096 / 8; size != 0; size <<= 4) {
		const uint64_t log[2] = { size << 8, 0 }, far[2] = { 512, 4096 };

		MUST(negotiate());
		REFUSED(set(VHU_SET_LOG_BASE, log, 16, &t.log_fd, 1));
		MUST(negotiate());
		REFUSED(set(VHU_SET_LOG_BASE, far, 16, &t.log_fd, 1));
		if (size >= 1ull << 50)
			break;
	}
	return serves();
}

static bool
lies_about_rings(void)
{
	static const uint32_t nums[] = { 0, 3, 65, 2048, 65536, UINT32_MAX };
	static const uint64_t addrs[] = { 0, UVA - 16, UVA + RAM, UVA + RAM - 16,
		UVA + 1, UINT64_MAX, UINT64_MAX - 15 };
	static const uint32_t indices[] = { 2, 63, 64, 255, 256, UINT32_MAX };

	for (size_t i = 0; i < sizeof(nums) / sizeof(nums[0]); i++) {
		MUST(negotiate() && set_memory() && prepare_ring(0));
		if (set_vring(VHU_SET_VRING_NUM, 0, nums[i]) == 0)
			REFUSED(set_fd(VHU_SET_VRING_KICK, 0, t.kick));
	}
	for (size_t i = 0; i < 3 * sizeof(addrs) / sizeof(addrs[0]); i++) {
		uint64_t a[3] = { UVA + t.q.desc, UVA + t.q.avail, UVA + t.q.used };

		a[i % 3] = addrs[i / 3];
		MUST(negotiate() && set_memory() && prepare_ring(0));
		MUST(set_addr(0, a[0], a[1], a[2]) == 0);
		REFUSED(set_fd(VHU_SET_VRING_KICK, 0, t.kick));
	}
	for (size_t i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
		static const uint32_t requests[] = { VHU_SET_VRING_NUM,
			VHU_SET_VRING_BASE, VHU_GET_VRING_BASE,
			VHU_SET_VRING_ENABLE };

		for (size_t r = 0; r < 4; r++) {
			MUST(negotiate());
			REFUSED(set_vring(requests[r], indices[i], 1));
		}
		MUST(negotiate());
		REFUSED(set_addr(indices[i], UVA, UVA, UVA));
		MUST(negotiate());
		REFUSED(set_fd(VHU_SET_VRING_KICK, indices[i], t.kick));
	}
	MUST(negotiate() && set_memory() && prepare_ring(70000));
	REFUSED(set_fd(VHU_SET_VRING_KICK, 0, t.kick));
	/* While it runs, what it is made of stays. */
	MUST(all_up());
	REFUSED(set_vring(VHU_SET_VRING_NUM, 0, 32));
	REFUSED(set_vring(VHU_SET_VRING_BASE, 0, 1));
	REFUSED(set_addr(0, UVA, UVA, UVA));
	REFUSED(set_u64(VHU_SET_FEATURES, 1ull << VIRTIO_F_VERSION_1));
	REFUSED(set_u64(VHU_SET_FEATURES, UINT64_MAX));
	MUST(request(0, 0, 512) == 0);
	return serves();
}

static bool
takes_memory_away(void)
{
	const struct vhu_region elsewhere = { 0, RING, UVA, 0 };
	const uint64_t one = 1;

	/* The ring is gone: it is broken, and nothing is touched. */
	MUST(all_up());
	MUST(set_table(1, &elsewhere, &t.ram_fd) == 0);
	MUST(write(t.kick, &one, sizeof(one)) == sizeof(one));
	MUST(await_request(100) == -1);
	/* A hang-up in the middle of requests. */
	for (int i = 0; i < 20; i++) {
		MUST(all_up());
		queue_request(1, 0, 0x40000);
	}
	return serves();
}

static bool
does_not_read(void)
{
	/* Answers pile up until the socket is full: the connection goes. */
	MUST(negotiate());
	for (int i = 0; i < 1000000; i++)
		if (!post(VHU_GET_FEATURES, 0, NULL, 0, NULL, 0))
			return serves();
	printf("# a million requests without an answer taken\n");
	return false;
}

/* ---- the end ------------------------------------------------------------------ */

static bool
ends(void)
{
	int status;

	MUST(serves());
	MUST(kill(t.pid, SIGTERM) == 0);
	MUST(waitpid(t.pid, &status, 0) == t.pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return true;
}

int
main(int argc, char **argv)
{
	const char *build = getenv("BUILD");
	char program[256], disk[128];
	bool started;

	(void)argc;
	(void)argv;
	snprintf(program, sizeof(program), "%s/bulkhead-vhost-user-blk",
	    build != NULL ? build : "build");
	alarm(250);
	started = front_set_up(DISK);
	snprintf(disk, sizeof(disk), "--blk-file=%s", t.disk);
	if (!started || !front_start(program, disk, "--num-queues=2", NULL)) {
		printf("Bail out! cannot start %s\n", program);
		return 1;
	}
	result(reads_and_writes(), "reads and writes");
	result(tells_its_configuration(), "configuration space, queues, memory slots");
	result(stops_and_goes_on(), "a ring stops where it stands, and goes on");
	result(moves_its_state(), "the device's state, saved and loaded");
	result(has_a_status(), "device status; a broken ring is told");
	result(polls(), "a ring without kicks, a ring enabled early");
	result(refuses_what_it_has_not(), "requests of features that are not there");
	result(comes_back(), "fifty front ends, one after the other");
	result(logs_dirty_pages(), "dirty pages are logged while it is asked for");
	result(changes_memory(), "memory comes and goes under a running ring");
	result(lies_in_headers(), "every request number with impossible lengths");
	result(stops_within_a_message(), "a message cut at every byte, and sent by bytes");
	result(sends_the_wrong_fds(), "fds: too few, too many, of another kind");
	result(lies_about_memory(), "memory regions that cannot be");
	result(lies_about_rings(), "ring sizes, addresses, indices that cannot be");
	result(takes_memory_away(), "memory of a running ring taken away");
	result(does_not_read(), "a front end that takes no answers");
	result(ends(), "the same process to the end; SIGTERM ends it with 0");
	front_clean_up();
	printf("1..%u\n", number);
	return failures != 0;
}
