/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel, firmware or initramfs file as the loader reads it, and the report of
 * why it cannot be loaded. The file is foreign: its size was told by the
 * controller, and each read may come back short. Called by the image parsers;
 * knows nothing of formats.
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_IMAGE_H
#define BULKHEAD_CONTROLLER_LOADER_IMAGE_H

#include <stdint.h>

#include "ipc/gmem.h"

struct image {
	int fd;
	uint64_t size;		/* bytes */
	const char *what;	/* "kernel", for the report */
};

#define LOAD_REPORT_MAX 240u

/* Text for the user's line, put together without stdio (the jail is closed). */
struct load_report {
	char text[LOAD_REPORT_MAX];
	uint32_t len;
};

/* Start a text with @what, ": " and @text; returns -@error for the caller. */
int load_fail(struct load_report *report, int error, const char *what,
    const char *text);
/* Go on with it; what does not fit is cut. */
void load_say(struct load_report *report, const char *text);
void load_say_hex(struct load_report *report, uint64_t n);
/* "52 MiB", rounded up; below 1 MiB in KiB. */
void load_say_size(struct load_report *report, uint64_t bytes);

/*
 * Copy @len bytes at @offset of the file to @dst. A range outside of the file,
 * or a short read, is "truncated". 0 or -errno with a report.
 */
int image_read(const struct image *img, uint64_t offset, void *dst,
    uint64_t len, struct load_report *report);

/*
 * The same to guest memory at @addr, across regions that touch. The caller has
 * checked by memmap_is_ram() that it is there; if not: -EFAULT.
 */
int image_read_guest(const struct image *img, uint64_t offset,
    struct gmem *mem, uint64_t addr, uint64_t len, struct load_report *report);

#endif
