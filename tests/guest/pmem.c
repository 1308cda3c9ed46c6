/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-pmem: memory behind RAM is what is in the file, what is written there is
 * in it after a flush, and what lies around it is no memory. With "again" what an
 * earlier guest wrote is there; "ms=" flushes go on for so long.
 */
#include "lib/virtio.h"

#define WINDOW 0x30000000u	/* where it is mapped; no RAM of these guests is there */
#define MIB2 0x200000u

/* Identity for 4 GiB, but 2 MiB at WINDOW, which are at @gpa (long mode, as highmem.c). */
static volatile uint8_t *map_high(uint64_t gpa)
{
	static uint64_t *pd, *pml4;

	if (!pml4) {
		uint64_t *pdpt = alloc(PAGE, PAGE);

		pml4 = alloc(PAGE, PAGE);
		pd = alloc(4 * PAGE, PAGE);
		for (uint32_t i = 0; i < 2048; i++)
			pd[i] = (uint64_t)i * MIB2 | 0x83;
		for (uint32_t i = 0; i < 4; i++)
			pdpt[i] = (uintptr_t)(pd + i * 512) | 3;
		pml4[0] = (uintptr_t)pdpt | 3;
		wrmsr(0xc0000080, rdmsr(0xc0000080) | 0x100);	/* EFER.LME */
	}
	pd[WINDOW / MIB2] = gpa | 0x83;
	__asm__ volatile(
	    "movl %%cr4, %%eax\n\torl $0x20, %%eax\n\tmovl %%eax, %%cr4\n\t"
	    "movl %0, %%cr3\n\t"
	    "movl %%cr0, %%eax\n\torl $0x80000000, %%eax\n\tmovl %%eax, %%cr0"
	    : : "r"(pml4) : "eax", "memory");
	return (volatile uint8_t *)(uintptr_t)WINDOW;
}

static int flush(struct vq *q, uint32_t *io)
{
	struct buf v[2] = { BUF_OUT(&io[0], 4), BUF_IN(&io[1], 4) };

	io[0] = 0;
	io[1] = 99;
	return vq_do(q, v, 2, false) == 4 ? (int)io[1] : -1;
}

static void use(struct vdev *d, const char *name, uint64_t features)
{
	static struct vq q;
	uint32_t *io = alloc(PAGE, 16);
	uint64_t start, size;
	volatile uint8_t *m;

	begin(name);
	check(virtio_negotiate(d, features));
	check(vq_setup(&q, d, 0, 0));
	virtio_driver_ok(d);
	start = read32(d->config) | (uint64_t)read32(d->config + 4) << 32;
	size = read32(d->config + 8) | (uint64_t)read32(d->config + 12) << 32;
	check_eq(size, cmdline_num("size", 0));
	check(start >= 0x100000000ull && start % MIB2 == 0);
	m = map_high(start);
	check(memcmp((const void *)m, "from the host", 13) == 0);
	m[0x1000] = (uint8_t)name[0];
	memcpy((void *)(m + 0x2000), "from the guest", 14);
	check_eq(flush(&q, io), 0);
	m = map_high(start + size - MIB2);
	memcpy((void *)(m + MIB2 - 3), "end", 3);
	check_eq(flush(&q, io), 0);
	if (!cmdline_has("again"))
		check(m[MIB2 - 4] == 0);
	end();
	if (!cmdline_num("ms", 0))
		return;
	begin("flushes");
	print("flushing\n");
	for (uint32_t i = 0, from = now_ms(); now_ms() - from < cmdline_num("ms", 0); i++) {
		m[i % MIB2] = (uint8_t)i;
		check_eq(flush(&q, io), 0);
	}
	end();
}

void guest_main(void)
{
	struct vdev d;

	if (!virtio_find(&d, VIRTIO_PMEM, 0)) {
		begin("pmem");
		fail("none found");
		end();
		return;
	}
	use(&d, "split", 0);
	if (virtio_offered(&d) & F_PACKED)
		use(&d, "packed", F_PACKED | F_EVENT_IDX);
}
