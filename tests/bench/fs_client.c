// SPDX-License-Identifier: Apache-2.0
//
// A vhost-user-fs front end that measures: FUSE requests of one kind, as Linux's
// driver lays them out (an indirect table of header, arguments, header and answer),
// kept at one depth on a split ring with event index, and nothing else. The same one
// drives every back end that fs.sh compares. No part of the product.
//
//	fs-client --mkshare DIR
//	fs-client --socket S --op getattr|lookup|read|write|open|create
//		[--bs BYTES] [--qd N] [--secs S | --count N] [--cpu N] [--linger]
// prints "requests-a-second 0 requests seconds-of-own-CPU-time": what is counted is what
// the operation is called after; to open is to release, too, and to create is to
// release, remove and forget. Fails where an answer is wrong.
// --linger: stay until the reader of that line has gone.
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
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
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vhu_client.h"

#define RING 128u
#define QUEUES 2u		/* of high priority, and of requests */
#define FILES 256u		/* that are looked up */
#define BLOCKS 4096u		/* of 4 KiB, of the file that is read and written */
#define RINGS 0x10000u		/* bytes of each queue's */
#define SLOT 0x1000u		/* of a request's headers and arguments */
#define SLOTS 0x100000u
#define DATA 0x200000u

/* What the wire calls them. */
enum { GET_FEATURES = 1, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE,
	SET_VRING_KICK, SET_VRING_CALL, GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 18 };

#define F_INDIRECT (1ull << 28)
#define F_EVENT_IDX (1ull << 29)
#define F_PROTOCOL (1ull << 30)
#define F_VERSION_1 (1ull << 32)

struct desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct avail { uint16_t flags, idx, ring[RING], used_event; };
struct used { uint16_t flags, idx; struct { uint32_t id, len; } ring[RING];
	uint16_t avail_event; };

/* A request's place in memory. */
struct slot {
	struct desc table[6];
	_Alignas(64) struct fuse_in_header in;
	_Alignas(64) uint8_t arg[512];
	_Alignas(64) struct fuse_out_header out;
	_Alignas(64) uint8_t answer[512];
};
_Static_assert(sizeof(struct slot) <= SLOT, "it is as large");

static uint8_t *ram;
static struct desc *descs[QUEUES];
static struct avail *avails[QUEUES];
static struct used *useds[QUEUES];
static int kicks[QUEUES], calls[QUEUES];
static uint64_t unique, rng = 88172645463325252ull;
static uint16_t next_avail[QUEUES], next_used[QUEUES], shown[QUEUES];
static uint64_t nodes[FILES], file_node, file_fh;

enum op { GETATTR, LOOKUP, READ, WRITE, OPEN, CREATE, OPS };
static const char *const op_names[OPS] = { "getattr", "lookup", "read", "write",
	"open", "create" };

static struct {
	const char *socket;
	enum op op;
	unsigned int bs, qd, cpu;
	double secs;
	uint64_t count;
	bool linger;
} opt = { .bs = 4096, .qd = 1, .cpu = ~0u, .secs = 1 };

