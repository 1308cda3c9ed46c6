/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader's job without its process: guest memory filled so that a vCPU can
 * start. Called by main.c, the unit tests and the fuzz targets. Everything in
 * the files is foreign; nothing here allocates.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_LOAD_H
#define BULKHEAD_CONTROLLER_LOADER_LOAD_H

#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "controller/loader/image.h"
#include "controller/loader/memmap.h"
#include "ipc/gmem.h"

/* What the parsers of kernels share. */
struct load {
	struct gmem *mem;
	const Bh__LoadConfig *config;
	struct memmap map;
	struct image kernel;
	struct image initramfs;		/* size 0: none */
	struct load_report *report;

	/* Filled in while loading. */
	uint64_t kernel_end;		/* first byte the kernel leaves alone */
	uint64_t initramfs_addr;
};

struct boot {
	Bh__BootProtocol protocol;
	uint64_t entry;			/* guest-physical */
	uint64_t param;			/* guest-physical */
};

/*
 * Load the kernel at @kernel_fd and the initramfs at @initramfs_fd (sizes and
 * whether there is one are in @config) into @mem, with command line, memory map,
 * ACPI and SMBIOS tables. RAM must be fresh (zero): what a kernel wants zeroed
 * is not written. 0, or -errno with the user's text in @report: ENOEXEC, ENOMEM,
 * those of pread.
 */
int load_guest(struct gmem *mem, const Bh__LoadConfig *config, int kernel_fd,
    int initramfs_fd, struct boot *boot, struct load_report *report);

/*
 * For the parsers: put the initramfs as high as it fits in low RAM, its last
 * byte at or below @max, above kernel_end. Sets initramfs_addr.
 */
int load_initramfs(struct load *ld, uint64_t max);

/* For the parsers: put the command line, of at most @max bytes without its NUL. */
int load_cmdline(struct load *ld, uint64_t max);

#endif
