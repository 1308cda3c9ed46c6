/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shipped back-end programs for block, net, entropy and shares, and a driver that lies
 * in its rings and requests: descriptors outside of memory, loops, tables in
 * tables, the wrong direction, lengths of zero, headers split at every byte, unknown
 * types, requests past the end, a ring that changes while it is read, a thousand
 * resets. The device answers as the specification says or says DEVICE_NEEDS_RESET;
 * after a reset it works; its process lives and does not grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/native/vhu_requests.h"
#include "tests/native/private_kib.h"

#define NEEDS_RESET 0x40

#define F_NEXT 1u
#define F_WRITE 2u
#define F_INDIRECT 4u

static const struct device {
	const char *name, *arg;
	uint32_t ring;
	bool (*good)(void);
	bool (*lies)(void);
} *device;

static unsigned int number, failures;
static uint32_t seed = 7;

uint32_t
rnd(uint32_t n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

/* ---- requests ------------------------------------------------------------------- */

static void
kick(void)
{
	const uint64_t one = 1;

	if (write(t.kick, &one, sizeof(one)) < 0)
		return;
}

static int
status(void)
{
	struct packet answer;

	return ask(VHU_GET_STATUS, NULL, 0, &answer) ? (int)answer.payload.u64 : -1;
}

/* Queue it and wait: 1 and *len, or 0: the device wants a reset. */
int
run(const struct drvq_buf *bufs, unsigned int n, uint64_t table, uint32_t *len)
{
	uint64_t cookie;

	if (drvq_add(&t.q, bufs, n, table, 1) < 0)
		return -1;
	drvq_publish(&t.q);
	kick();
	for (int i = 0; i < 3000; i++) {
		struct pollfd p = { .fd = t.call, .events = POLLIN };
		uint64_t count;

		if (drvq_get(&t.q, &cookie, len))
			return 1;
		if ((status() & NEEDS_RESET) != 0)
			return 0;
		if (poll(&p, 1, 10) == 1 && read(t.call, &count, 8) != 8)
			return -1;
	}
	return -1;
}

bool
fresh(void)
{
	return all_up() && set_u64(VHU_SET_STATUS, 0x0f) == 0;
}

/* A driver's reset, on the same connection. */
bool
again(void)
{
	MUST(set(VHU_RESET_DEVICE, NULL, 0, NULL, 0) == 0);
	drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES | t.more_features);
	MUST(start_ring(t.q.packed ? 0x80008000 : 0));
	MUST(status() == 0);
	return device->good();
}

/* A tap in a network namespace of our own, made by the program. */
static bool
net_alone(void)
{
	return unshare(CLONE_NEWNET) == 0 ||
	    unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static char disk[128], share[128];	/* options */
static const struct device devices[] = {
	{ "blk", disk, 0, blk_good, lies_to_block },
	{ "rng", NULL, 0, rng_good, NULL },
	{ "fs", share, 1, fs_good, lies_to_fs },
	{ "net", "--tap=vhu0", 1, net_good, lies_to_net },	/* in a namespace */
};

/* ---- rings that lie --------------------------------------------------------------- */

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static void
put(uint64_t at, const struct desc *d, uint16_t id)
{
	/* Packed: id before flags. */
	const uint16_t third = t.q.packed ? id : d->flags;
	const uint16_t fourth = t.q.packed ? d->flags : d->next;

	memcpy(t.ram + at, &d->addr, 8);
	memcpy(t.ram + at + 8, &d->len, 4);
	memcpy(t.ram + at + 12, &third, 2);
	memcpy(t.ram + at + 14, &fourth, 2);
}

/* Make @n descriptors available by hand, on a ring that is new. */
static void
show(const struct desc *descs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct desc d = descs[i];

		d.flags |= t.q.packed ? 0x80 : 0;
		put(t.q.desc + 16ull * i, &d, 0);
	}
	if (!t.q.packed) {
		const uint16_t avail[3] = { 0, 1, 0 };

		memcpy(t.ram + t.q.avail, avail, sizeof(avail));
	}
	kick();
}

bool
breaks(void)
{
	for (int i = 0; i < 10000; i++) {
		int s = status();

		if (s < 0)
			return false;
		if ((s & NEEDS_RESET) != 0)
			return true;
		usleep(2000);
	}
	return false;
}

