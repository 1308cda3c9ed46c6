// SPDX-License-Identifier: Apache-2.0
//
// A vhost-user-blk front end that measures: a split ring of 1024 with event index,
// one memfd, requests of one size kept at one depth, and nothing else. The same
// one drives every back end that block.sh compares. No part of the product.
//
//	blk-client --mkimage FILE MIB		each 4 KiB block tells its own number
//	blk-client --socket S [--op randread|randwrite] [--bs BYTES] [--qd N]
//		[--secs S | --count N] [--cpu N] [--poll] [--verify] [--no-stop]
// prints "IOPS MB/s requests seconds-of-own-CPU-time", and fails where a status or, with --verify, a block is wrong.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vhu_client.h"

#define RING 1024u
#define BLOCK 4096u
#define HEADERS 0x10000u	/* behind the rings: 32 bytes a slot */
#define DATA 0x100000u

/* What the wire calls them. */
enum { GET_FEATURES = 1, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE,
	SET_VRING_KICK, SET_VRING_CALL, GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 18, GET_CONFIG = 24 };

#define F_FLUSH (1ull << 9)
#define F_EVENT_IDX (1ull << 29)
#define F_PROTOCOL (1ull << 30)
#define F_VERSION_1 (1ull << 32)
#define PF_CONFIG (1ull << 9)

struct desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct avail { uint16_t flags, idx, ring[RING], used_event; };
struct used { uint16_t flags, idx; struct { uint32_t id, len; } ring[RING];
	uint16_t avail_event; };

static uint8_t *ram;
static struct desc *descs;
static struct avail *avail;
static struct used *used;
static int kick, call;
static uint64_t disk_blocks, rng = 88172645463325252ull;
static uint16_t next_avail, next_used;

static struct {
	const char *socket;
	bool write, poll, verify, no_stop;
	unsigned int bs, qd, cpu;
	double secs;
	uint64_t count;
} opt = { .bs = BLOCK, .qd = 1, .cpu = ~0u, .secs = 1 };

static void
set_up(void)
{
	const uint64_t want = F_VERSION_1 | F_EVENT_IDX | F_PROTOCOL | F_FLUSH;
	size_t size = DATA + (size_t)opt.qd * opt.bs;
	struct { uint32_t n, pad; uint64_t gpa, size, uva, off; } table = { 1 };
	struct { uint32_t off, size, flags; uint64_t capacity; uint8_t rest[52]; }
	    __attribute__((packed)) config = { 0, 60, 0, 0, { 0 } };
	struct { uint32_t index, num; } state = { 0, RING };
	struct { uint32_t index, flags; uint64_t desc, used, avail, log; } addr;
	uint64_t features;
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	size = (size + 0x1fffff) & ~(size_t)0x1fffff;
	if (fd < 0 || ftruncate(fd, (off_t)size) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
		vhu_die("memfd");
	ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	    fd, 0);
	if (ram == MAP_FAILED)
		vhu_die("mmap");
	descs = (void *)ram;
	avail = (void *)(ram + 0x4000);
	used = (void *)(ram + 0x6000);
	kick = eventfd(0, EFD_CLOEXEC);
	call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	vhu_connect_to(opt.socket);
	features = vhu_ask_u64(GET_FEATURES);
	if ((features & F_PROTOCOL) == 0)
		vhu_die("no protocol features");
	if ((vhu_ask_u64(GET_PROTOCOL_FEATURES) & PF_CONFIG) == 0)
		vhu_die("no CONFIG");
	vhu_tell_u64(SET_PROTOCOL_FEATURES, PF_CONFIG, -1);
	vhu_tell(SET_OWNER, NULL, 0, -1);
	vhu_tell_u64(SET_FEATURES, features & want, -1);
	vhu_tell(GET_CONFIG, &config, 12 + 60, -1);
	vhu_get(&config, sizeof(config));
	disk_blocks = config.capacity / (BLOCK / 512);
	table.size = size;
	table.uva = (uintptr_t)ram;
	vhu_tell(SET_MEM_TABLE, &table, sizeof(table), fd);
	vhu_tell(SET_VRING_NUM, &state, sizeof(state), -1);
	state.num = 0;
	vhu_tell(SET_VRING_BASE, &state, sizeof(state), -1);
	memset(&addr, 0, sizeof(addr));
	addr.desc = (uintptr_t)descs;
	addr.avail = (uintptr_t)avail;
	addr.used = (uintptr_t)used;
	vhu_tell(SET_VRING_ADDR, &addr, sizeof(addr), -1);
	vhu_tell_u64(SET_VRING_CALL, 0, call);
	vhu_tell_u64(SET_VRING_KICK, 0, kick);
	state.num = 1;
	vhu_tell(SET_VRING_ENABLE, &state, sizeof(state), -1);
}

