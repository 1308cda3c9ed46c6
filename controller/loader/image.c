/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of foreign files under the jail, see image.h: pread64 alone, so that a
 * file position shared with somebody else does not matter.
 */
#include "controller/loader/image.h"

#include <errno.h>
#include <unistd.h>

#include "ipc/log.h"

/* Large enough for few calls, small enough to notice a region's end. */
#define CHUNK (4ull << 20)

void
load_say(struct load_report *report, const char *text)
{
	while (*text != '\0' && report->len < LOAD_REPORT_MAX - 1)
		report->text[report->len++] = *text++;
	report->text[report->len] = '\0';
}

static void
say_number(struct load_report *report, uint64_t n, unsigned int base)
{
	char digits[24];
	unsigned int at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n != 0);
	load_say(report, digits + at);
}

void
load_say_hex(struct load_report *report, uint64_t n)
{
	load_say(report, "0x");
	say_number(report, n, 16);
}

void
load_say_size(struct load_report *report, uint64_t bytes)
{
	unsigned int shift = bytes < (1u << 20) ? 10 : 20;

	say_number(report, (bytes >> shift) +
	    ((bytes & ((1ull << shift) - 1)) != 0), 10);
	load_say(report, shift == 10 ? " KiB" : " MiB");
}

int
load_fail(struct load_report *report, int error, const char *what,
    const char *text)
{
	report->len = 0;
	load_say(report, what);
	load_say(report, ": ");
	load_say(report, text);
	return -error;
}

static int
fail_truncated(const struct image *img, struct load_report *report)
{
	int rc = load_fail(report, ENOEXEC, img->what,
	    "truncated: it needs more than its ");

	load_say_size(report, img->size);
	return rc;
}

int
image_read(const struct image *img, uint64_t offset, void *dst, uint64_t len,
    struct load_report *report)
{
	uint8_t *to = dst;

	if (offset > img->size || len > img->size - offset ||
	    offset + len > INT64_MAX)
		return fail_truncated(img, report);
	while (len > 0) {
		ssize_t n = pread(img->fd, to, len < CHUNK ? len : CHUNK,
		    (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;

			load_fail(report, error, img->what, "cannot be read: ");
			load_say(report, log_errtext(error));
			return -error;
		}
		/* It was this long when the controller looked. */
		if (n == 0)
			return fail_truncated(img, report);
		to += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* Bytes from @addr to the end of its region, 0 if there is none. */
static uint64_t
left_in_region(const struct gmem *mem, uint64_t addr)
{
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct gmem_region *r = &mem->region[i];

		if (addr - r->gpa < r->size)
			return r->size - (addr - r->gpa);
	}
	return 0;
}

int
image_read_guest(const struct image *img, uint64_t offset, struct gmem *mem,
    uint64_t addr, uint64_t len, struct load_report *report)
{
	while (len > 0) {
		uint64_t n = left_in_region(mem, addr);
		void *to;
		int rc;

		if (n > len)
			n = len;
		to = n == 0 ? NULL : gmem_span_write(mem, gpa(addr), n);
		if (to == NULL)
			return load_fail(report, EFAULT, img->what,
			    "outside of guest memory");
		rc = image_read(img, offset, to, n, report);
		if (rc < 0)
			return rc;
		gmem_mark_dirty(mem, gpa(addr), n);
		offset += n;
		addr += n;
		len -= n;
	}
	return 0;
}