static void
set_ring(unsigned int q)
{
	struct { uint32_t index, num; } state = { q, RING };
	struct { uint32_t index, flags; uint64_t desc, used, avail, log; } addr;
	uint8_t *at = ram + (size_t)q * RINGS;

	descs[q] = (void *)at;
	avails[q] = (void *)(at + 0x4000);
	useds[q] = (void *)(at + 0x6000);
	kicks[q] = eventfd(0, EFD_CLOEXEC);
	calls[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vhu_tell(SET_VRING_NUM, &state, sizeof(state), -1);
	state.num = 0;
	vhu_tell(SET_VRING_BASE, &state, sizeof(state), -1);
	memset(&addr, 0, sizeof(addr));
	addr.index = q;
	addr.desc = (uintptr_t)descs[q];
	addr.avail = (uintptr_t)avails[q];
	addr.used = (uintptr_t)useds[q];
	vhu_tell(SET_VRING_ADDR, &addr, sizeof(addr), -1);
	vhu_tell_u64(SET_VRING_CALL, q, calls[q]);
	vhu_tell_u64(SET_VRING_KICK, q, kicks[q]);
	state.num = 1;
	vhu_tell(SET_VRING_ENABLE, &state, sizeof(state), -1);
}

static void
set_up(void)
{
	const uint64_t want = F_VERSION_1 | F_EVENT_IDX | F_PROTOCOL | F_INDIRECT;
	size_t size = DATA + (size_t)RING * opt.bs;
	struct { uint32_t n, pad; uint64_t gpa, size, uva, off; } table = { .n = 1 };
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
	vhu_connect_to(opt.socket);
	features = vhu_ask_u64(GET_FEATURES);
	if ((features & want) != want)
		vhu_die("features");
	(void)vhu_ask_u64(GET_PROTOCOL_FEATURES);
	vhu_tell_u64(SET_PROTOCOL_FEATURES, 0, -1);
	vhu_tell(SET_OWNER, NULL, 0, -1);
	vhu_tell_u64(SET_FEATURES, want, -1);
	table.size = size;
	table.uva = (uintptr_t)ram;
	vhu_tell(SET_MEM_TABLE, &table, sizeof(table), fd);
	for (unsigned int q = 0; q < QUEUES; q++)
		set_ring(q);
}

/* ---- requests ---- */

static uint64_t
next_random(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	return rng ^= rng << 17;
}

static struct slot *
slot_of(unsigned int i)
{
	return (void *)(ram + SLOTS + (size_t)i * SLOT);
}

/*
 * Put one request on queue @q: the @in_data bytes of the slot's page go with it, or
 * @out_data bytes come into it.
 */
static void
put(unsigned int q, unsigned int i, uint32_t opcode, uint64_t node, size_t arg,
    size_t answer, uint32_t in_data, uint32_t out_data)
{
	struct slot *s = slot_of(i);
	const uint64_t at = SLOTS + (uint64_t)i * SLOT;
	const struct { uint64_t addr; size_t len; bool writable; } parts[] = {
		{ at + offsetof(struct slot, in), sizeof(s->in), false },
		{ at + offsetof(struct slot, arg), arg, false },
		{ DATA + (uint64_t)i * opt.bs, in_data, false },
		{ at + offsetof(struct slot, out), q == 0 ? 0 : sizeof(s->out), true },
		{ at + offsetof(struct slot, answer), answer, true },
		{ DATA + (uint64_t)i * opt.bs, out_data, true },
	};
	uint16_t n = 0;

	s->in = (struct fuse_in_header){
		.len = (uint32_t)(sizeof(s->in) + arg + in_data),
		.opcode = opcode, .unique = unique += 2, .nodeid = node,
	};
	for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++)
		if (parts[p].len > 0) {
			s->table[n] = (struct desc){ parts[p].addr,
			    (uint32_t)parts[p].len,
			    (uint16_t)(1 | (parts[p].writable ? 2 : 0)),
			    (uint16_t)(n + 1) };
			n++;
		}
	s->table[n - 1].flags &= 2;
	descs[q][i] = (struct desc){ at + offsetof(struct slot, table),
	    (uint32_t)(n * sizeof(struct desc)), 4, 0 };
	avails[q]->ring[next_avail[q]++ % RING] = (uint16_t)i;
}