/* ---- requests ---- */

static uint64_t
stamp(uint64_t block, unsigned int at)
{
	return (block + 1) * 0x9e3779b97f4a7c15ull ^ at;
}

static void
put_stamps(uint8_t *p, uint64_t block)
{
	uint64_t a = stamp(block, 0), b = stamp(block, 1);

	memcpy(p, &a, 8);
	memcpy(p + BLOCK - 8, &b, 8);
}

static bool
has_stamps(const uint8_t *p, uint64_t block)
{
	uint64_t a, b;

	memcpy(&a, p, 8);
	memcpy(&b, p + BLOCK - 8, 8);
	return a == stamp(block, 0) && b == stamp(block, 1);
}

static uint64_t
next_random(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	return rng ^= rng << 17;
}

/* Slot i has descriptors 3i to 3i+2: made once, the header's sector changes. */
static void
make_slot(unsigned int i)
{
	uint16_t d = (uint16_t)(3 * i);

	descs[d] = (struct desc){ HEADERS + 32 * i, 16, 1, (uint16_t)(d + 1) };
	descs[d + 1] = (struct desc){ DATA + (uint64_t)i * opt.bs, opt.bs,
	    opt.write ? 1 : 3, (uint16_t)(d + 2) };
	descs[d + 2] = (struct desc){ HEADERS + 32 * i + 16, 1, 2, 0 };
}

static void
submit(unsigned int i)
{
	uint32_t per = opt.bs / BLOCK;
	uint64_t block = next_random() % (disk_blocks / per) * per;
	uint8_t *h = ram + HEADERS + 32 * i, *data = ram + DATA +
	    (size_t)i * opt.bs;
	uint32_t type = opt.write;
	uint64_t sector = block * (BLOCK / 512);

	memcpy(h, &type, 4);
	memcpy(h + 8, &sector, 8);
	h[16] = 0xff;
	if (opt.write)
		for (uint32_t b = 0; b < per; b++)
			put_stamps(data + (size_t)b * BLOCK, block + b);
	avail->ring[next_avail++ % RING] = (uint16_t)(3 * i);
}

static void
check(unsigned int i)
{
	const uint8_t *h = ram + HEADERS + 32 * i;
	uint64_t sector;

	errno = EIO;
	if (h[16] != 0)
		vhu_die("bad status");
	if (!opt.verify || opt.write)
		return;
	memcpy(&sector, h + 8, 8);
	for (uint32_t b = 0; b < opt.bs / BLOCK; b++)
		if (!has_stamps(ram + DATA + (size_t)i * opt.bs +
		    (size_t)b * BLOCK, sector / (BLOCK / 512) + b))
			vhu_die("wrong contents");
}

