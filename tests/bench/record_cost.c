// SPDX-License-Identifier: Apache-2.0
//
// What it costs to write down what is in flight, for callgrind (recovery.sh):
//	record-cost none|region|all split|packed BATCH COUNT
// takes COUNT requests of three descriptors from a ring, BATCH at a time, and
// answers them: with nothing written, with the in-flight region, and with the mark
// and the trail of requests too, as a worker does. serve() is what counts.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device-workers/lib/virtq.h"
#include "proto/limits.h"
#include "tests/native/drvq.h"

#define RAM (4u << 20)
#define RING 256u

static struct virtq vq;
static struct drvq drv;
static struct virtq_chain chain[RING];

static __attribute__((noinline)) unsigned int
serve(void)
{
	unsigned int n = 0;

	while (n < RING && virtq_pop(&vq, &chain[n]) == 1) {
		virtq_note_type(&vq, 1);
		virtq_push(&vq, &chain[n], 1);
		n++;
	}
	virtq_flush(&vq);
	if (vq.mark != NULL)
		*vq.mark = 0;
	return n;
}

int
main(int argc, char **argv)
{
	const uint64_t features = 1ull << VIRTIO_F_VERSION_1 |
	    1ull << VIRTIO_F_EVENT_IDX | (argc > 2 && argv[2][0] == 'p' ?
	    1ull << VIRTIO_F_RING_PACKED : 0);
	const struct drvq_buf bufs[3] = { { 0x100000, 16, false },
	    { 0x200000, 4096, true }, { 0x300000, 1, true } };
	struct virtq_layout layout = { .size = RING };
	int fd = memfd_create("ram", 0), call = eventfd(0, EFD_NONBLOCK);
	unsigned long batch, count, done = 0;
	uint64_t cookie;
	struct gmem mem;
	struct record r = { .nqueues = 1 };
	uint32_t len;
	uint8_t *ram;

	if (argc != 5 || ftruncate(fd, RAM) != 0 || gmem_init(&mem, RAM) != 0 ||
	    gmem_add(&mem, 0, 0, RAM, fd, 0, false) != 0)
		return 2;
	batch = strtoul(argv[3], NULL, 10);
	count = strtoul(argv[4], NULL, 10);
	ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	r.base = mmap(NULL, RECORD_SIZE(1), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	drvq_init(&drv, ram, 0x10000, RING, features);
	layout.desc = drv.desc;
	layout.avail = drv.avail;
	layout.used = drv.used;
	if (virtq_enable(&vq, &mem, &layout, features, call) != 0)
		return 2;
	if (argv[1][0] != 'n' && virtq_track(&vq, record_region(&r, 0)) != 0)
		return 2;
	if (argv[1][0] == 'a') {
		vq.mark = &record_mark(&r, 0)->now;
		vq.trail = record_trail(&r, 0);
	}
	while (done < count) {
		for (unsigned long i = 0; i < batch; i++)
			(void)drvq_add(&drv, bufs, 3, 0, i);
		(void)drvq_publish(&drv);
		done += serve();
		while (drvq_get(&drv, &cookie, &len))
			continue;
	}
	printf("%lu\n", done);
	return drvq_errors != 0;
}