static void
publish(unsigned int q)
{
	const uint64_t one = 1;
	uint16_t event;

	if (shown[q] == next_avail[q])
		return;
	__atomic_store_n(&avails[q]->idx, next_avail[q], __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = __atomic_load_n(&useds[q]->avail_event, __ATOMIC_RELAXED);
	if ((uint16_t)(next_avail[q] - event - 1) <
	    (uint16_t)(next_avail[q] - shown[q]) &&
	    write(kicks[q], &one, sizeof(one)) < 0)
		vhu_die("kick");
	shown[q] = next_avail[q];
}

static bool
something(unsigned int q)
{
	return __atomic_load_n(&useds[q]->idx, __ATOMIC_ACQUIRE) != next_used[q];
}

static unsigned int
await(unsigned int q)
{
	struct pollfd p = { .fd = calls[q], .events = POLLIN };
	uint64_t n;

	/* Ask to be told of the next one, then look once more. */
	__atomic_store_n(&avails[q]->used_event, next_used[q], __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (!something(q)) {
		if (poll(&p, 1, 60000) == 0) {
			errno = ETIME;
			vhu_die("no completion");
		}
		if (read(calls[q], &n, sizeof(n)) < 0 && errno != EAGAIN)
			vhu_die("call");
	}
	return useds[q]->ring[next_used[q]++ % RING].id;
}

/* One request, and its answer. */
static void *
request(unsigned int i, uint32_t opcode, uint64_t node, size_t arg, size_t answer)
{
	put(1, i, opcode, node, arg, answer, 0, 0);
	publish(1);
	if (await(1) != i || slot_of(i)->out.error != 0) {
		errno = -slot_of(i)->out.error;
		vhu_die("request");
	}
	return slot_of(i)->answer;
}

static size_t
name_arg(struct slot *s, size_t at, const char *format, unsigned int n)
{
	return at + 1 + (size_t)snprintf((char *)s->arg + at, 64, format, n);
}

static void
forget(unsigned int i, uint64_t node, uint64_t times)
{
	const struct fuse_forget_in in = { .nlookup = times };

	memcpy(slot_of(i)->arg, &in, sizeof(in));
	put(0, i, FUSE_FORGET, node, sizeof(in), 0, 0, 0);
	publish(0);
	(void)await(0);
}

static void
session(void)
{
	struct slot *s = slot_of(0);
	struct fuse_init_in init = { .major = 7, .minor = 36,
		.max_readahead = 0x20000, .flags = 0x0fffffff };
	struct fuse_open_in open_in = { .flags = O_RDWR };
	struct fuse_entry_out *e;

	memcpy(s->arg, &init, sizeof(init));
	request(0, FUSE_INIT, 0, sizeof(init), sizeof(struct fuse_init_out));
	for (unsigned int n = 0; n < FILES; n++) {
		e = request(0, FUSE_LOOKUP, 1, name_arg(s, 0, "file%u", n), sizeof(*e));
		nodes[n] = e->nodeid;
	}
	e = request(0, FUSE_LOOKUP, 1, name_arg(s, 0, "data%u", 0), sizeof(*e));
	file_node = e->nodeid;
	memcpy(s->arg, &open_in, sizeof(open_in));
	file_fh = ((struct fuse_open_out *)request(0, FUSE_OPEN, file_node,
	    sizeof(open_in), sizeof(struct fuse_open_out)))->fh;
}

/* Where slot @i is in its operation, and what it has made for that. */
static unsigned int stage[RING];
static uint64_t held_node[RING], held_fh[RING];

static void
start(unsigned int i)
{
	struct slot *s = slot_of(i);
	struct fuse_read_in io = { .fh = file_fh, .size = opt.bs,
		.offset = next_random() % (BLOCKS * 4096u / opt.bs) * opt.bs };
	struct fuse_write_in out = { .fh = file_fh, .size = opt.bs,
		.offset = io.offset };
	struct fuse_getattr_in attr = { 0 };
	struct fuse_open_in open_in = { .flags = O_RDONLY };
	struct fuse_create_in create = { .flags = O_RDWR, .mode = S_IFREG | 0644 };
	unsigned int n = (unsigned int)(next_random() % FILES);

	stage[i] = 0;
	switch (opt.op) {
	case GETATTR:
		memcpy(s->arg, &attr, sizeof(attr));
		put(1, i, FUSE_GETATTR, nodes[n], sizeof(attr),
		    sizeof(struct fuse_attr_out), 0, 0);
		break;
	case LOOKUP:
		put(1, i, FUSE_LOOKUP, 1, name_arg(s, 0, "file%u", n),
		    sizeof(struct fuse_entry_out), 0, 0);
		break;
	case READ:
		memcpy(s->arg, &io, sizeof(io));
		put(1, i, FUSE_READ, file_node, sizeof(io), 0, 0, opt.bs);
		break;
	case WRITE:
		memcpy(s->arg, &out, sizeof(out));
		put(1, i, FUSE_WRITE, file_node, sizeof(out),
		    sizeof(struct fuse_write_out), opt.bs, 0);
		break;
	case OPEN:
		held_node[i] = nodes[n];
		memcpy(s->arg, &open_in, sizeof(open_in));
		put(1, i, FUSE_OPEN, nodes[n], sizeof(open_in),
		    sizeof(struct fuse_open_out), 0, 0);
		break;
	case CREATE:
	case OPS:
		memcpy(s->arg, &create, sizeof(create));
		put(1, i, FUSE_CREATE, 1, name_arg(s, sizeof(create), "new%u", i),
		    sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out),
		    0, 0);
		break;
	}
}

/* The answer of slot @i is there: is its operation over, or what is next of it? */
static bool
go_on(unsigned int i)
{
	struct slot *s = slot_of(i);
	struct fuse_release_in release = { 0 };
	struct fuse_open_out o;

	if (s->out.error != 0 || s->out.unique != s->in.unique) {
		errno = -s->out.error;
		vhu_die("answer");
	}
	if (opt.op == LOOKUP || opt.op < OPEN)
		return true;
	if (stage[i]++ == 0) {
		memcpy(&o, s->answer + (opt.op == CREATE ?
		    sizeof(struct fuse_entry_out) : 0), sizeof(o));
		if (opt.op == CREATE)
			memcpy(&held_node[i], s->answer, sizeof(held_node[i]));
		release.fh = held_fh[i] = o.fh;
		memcpy(s->arg, &release, sizeof(release));
		put(1, i, FUSE_RELEASE, held_node[i], sizeof(release), 0, 0, 0);
		return false;
	}
	if (opt.op == OPEN)
		return true;
	if (stage[i] == 2) {
		put(1, i, FUSE_UNLINK, 1, name_arg(s, 0, "new%u", i), 0, 0, 0);
		return false;
	}
	forget(i, held_node[i], 1);
	return true;
}

static double
now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
run(void)
{
	double begin = now(CLOCK_MONOTONIC), own = now(CLOCK_PROCESS_CPUTIME_ID), end;
	uint64_t done = 0, under_way = 0;
	bool more = true;

	for (unsigned int i = 0; i < opt.qd; i++, under_way++)
		start(i);
	publish(1);
	while (under_way > 0) {
		unsigned int i = await(1);

		do {
			if (i >= opt.qd)
				vhu_die("a request that is none");
			if (!go_on(i))
				continue;
			done++;
			under_way--;
			if (more && opt.count > 0)
				more = done + under_way < opt.count;
			else if (more && done % 32 == 0)
				more = now(CLOCK_MONOTONIC) - begin < opt.secs;
			if (more) {
				start(i);
				under_way++;
			}
		} while (something(1) && ((i = useds[1]->ring[next_used[1]++ %
		    RING].id), true));
		publish(1);
	}
	end = now(CLOCK_MONOTONIC);
	printf("%.0f 0 %llu %.6f\n", (double)done / (end - begin),
	    (unsigned long long)done, now(CLOCK_PROCESS_CPUTIME_ID) - own);
}

static int
make_share(const char *dir)
{
	static char block[4096];
	char path[256];
	int fd;

	for (unsigned int n = 0; n < FILES; n++) {
		snprintf(path, sizeof(path), "%s/file%u", dir, n);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, block, sizeof(block)) < 0)
			vhu_die(path);
		close(fd);
	}
	snprintf(path, sizeof(path), "%s/data0", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	for (unsigned int n = 0; n < BLOCKS; n++)
		if (write(fd, block, sizeof(block)) < 0)
			vhu_die(path);
	return 0;
}

