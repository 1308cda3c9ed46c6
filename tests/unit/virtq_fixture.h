/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the rings share: memory of two regions that touch and a
 * read-only one, a queue, and the driver's side of it. One test a program.
 */
#ifndef BULKHEAD_TESTS_UNIT_VIRTQ_FIXTURE_H
#define BULKHEAD_TESTS_UNIT_VIRTQ_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "device-workers/lib/virtq.h"
#include "tests/native/drvq.h"

#define MIB (1ull << 20)
#define EDGE (2 * MIB)		/* two regions touch here */
#define TOP (4 * MIB)		/* nothing from here to HIGH */
#define HIGH 0x100000000ull	/* a read-only region of a page */
#define F_SPLIT (1ull << VIRTIO_F_VERSION_1)
#define F_PACKED (F_SPLIT | 1ull << VIRTIO_F_RING_PACKED)
#define F_EVENT (1ull << VIRTIO_F_EVENT_IDX)
#define F_INDIRECT (1ull << VIRTIO_F_INDIRECT_DESC)

static struct gmem mem;
static uint8_t *ram;		/* as the guest sees it, in one piece */
static int ram_fd, log_fd, call_fd;
static struct virtq vq;
static struct drvq drv;

static int
set_up(void **state)
{
	(void)state;
	ram_fd = memfd_create("ram", MFD_CLOEXEC);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(ram_fd >= 0 && log_fd >= 0 && call_fd >= 0);
	assert_int_equal(ftruncate(ram_fd, (off_t)TOP + 4096), 0);
	assert_int_equal(ftruncate(log_fd, 4096), 0);
	ram = mmap(NULL, TOP, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
	assert_true(ram != MAP_FAILED);
	assert_int_equal(gmem_init(&mem, TOP + 4096), 0);
	/* The second in the lower place: touching for the guest alone. */
	assert_int_equal(gmem_add(&mem, 1, EDGE, TOP - EDGE, ram_fd,
	    EDGE, false), 0);
	assert_int_equal(gmem_add(&mem, 0, 0, EDGE, ram_fd, 0, false), 0);
	assert_int_equal(gmem_add(&mem, 2, HIGH, 4096, ram_fd, TOP, true), 0);
	drvq_errors = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	virtq_disable(&vq);
	gmem_fini(&mem);
	munmap(ram, TOP);
	close(ram_fd);
	close(log_fd);
	close(call_fd);
	return 0;
}

static __attribute__((unused)) void
begin(uint16_t size, uint64_t features)
{
	struct virtq_layout layout = { .size = size };

	drvq_init(&drv, ram, 0x10000, size, features);
	layout.desc = drv.desc;
	layout.avail = drv.avail;
	layout.used = drv.used;
	assert_int_equal(virtq_enable(&vq, &mem, &layout, features, call_fd), 0);
}

static __attribute__((unused)) bool
called(void)
{
	uint64_t n;

	return read(call_fd, &n, sizeof(n)) == sizeof(n);
}

static __attribute__((unused)) uint64_t seed;

static __attribute__((unused)) uint32_t
rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

static __attribute__((unused)) struct virtq_chain chain;

#define NEXT 1u
#define WRITE 2u
#define INDIRECT 4u

/* Descriptor @i of the ring, by hand. */
static __attribute__((unused)) void
desc(unsigned int i, uint64_t addr, uint32_t len, uint32_t flags,
    uint32_t next_or_id)
{
	uint8_t *at = ram + drv.desc + 16 * i;
	uint16_t f = (uint16_t)flags, n = (uint16_t)next_or_id;

	memcpy(at, &addr, 8);
	memcpy(at + 8, &len, 4);
	if (vq.packed)
		f |= 0x80;
	memcpy(at + (vq.packed ? 14 : 12), &f, 2);
	memcpy(at + (vq.packed ? 12 : 14), &n, 2);
}

/* An entry of an indirect table. */
static __attribute__((unused)) void
entry(uint64_t table, unsigned int i, uint64_t addr, uint32_t len,
    uint32_t flags, uint32_t next)
{
	uint8_t *at = ram + table + 16 * i;
	uint16_t f = (uint16_t)flags, n = (uint16_t)next;

	memcpy(at, &addr, 8);
	memcpy(at + 8, &len, 4);
	memcpy(at + (vq.packed ? 14 : 12), &f, 2);
	memcpy(at + (vq.packed ? 12 : 14), &n, 2);
}

/* Split: heads 0 to @n - 1 are available. Packed: it is so already. */
static __attribute__((unused)) void
available(uint16_t n)
{
	if (vq.packed)
		return;
	for (uint16_t i = 0; i < n; i++)
		memcpy(ram + drv.avail + 4 + 2u * i, &i, 2);
	memcpy(ram + drv.avail + 2, &n, 2);
}

#define T 0x8000ull		/* an indirect table */

#endif
