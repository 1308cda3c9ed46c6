/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-vhost-user-blk is killed with -9 in the middle of traffic, again and
 * again, and a new one gets the in-flight region: each request is answered once, and
 * what was written is there. Split and packed rings. The ring's position is told
 * as QEMU tells it after a crash: the used index of a split ring, and of a packed
 * one what it was at the start.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/native/vhu_front.h"

#define DISK (1u << 20)
#define DATA 0x100000u
#define SLOTS 32u		/* requests at a time, each with its own blocks */
#define LEN 4096u

static struct slot {
	bool busy, writing;
	uint32_t generation;	/* what its blocks hold, once written */
	unsigned int answers;	/* of the request that is going on */
} slots[SLOTS];

static unsigned int number, failures, done;
static uint32_t seed = 1;
static int region_fd = -1;
static uint8_t inflight[24];	/* payload of the answer, as it came */
static char program[256], disk_arg[128];

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

/* ---- requests ------------------------------------------------------------------ */

static uint64_t
base_of(unsigned int i)
{
	return DATA + i * 0x10000ull;
}

static void
submit(unsigned int i)
{
	struct slot *s = &slots[i];
	const uint64_t at = base_of(i), sector = i * (LEN / 512);
	uint32_t type;

	s->writing = s->generation == 0 || rnd(2) == 0;
	s->busy = true;
	s->answers = 0;
	s->generation += s->writing;
	type = s->writing ? 1 : 0;
	for (uint32_t k = 0; k < LEN; k += 8) {
		const uint32_t word[2] = { s->writing ? s->generation : 0, i };

		memcpy(t.ram + at + 0x1000 + k, word, 8);
	}
	{
		const struct drvq_buf bufs[4] = {
			{ at, 16, false },
			{ at + 0x1000, LEN / 2, !s->writing },
			{ at + 0x1000 + LEN / 2, LEN / 2, !s->writing },
			{ at + 0x800, 1, true },
		};

		memset(t.ram + at, 0, 16);
		memcpy(t.ram + at, &type, 4);
		memcpy(t.ram + at + 8, &sector, 8);
		t.ram[at + 0x800] = 0xff;
		if (drvq_add(&t.q, bufs, 4, rnd(2) == 0 ? at + 0x400 : 0, i) < 0) {
			s->busy = false;
			s->generation -= s->writing;
		}
	}
}

static bool
collect(void)
{
	uint64_t i;
	uint32_t len;

	while (drvq_get(&t.q, &i, &len)) {
		struct slot *s;

		MUST(i < SLOTS);
		s = &slots[i];
		MUST(s->busy && ++s->answers == 1);
		MUST(t.ram[base_of((unsigned int)i) + 0x800] == 0);
		for (uint32_t k = 0; k < LEN && !s->writing; k += 8) {
			uint32_t word[2];

			memcpy(word, t.ram + base_of((unsigned int)i) + 0x1000 + k,
			    8);
			MUST(word[0] == s->generation && word[1] == i);
		}
		s->busy = false;
		done++;
	}
	MUST(drvq_errors == 0);
	return true;
}

static void
kick(void)
{
	const uint64_t one = 1;

	drvq_publish(&t.q);
	if (write(t.kick, &one, sizeof(one)) < 0)
		return;
}

/* Traffic until @more requests have been answered, and then some more queued. */
static bool
go_on(unsigned int more)
{
	const unsigned int until = done + more;
	unsigned int before, quiet = 0;

	for (;;) {
		struct pollfd p = { .fd = t.call, .events = POLLIN };
		unsigned int added = 0;
		uint64_t count;

		for (unsigned int i = 0; i < SLOTS; i++)
			if (!slots[i].busy && rnd(3) == 0) {
				submit(i);
				added++;
			}
		if (added > 0)
			kick();
		if (done >= until)
			return true;
		before = done;
		MUST(collect());
		if (done != before) {
			quiet = 0;
			continue;
		}
		MUST(++quiet < 500);
		if (poll(&p, 1, 10) == 1 && read(t.call, &count, 8) != 8)
			return false;
	}
}