int
main(int argc, char **argv)
{
	cpu_set_t set;

	for (int i = 1; i < argc; i += 2) {
		const char *name = argv[i], *value = argv[i + 1];

		if (strcmp(name, "--linger") == 0) {
			opt.linger = true;
			i--;
			continue;
		}
		if (value == NULL)
			vhu_die(name);
		if (strcmp(name, "--mkshare") == 0)
			return make_share(value);
		if (strcmp(name, "--socket") == 0)
			opt.socket = value;
		else if (strcmp(name, "--bs") == 0)
			opt.bs = (unsigned int)atoi(value);
		else if (strcmp(name, "--qd") == 0)
			opt.qd = (unsigned int)atoi(value);
		else if (strcmp(name, "--cpu") == 0)
			opt.cpu = (unsigned int)atoi(value);
		else if (strcmp(name, "--secs") == 0)
			opt.secs = atof(value);
		else if (strcmp(name, "--count") == 0)
			opt.count = (uint64_t)atoll(value);
		else if (strcmp(name, "--op") == 0)
			for (opt.op = 0; opt.op < OPS &&
			    strcmp(value, op_names[opt.op]) != 0; opt.op++)
				;
	}
	if (opt.socket == NULL || opt.op == OPS || opt.qd == 0 || opt.qd > RING ||
	    opt.bs == 0 || BLOCKS * 4096u % opt.bs != 0)
		vhu_die("usage: see the source");
	CPU_ZERO(&set);
	if (opt.cpu != ~0u) {
		CPU_SET(opt.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) != 0)
			vhu_die("cpu");
	}
	set_up();
	session();
	run();
	fflush(stdout);
	if (opt.linger) {
		struct pollfd p = { .fd = 1 };

		(void)poll(&p, 1, 10000);
	}
	return 0;
}