static void
publish(void)
{
	static uint16_t shown;
	const uint64_t one = 1;
	uint16_t event;

	if (shown == next_avail)
		return;
	__atomic_store_n(&avail->idx, next_avail, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = __atomic_load_n(&used->avail_event, __ATOMIC_RELAXED);
	if ((uint16_t)(next_avail - event - 1) < (uint16_t)(next_avail - shown) &&
	    write(kick, &one, sizeof(one)) < 0)
		vhu_die("kick");
	shown = next_avail;
}

static bool
something(void)
{
	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != next_used;
}

static void
await(void)
{
	struct pollfd p = { .fd = call, .events = POLLIN };
	uint64_t n;

	while (opt.poll && !something())
		__builtin_ia32_pause();
	if (opt.poll)
		return;
	/* Ask to be told of the next one, then look once more. */
	__atomic_store_n(&avail->used_event, next_used, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (!something()) {
		if (poll(&p, 1, 10000) == 0) {
			errno = ETIME;
			vhu_die("no completion");
		}
		if (read(call, &n, sizeof(n)) < 0 && errno != EAGAIN)
			vhu_die("call");
	}
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
run(void)
{
	uint64_t done = 0, given = 0, inflight = 0;
	double start = now(), end = start + opt.secs, t = start;
	struct timespec cpu0, cpu;
	bool more = true;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu0);
	for (unsigned int i = 0; i < opt.qd && (opt.count == 0 || given < opt.count);
	    i++, given++, inflight++)
		submit(i);
	publish();
	while (inflight > 0) {
		await();
		while (something()) {
			unsigned int i = used->ring[next_used % RING].id / 3;

			next_used++;
			check(i);
			done++;
			inflight--;
			if (opt.count != 0 ? given < opt.count : more) {
				submit(i);
				given++;
				inflight++;
			}
		}
		publish();
		if (opt.count == 0 && more)
			more = (t = now()) < end;
	}
	t = now();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("%.0f %.1f %llu %.6f\n", (double)done / (t - start),
	    (double)done * opt.bs / 1e6 / (t - start), (unsigned long long)done,
	    (double)(cpu.tv_sec - cpu0.tv_sec) +
	    (double)(cpu.tv_nsec - cpu0.tv_nsec) / 1e9);
}

/* Stop the ring: the back end has to have seen as many requests as we made. */
static void
stop(void)
{
	struct { uint32_t index, num; } state = { 0, 0 };

	vhu_tell(GET_VRING_BASE, &state, sizeof(state), -1);
	vhu_get(&state, sizeof(state));
	errno = EPROTO;
	if (state.num != next_avail)
		vhu_die("another index at the end");
	close(vhu_sock);
}

static int
make_image(const char *path, unsigned long mib)
{
	static uint8_t buf[BLOCK];
	FILE *f = fopen(path, "wb");

	if (f == NULL)
		vhu_die(path);
	for (uint64_t b = 0; b < mib * 256; b++) {
		for (unsigned int i = 0; i < BLOCK; i += 8)
			memcpy(buf + i, &b, 8);
		put_stamps(buf, b);
		if (fwrite(buf, BLOCK, 1, f) != 1)
			vhu_die(path);
	}
	return fclose(f) != 0;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--mkimage") == 0)
		return make_image(argv[2], strtoul(argv[3], NULL, 0));
	for (int i = 1; i < argc; i++) {
		const char *o = argv[i];

		if (strcmp(o, "--poll") == 0)
			opt.poll = true;
		else if (strcmp(o, "--verify") == 0)
			opt.verify = true;
		else if (strcmp(o, "--no-stop") == 0)
			opt.no_stop = true;
		else if (++i == argc)
			return 2;
		else if (strcmp(o, "--socket") == 0)
			opt.socket = argv[i];
		else if (strcmp(o, "--op") == 0)
			opt.write = strcmp(argv[i], "randwrite") == 0;
		else if (strcmp(o, "--bs") == 0)
			opt.bs = (unsigned int)strtoul(argv[i], NULL, 0);
		else if (strcmp(o, "--qd") == 0)
			opt.qd = (unsigned int)strtoul(argv[i], NULL, 0);
		else if (strcmp(o, "--cpu") == 0)
			opt.cpu = (unsigned int)strtoul(argv[i], NULL, 0);
		else if (strcmp(o, "--secs") == 0)
			opt.secs = strtod(argv[i], NULL);
		else if (strcmp(o, "--count") == 0)
			opt.count = strtoul(argv[i], NULL, 0);
		else
			return 2;
	}
	if (opt.socket == NULL || opt.qd == 0 || 3 * opt.qd > RING ||
	    opt.bs == 0 || opt.bs % BLOCK != 0)
		return 2;
	if (opt.cpu != ~0u) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(opt.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) != 0)
			vhu_die("--cpu");
	}
	set_up();
	for (unsigned int i = 0; i < opt.qd; i++)
		make_slot(i);
	run();
	if (!opt.no_stop)
		stop();
	return 0;
}