/* ---- connections ----------------------------------------------------------------- */

/* The answer to GET_INFLIGHT_FD, and its fd. */
static bool
get_region(void)
{
	const uint8_t question[24] = { [16] = 1, [18] = QUEUE };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct packet p;
	struct iovec iov = { &p, 12 + 24 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };

	MUST(post(VHU_GET_INFLIGHT_FD, 0, question, 24, NULL, 0));
	MUST(recvmsg(t.conn, &m, MSG_WAITALL) == 36);
	MUST(p.header.request == VHU_GET_INFLIGHT_FD && p.header.size == 24);
	MUST(CMSG_FIRSTHDR(&m) != NULL);
	MUST(p.payload.inflight.mmap_size >= 64 * (t.q.packed ? 33 : 17));
	memcpy(&region_fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	memcpy(inflight, &p.payload, sizeof(inflight));
	return true;
}

static bool
resume(bool first)
{
	uint32_t base = 0;

	MUST(negotiate());
	if (first)
		MUST(get_region());
	MUST(set(VHU_SET_INFLIGHT_FD, inflight, 24, &region_fd, 1) == 0);
	MUST(set_memory());
	if (t.q.packed) {
		base = 0x80008000;
	} else if (!first) {
		uint16_t idx;

		memcpy(&idx, t.ram + t.q.used + 2, 2);
		base = idx;
	}
	MUST(start_ring(base));
	return true;
}

static bool
kill_it(void)
{
	MUST(kill(t.pid, SIGKILL) == 0 && waitpid(t.pid, NULL, 0) == t.pid);
	return front_start(program, disk_arg, NULL, NULL);
}

static bool
idle(void)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		if (slots[i].busy)
			return false;
	return true;
}

static bool
finish(void)
{
	for (int ms = 0; ms < WAIT_MS && !idle(); ms++) {
		usleep(1000);
		MUST(collect());
	}
	MUST(idle());
	return true;
}

static bool
killed_again_and_again(uint64_t features, unsigned int times)
{
	unsigned int caught = 0;

	t.more_features = features;
	memset(slots, 0, sizeof(slots));
	done = 0;
	drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES | features);
	MUST(resume(true));
	for (unsigned int i = 0; i < times; i++) {
		MUST(go_on(rnd(60)));
		MUST(kill_it());
		MUST(collect());
		caught += !idle();
		MUST(resume(false));
	}
	MUST(go_on(100));
	MUST(finish());
	close(region_fd);
	printf("# %u requests, %u of %u kills with some in flight\n", done, caught,
	    times);
	/* Or it was no test. */
	MUST(caught > times / 10 && done > times);
	return true;
}

/* Stopped and continued with the same region, as QEMU does for "stop". */
static bool
stopped_and_continued(void)
{
	const uint32_t index[2] = { 0, 0 };
	struct packet answer;

	t.more_features = 0;
	memset(slots, 0, sizeof(slots));
	drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES);
	MUST(resume(true));
	for (int i = 0; i < 20; i++) {
		MUST(go_on(50));
		MUST(ask(VHU_GET_VRING_BASE, index, 8, &answer));
		MUST(collect());
		MUST(set(VHU_SET_INFLIGHT_FD, inflight, 24, &region_fd, 1) == 0);
		MUST(start_ring(answer.payload.vring.num));
	}
	MUST(finish());
	/* A reset forgets it: the same region, and a new ring. */
	MUST(set(VHU_RESET_DEVICE, NULL, 0, NULL, 0) == 0);
	drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES);
	MUST(start_ring(0));
	MUST(go_on(50) && finish());
	close(region_fd);
	return true;
}