static const struct {
	const char *name;
	struct desc d[3];
	unsigned int n;
	struct desc table[2];
	bool split_only;
} lies[] = {
	{ "outside of memory", { { RAM, 16, 0, 0 } }, 1, { { 0 } }, false },
	{ "across its end", { { RAM - 8, 16, 0, 0 } }, 1, { { 0 } }, false },
	{ "wrapping", { { UINT64_MAX - 7, 16, 0, 0 } }, 1, { { 0 } }, false },
	{ "endless", { { DATA, 16, F_NEXT, 0 } }, 1, { { 0 } }, true },
	{ "a loop of two", { { DATA, 1, F_NEXT, 1 }, { DATA, 1, F_NEXT, 0 } }, 2,
	    { { 0 } }, true },
	{ "next beyond the ring", { { DATA, 16, F_NEXT, QUEUE } }, 1, { { 0 } },
	    true },
	{ "readable after writable", { { DATA, 16, F_WRITE | F_NEXT, 1 },
	    { DATA, 16, 0, 0 } }, 2, { { 0 } }, false },
	{ "table outside of memory", { { RAM, 16, F_INDIRECT, 0 } }, 1, { { 0 } },
	    false },
	{ "table of no length", { { TABLE, 0, F_INDIRECT, 0 } }, 1, { { 0 } },
	    false },
	{ "table of odd length", { { TABLE, 17, F_INDIRECT, 0 } }, 1, { { 0 } },
	    false },
	{ "table in a table", { { TABLE, 16, F_INDIRECT, 0 } }, 1,
	    { { TABLE, 16, F_INDIRECT, 0 } }, false },
	{ "table and next", { { TABLE, 16, F_INDIRECT | F_NEXT, 1 },
	    { DATA, 1, 0, 0 } }, 2, { { DATA, 16, 0, 0 } }, false },
	{ "loop in a table", { { TABLE, 16, F_INDIRECT, 0 } }, 1,
	    { { DATA, 1, F_NEXT, 0 } }, true },
	{ "next beyond a table", { { TABLE, 32, F_INDIRECT, 0 } }, 1,
	    { { DATA, 1, F_NEXT, 2 } }, true },
	{ "4 GiB in one", { { 0, 0xffffffff, 0, 0 } }, 1, { { 0 } }, false },
};

static bool
lies_in_rings(void)
{
	MUST(fresh());
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		if (lies[i].split_only && t.q.packed)
			continue;
		MUST(again());
		MUST(set(VHU_RESET_DEVICE, NULL, 0, NULL, 0) == 0);
		drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES | t.more_features);
		MUST(start_ring(t.q.packed ? 0x80008000 : 0));
		for (unsigned int k = 0; k < 2; k++)
			put(TABLE + 16ull * k, &lies[i].table[k], 0);
		show(lies[i].d, lies[i].n);
		if (!breaks()) {
			printf("# %s: not noticed\n", lies[i].name);
			return false;
		}
	}
	for (int i = 0; i < 3 && !t.q.packed; i++) {
		const struct desc d = { DATA, 16, 0, 0 };

		MUST(again());
		show(&d, 1);
		/* Heads and indices that cannot be. */
		t.ram[t.q.avail + (i == 0 ? 2u : 3u)] = i == 0 ? 2 : i == 1 ? 0x40 :
		    0xff;
		memcpy(t.ram + t.q.avail + 6, "\xff\xff", 2);
		kick();
		MUST(breaks());
	}
	/* Descriptors of length 0 are legal. */
	MUST(again());
	for (unsigned int i = 0; i < 3; i++) {
		const struct drvq_buf bufs[3] = { { DATA, 0, false },
			{ RAM + 4096, 0, false }, { DATA, 0, true } };
		uint32_t len;

		MUST(run(bufs, i + 1, 0, &len) >= 0);
		MUST(again());
	}
	return true;
}

/* Bytes of ring, table and request change while the device looks at them. */
static volatile bool scribble;

static void *
scribbler(void *arg)
{
	uint32_t x = 1;

	(void)arg;
	while (scribble) {
		static const uint32_t places[] = { RING, RING + 0x1000,
			RING + 0x2000, DATA, TABLE };

		x = x * 1103515245 + 12345;
		((volatile uint8_t *)t.ram)[places[x >> 16 & 3] +
		    (x >> 20) % 256] ^= (uint8_t)(x >> 8);
	}
	return NULL;
}

