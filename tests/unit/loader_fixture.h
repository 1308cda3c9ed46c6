/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory on a memfd and foreign files on memfds, for the loader's tests.
 */
#ifndef BULKHEAD_TESTS_UNIT_LOADER_FIXTURE_H
#define BULKHEAD_TESTS_UNIT_LOADER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/x86_64/layout.h"
#include "controller/loader/load.h"

#define MIB (1024ull * 1024)

struct fixture {
	struct gmem mem;
	int ram;		/* memfd */
	int kernel;
	int initramfs;
	Bh__LoadConfig config;
	Bh__PciSegment segment, *segments[1];
	struct boot boot;
	struct load_report report;
};

static inline int
fixture_memfd(uint64_t size)
{
	int fd = memfd_create("loader-test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* @size bytes of RAM, with the hole below 4 GiB if it is that much. */
static inline void
fixture_init(struct fixture *f, uint64_t size)
{
	uint64_t low = size < LAYOUT_LOW_RAM_END ? size : LAYOUT_LOW_RAM_END;

	memset(f, 0, sizeof(*f));
	f->ram = fixture_memfd(size);
	f->kernel = fixture_memfd(0);
	f->initramfs = fixture_memfd(0);
	bh__load_config__init(&f->config);
	f->config.boot_vcpus = 1;
	f->config.max_vcpus = 1;
	bh__pci_segment__init(&f->segment);
	f->segment.mmio32_base = LAYOUT_MMIO32;
	f->segment.mmio32_size = LAYOUT_MMIO32_SIZE;
	f->segments[0] = &f->segment;
	f->config.n_segments = 1;
	f->config.segments = f->segments;
	assert_int_equal(gmem_init(&f->mem, size), 0);
	assert_int_equal(gmem_add(&f->mem, 0, 0, low, f->ram, 0, false), 0);
	if (size > low)
		assert_int_equal(gmem_add(&f->mem, 1, LAYOUT_RAM64, size - low,
		    f->ram, low, false), 0);
}

static inline void
fixture_fini(struct fixture *f)
{
	gmem_fini(&f->mem);
	close(f->ram);
	close(f->kernel);
	close(f->initramfs);
}

static inline void
fixture_kernel(struct fixture *f, const void *bytes, size_t len)
{
	assert_int_equal(ftruncate(f->kernel, 0), 0);
	assert_int_equal(pwrite(f->kernel, bytes, len, 0), (ssize_t)len);
	f->config.kernel_size = len;
}

static inline void
fixture_initramfs(struct fixture *f, uint64_t len)
{
	assert_int_equal(ftruncate(f->initramfs, (off_t)len), 0);
	if (len > 0) {
		assert_int_equal(pwrite(f->initramfs, "A", 1, 0), 1);
		assert_int_equal(pwrite(f->initramfs, "Z", 1,
		    (off_t)len - 1), 1);
	}
	f->config.has_initramfs = true;
	f->config.initramfs_size = len;
}

static inline int
fixture_load(struct fixture *f)
{
	return load_guest(&f->mem, &f->config, f->kernel, f->initramfs,
	    &f->boot, &f->report);
}

/* Loading fails, and the user's line has @words in it. */
#define assert_refused(f, words)					\
	do {								\
		assert_true(fixture_load(f) < 0);			\
		if (strstr((f)->report.text, (words)) == NULL)		\
			fail_msg("\"%s\" is not in \"%s\"", (words),	\
			    (f)->report.text);				\
	} while (0)

static inline uint64_t
fixture_read(struct fixture *f, uint64_t addr, size_t width)
{
	uint64_t n = 0;

	assert_int_equal(gmem_read(&f->mem, gpa(addr), &n, width), 0);
	return n;
}

#endif