/* No region that a front end may send ends the process. */
static bool
lies_about_regions(void)
{
	static const struct {
		uint64_t size, offset;
		uint16_t queues, queue_size;
	} lies[] = {
		{ 0, 0, 1, 64 }, { 4096, 1, 1, 64 }, { 4096, 0, 0, 64 },
		{ 4096, 0, 2, 64 }, { 4096, 0, 1, 0 }, { 4096, 0, 1, 1025 },
		{ 4096, 0, 65535, 65535 }, { UINT64_MAX, UINT64_MAX & ~4095ull, 1, 64 },
		{ 4096, 1ull << 62, 1, 64 }, { 64, 0, 1, 64 },
	};
	int file = memfd_create("region", MFD_CLOEXEC), small, rc;
	uint8_t noise[4096];

	t.more_features = 0;
	MUST(ftruncate(file, 8192) == 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		MUST(negotiate());
		MUST(set(VHU_SET_INFLIGHT_FD, &lies[i], 20, &file, 1) != 0);
		if (i == 0 || lies[i].size == 64 || lies[i].offset != 0)
			continue;
		MUST(negotiate());
		MUST(set(VHU_GET_INFLIGHT_FD, &lies[i], 20, NULL, 0) != 0);
	}
	small = memfd_create("small", MFD_CLOEXEC);
	MUST(ftruncate(small, 100) == 0 && negotiate());
	MUST(set(VHU_SET_INFLIGHT_FD, &lies[0], 20, &small, 1) != 0);
	MUST(negotiate());
	MUST(set(VHU_SET_INFLIGHT_FD, &lies[0], 20, &t.kick, 1) != 0);
	memset(inflight, 0, sizeof(inflight));
	inflight[1] = 0x10;
	inflight[16] = 1;
	inflight[18] = QUEUE;
	for (int i = 0; i < 300; i++) {
		const uint16_t version = 1, size = QUEUE;

		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (uint8_t)(rnd(3) == 0 ? rnd(256) : rnd(2));
		memset(noise, 0, 8);
		memcpy(noise + 8, &version, 2);
		memcpy(noise + 10, &size, 2);
		MUST(pwrite(file, noise, sizeof(noise), 0) == sizeof(noise));
		t.more_features = i % 2 ? 1ull << VIRTIO_F_RING_PACKED : 0;
		drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES | t.more_features);
		MUST(negotiate());
		rc = set(VHU_SET_INFLIGHT_FD, inflight, 24, &file, 1);
		MUST(rc == 0 && set_memory() && prepare_ring(0));
		(void)set_fd(VHU_SET_VRING_KICK, 0, t.kick);
		(void)set_vring(VHU_SET_VRING_ENABLE, 0, 1);
		kick();
		MUST(waitpid(t.pid, NULL, WNOHANG) == 0);
	}
	close(file);
	close(small);
	t.more_features = 0;
	drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES);
	memset(slots, 0, sizeof(slots));
	MUST(resume(true));
	MUST(go_on(50) && finish());
	return true;
}

static void
result(bool good, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %u - %s\n", good ? "" : "not ", number, name);
}

int
main(int argc, char **argv)
{
	const char *build = getenv("BUILD");
	unsigned int times = argc > 1 ? (unsigned int)atoi(argv[1]) : 25;

	snprintf(program, sizeof(program), "%s/bulkhead-vhost-user-blk",
	    build != NULL ? build : "build");
	alarm(250);
	if (!front_set_up(DISK)) {
		printf("Bail out! set-up\n");
		return 1;
	}
	snprintf(disk_arg, sizeof(disk_arg), "--blk-file=%s", t.disk);
	if (!front_start(program, disk_arg, NULL, NULL)) {
		printf("Bail out! cannot start %s\n", program);
		return 1;
	}
	result(killed_again_and_again(0, times), "split ring, killed with -9");
	result(killed_again_and_again(1ull << VIRTIO_F_RING_PACKED, times),
	    "packed ring, killed with -9");
	result(stopped_and_continued(), "a ring stops and goes on with its region");
	result(lies_about_regions(), "regions that lie");
	front_clean_up();
	printf("1..%u\n", number);
	return failures != 0;
}
