/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz target of the loader: the input is the kernel file, the whole of
 * load_guest() runs on a small guest. In a header, so that each kernel format
 * has a target and a corpus of its own.
 */
#ifndef BULKHEAD_TESTS_FUZZ_LOADER_FUZZ_H
#define BULKHEAD_TESTS_FUZZ_LOADER_FUZZ_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/x86_64/layout.h"
#include "controller/loader/load.h"

#define LOADER_FUZZ_RAM (32ull << 20)

static inline void
loader_fuzz(const uint8_t *data, size_t size)
{
	static struct gmem mem;
	static int kernel = -1, initramfs = -1;
	Bh__LoadConfig config = BH__LOAD_CONFIG__INIT;
	Bh__PciSegment segment = BH__PCI_SEGMENT__INIT, *segments[] = { &segment };
	struct load_report report = { .len = 0 };
	struct boot boot;
	static char cmdline[] = "console=hvc0";

	if (kernel < 0) {
		int ram = memfd_create("ram", 0);

		kernel = memfd_create("kernel", 0);
		initramfs = memfd_create("initramfs", 0);
		if (ftruncate(ram, LOADER_FUZZ_RAM) != 0 ||
		    ftruncate(initramfs, 65536) != 0 ||
		    gmem_init(&mem, LOADER_FUZZ_RAM) != 0 ||
		    gmem_add(&mem, 0, 0, LOADER_FUZZ_RAM / 2, ram, 0, false) != 0 ||
		    gmem_add(&mem, 1, LOADER_FUZZ_RAM / 2, LOADER_FUZZ_RAM / 2,
		    ram, LOADER_FUZZ_RAM / 2, false) != 0)
			abort();
	}
	if (ftruncate(kernel, (off_t)size) != 0 ||
	    pwrite(kernel, data, size, 0) != (ssize_t)size)
		abort();
	config.kernel_size = size;
	config.has_initramfs = true;
	config.initramfs_size = 65536;
	config.cmdline = cmdline;
	segment.mmio32_base = LAYOUT_MMIO32;
	segment.mmio32_size = LAYOUT_MMIO32_SIZE;
	config.n_segments = 1;
	config.segments = segments;
	config.boot_vcpus = config.max_vcpus = 1;
	if (load_guest(&mem, &config, kernel, initramfs, &boot, &report) < 0) {
		/* Nobody is refused without a word. */
		if (report.len == 0)
			abort();
	} else if (boot.entry > UINT32_MAX || gmem_span_read(&mem,
	    gpa(boot.entry), 1) == NULL) {
		abort();
	}
}

#endif
