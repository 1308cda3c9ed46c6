/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings against any guest memory. Input: form, size, number of commands,
 * commands of 3 bytes, then memory from guest address 0 on. What comes out of
 * virtq_pop must lie in guest memory, and be what its sums say.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device-workers/lib/virtq.h"

#define PAGE 4096u
#define LOW_PAGES 4u		/* two regions that touch */
#define HIGH 0x100000000ull	/* and one of a page, read only */
#define AVAIL 0x100u
#define USED 0x180u
#define MAX_HELD 16u

static struct gmem mem;
static uint8_t *ram;
static struct virtq vq;
static struct virtq_chain held[MAX_HELD + 1];
static unsigned int nheld;
static int intact;		/* memory is as map_memory() makes it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int condition)
{
	if (!condition)
		abort();
}

static void
map_memory(void)
{
	static int fd = -1, log_fd = -1;

	if (fd < 0) {
		fd = memfd_create("ram", 0);
		log_fd = memfd_create("log", 0);
		require(ftruncate(fd, (LOW_PAGES + 1) * PAGE) == 0);
		require(ftruncate(log_fd, PAGE) == 0);
		ram = mmap(NULL, LOW_PAGES * PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
		require(ram != MAP_FAILED);
	}
	if (intact)
		return;
	intact = 1;
	gmem_fini(&mem);
	require(gmem_init(&mem, (LOW_PAGES + 1) * PAGE) == 0);
	require(gmem_add(&mem, 0, HIGH, PAGE, fd, LOW_PAGES * PAGE, true) == 0);
	require(gmem_add(&mem, 1, 2 * PAGE, 2 * PAGE, fd, 2 * PAGE,
	    false) == 0);
	require(gmem_add(&mem, 2, 0, 2 * PAGE, fd, 0, false) == 0);
	require(gmem_set_dirty_log(&mem, log_fd, PAGE) == 0);
}

static void
check_chain(const struct virtq_chain *c)
{
	uint64_t sum[2] = { 0, 0 };

	require(c->nread + c->nwrite <= (int)VIRTQ_MAX_SEGS);
	for (unsigned int i = 0; i < (unsigned int)c->nread + c->nwrite; i++) {
		int write = i >= c->nread;
		uint64_t len = c->iov[i].iov_len;
		const void *base = c->iov[i].iov_base;
		const volatile uint8_t *at = base;
		const void *span = write ?
		    gmem_span_write(&mem, gpa(c->addr[i]), len) :
		    gmem_span_read(&mem, gpa(c->addr[i]), len);

		require(len > 0 && span == base);
		(void)at[0];
		(void)at[len - 1];
		sum[write] += len;
	}
	require(sum[0] == c->read_len && sum[1] == c->write_len);
	require(sum[0] + sum[1] <= 1ull << 32);
}

static void
pop(void)
{
	bool was_broken = vq.broken;
	int rc;

	if (nheld == MAX_HELD)
		return;
	rc = virtq_pop(&vq, &held[nheld]);
	require(rc == 1 || rc == 0 || rc == -71);
	require(!was_broken || rc < 0);
	require((rc == -71) == vq.broken);
	if (rc == 1)
		check_chain(&held[nheld++]);
}

/* One of the held ones goes back: @how bit 7: to the driver, else untaken. */
static void
give_back(uint8_t which, uint8_t how)
{
	unsigned int i = nheld > 0 ? which % nheld : 0;

	if (nheld == 0)
		return;
	if ((how & 0x80) == 0) {
		virtq_unpop(&vq, &held[--nheld]);
		return;
	}
	virtq_push(&vq, &held[i], (uint32_t)how << (which & 24));
	memmove(&held[i], &held[i + 1], (nheld - i) * sizeof(held[0]));
	nheld--;
}

static void
command(const uint8_t *c)
{
	uint16_t avail, used;

	switch (c[0] % 8) {
	case 0:
	case 1:
		pop();
		return;
	case 2:
		give_back(c[1], c[2]);
		return;
	case 3:
		virtq_flush(&vq);
		return;
	case 4:
		(void)virtq_want_kicks(&vq);
		return;
	case 5:
		virtq_no_kicks(&vq);
		return;
	case 6:	/* the guest writes: often where the indices are */
		ram[c[0] & 8 ? c[1] : AVAIL + c[1] % 64] = c[2];
		return;
	default:
		if (c[1] == 0xff && c[2] == 0xff) {
			(void)gmem_remove(&mem, 2);
			intact = 0;
			virtq_memory_changed(&vq);
		} else if (vq.inflight == 0) {
			virtq_flush(&vq);
			virtq_save(&vq, &avail, &used);
			(void)virtq_load(&vq, avail, used);
		}
		return;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t one = 1;
	struct virtq_layout layout = { .desc = 0, .avail = AVAIL, .used = USED };
	uint64_t features = 0;
	size_t ncommands, n;

	if (size < 3)
		return 0;
	if (data[0] & 1)
		features |= one << VIRTIO_F_RING_PACKED;
	if (data[0] & 2)
		features |= one << VIRTIO_F_EVENT_IDX;
	if (data[0] & 4)
		features |= one << VIRTIO_F_INDIRECT_DESC;
	layout.size = data[1] % 17u;
	ncommands = data[2];
	data += 3;
	size -= 3;
	if (ncommands * 3 > size)
		ncommands = size / 3;
	map_memory();
	n = size - ncommands * 3;
	if (n > LOW_PAGES * PAGE)
		n = LOW_PAGES * PAGE;
	memcpy(ram, data + ncommands * 3, n);
	memset(ram + n, 0, LOW_PAGES * PAGE - n);
	nheld = 0;
	if (virtq_enable(&vq, &mem, &layout, features, -1) < 0)
		return 0;
	for (size_t i = 0; i < ncommands; i++) {
		command(data + 3 * i);
		require(vq.inflight == nheld && vq.inflight <= layout.size);
		require(vq.inflight_descs <= layout.size);
	}
	virtq_disable(&vq);
	return 0;
}
