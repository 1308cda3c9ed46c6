/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record N BATCH RECORD PACKED: N requests of three descriptors through a virtqueue,
 * BATCH at a time, with (1) or without (0) the record of what is in flight. For
 * record.sh, which counts its instructions.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device-workers/lib/record.h"
#include "device-workers/lib/virtq.h"
#include "tests/native/drvq.h"

#define RAM (4u << 20)
#define SIZE 128
#define MOST 64

static struct virtq vq;
static struct gmem mem;
static struct drvq q;
static struct virtq_chain chain[MOST];
static struct record_taken trail[RECORD_TRAIL];
static _Alignas(64) uint8_t region[RECORD_QUEUE_SIZE];
static uint32_t mark;

static uint8_t *start(uint64_t features, int record)
{
	int fd = memfd_create("ram", MFD_ALLOW_SEALING);
	struct virtq_layout layout = { .size = SIZE };
	uint8_t *ram;

	if (fd < 0 || ftruncate(fd, RAM) < 0 || gmem_init(&mem, 16 * RAM) < 0 ||
	    gmem_add(&mem, 0, 0, RAM, fd, 0, false) < 0)
		exit(1);
	ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	drvq_init(&q, ram, 4096, SIZE, features);
	layout.desc = q.desc;
	layout.avail = q.avail;
	layout.used = q.used;
	virtq_disable(&vq);
	if (virtq_enable(&vq, &mem, &layout, features, -1) < 0 ||
	    (record && virtq_track(&vq, region) < 0))
		exit(1);
	vq.mark = record ? &mark : NULL;
	vq.trail = trail;
	return ram;
}

int main(int argc, char **argv)
{
	const struct drvq_buf bufs[] = { { RAM / 2, 16, false },
		{ RAM / 2 + 4096, 4096, true }, { RAM / 2 + 8192, 1, true } };
	int n, batch, k;
	uint64_t cookie;
	uint32_t len;

	if (argc != 5)
		return 2;
	n = atoi(argv[1]);
	batch = atoi(argv[2]);
	start(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_EVENT_IDX |
	    (uint64_t)atoi(argv[4]) << VIRTIO_F_RING_PACKED, atoi(argv[3]));
	for (; n > 0; n -= batch) {
		for (k = 0; k < batch; k++)
			drvq_add(&q, bufs, 3, 0, (uint64_t)k);
		drvq_publish(&q);
		for (k = 0; k < batch; k++)
			if (virtq_pop(&vq, &chain[k]) != 1)
				return 1;
		for (k = 0; k < batch; k++)
			virtq_push(&vq, &chain[k], 4097);
		virtq_flush(&vq);
		mark = 0;
		for (k = 0; k < batch; k++)
			if (!drvq_get(&q, &cookie, &len))
				return 1;
	}
	return 0;
}