static bool
changes_while_read(void)
{
	pthread_t thread;

	MUST(fresh());
	for (int round = 0; round < 60; round++) {
		for (unsigned int i = 0; i < 16; i++) {
			const uint64_t at = DATA + i * 0x40ull;
			const struct drvq_buf bufs[] = { { at, 16, false },
				{ DATA + 0x1000, 512, true },
				{ at + 0x20, 1, true } };

			(void)drvq_add(&t.q, bufs, 3, i % 2 ? TABLE : 0, 1);
		}
		scribble = true;
		MUST(pthread_create(&thread, NULL, scribbler, NULL) == 0);
		drvq_publish(&t.q);
		for (int i = 0; i < 20 && status() >= 0; i++)
			kick();
		scribble = false;
		MUST(pthread_join(thread, NULL) == 0);
		MUST(waitpid(t.pid, NULL, WNOHANG) == 0);
		drvq_errors = 0;
		MUST(again());
	}
	return true;
}

/* ---- resets, memory ---------------------------------------------------------------- */

static bool
thousand_resets(void)
{
	const struct drvq_buf bufs[] = { { DATA, 16, false },
		{ DATA + 0x1000, 512, true }, { DATA + 0x800, 1, true } };
	const uint32_t index[2] = { t.ring, 0 };
	struct packet answer;

	MUST(fresh());
	for (int i = 0; i < 1000; i++) {
		for (uint32_t n = rnd(8); n > 0; n--)
			(void)drvq_add(&t.q, bufs, 3, 0, 1);
		drvq_publish(&t.q);
		kick();
		if (i % 3 == 0)
			MUST(ask(VHU_GET_VRING_BASE, index, 8, &answer));
		MUST(i % 3 == 1 ? set_u64(VHU_SET_STATUS, 0) == 0 :
		    set(VHU_RESET_DEVICE, NULL, 0, NULL, 0) == 0);
		drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES | t.more_features);
		if (i % 100 == 99)
			MUST(fresh());
		else
			MUST(start_ring(t.q.packed ? 0x80008000 : 0));
	}
	return again();
}

/* ---- all of it ------------------------------------------------------------------------ */

static void
result(bool good, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %u - %s, %s ring: %s\n", good ? "" : "not ", number,
	    device->name, t.more_features != 0 ? "packed" : "split", name);
}

static void
lie_to(void)
{
	long before, after;

	for (int packed = 0; packed < 2; packed++) {
		t.more_features = packed ? 1ull << VIRTIO_F_RING_PACKED : 0;
		result(fresh() && device->good(), "works");
		before = private_kib(t.pid);
		result(lies_in_rings(), "rings that lie");
		if (device->lies != NULL)
			result(device->lies(), "requests that lie");
		result(changes_while_read(), "bytes that change while they are read");
		result(thousand_resets(), "a thousand resets");
		after = private_kib(t.pid);
		printf("# %ld KiB private, %ld before\n", after, before);
		/* What a first request of each kind touches, and no more. */
		result(before > 0 && after <= before + 512, "memory is bounded");
	}
}

int
main(void)
{
	const char *build = getenv("BUILD");
	const size_t n = sizeof(devices) / sizeof(devices[0]);
	char program[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(280);
	if (!front_set_up(DISK)) {
		printf("Bail out! set-up\n");
		return 1;
	}
	snprintf(disk, sizeof(disk), "--blk-file=%s", t.disk);
	snprintf(share, sizeof(share), "--shared-dir=%s/share", t.dir);
	if (mkdir(strchr(share, '=') + 1, 0755) != 0)
		return 1;
	for (device = devices; device < devices + n; device++) {
		snprintf(program, sizeof(program), "%s/bulkhead-vhost-user-%s",
		    build != NULL ? build : "build", device->name);
		t.ring = device->ring;
		t.more_features = 0;
		if (device->good == net_good &&
		    (!net_alone() || access("/dev/net/tun", W_OK) != 0)) {
			printf("ok %u - net # SKIP cannot make a tap\n", ++number);
			continue;
		}
		if (!front_start(program, device->arg, NULL, NULL))
			break;
		lie_to();
		kill(t.pid, SIGTERM);
		waitpid(t.pid, NULL, 0);
		t.pid = 0;
	}
	(void)rmdir(strchr(share, '=') + 1);
	front_clean_up();
	printf("1..%u\n", number);
	return failures != 0;
}
