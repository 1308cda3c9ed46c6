/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is loaded in which order, see load.h; and the names of the things that
 * people pass as a kernel by mistake.
 */
#include "controller/loader/load.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "controller/loader/acpi.h"
#include "controller/loader/bzimage.h"
#include "controller/loader/elf.h"
#include "controller/loader/pvh.h"
#include "controller/loader/smbios.h"

/* Enough of a file to know its format. */
#define HEAD_SIZE 0x210u

#define PAGE ((uint64_t)GMEM_PAGE_SIZE)

/* What a file that no parser takes probably is, by its first bytes. */
static const struct {
	uint16_t offset;
	uint8_t len;
	const char *magic;
	const char *text;
} foreign[] = {
	{ 0x38, 4, "ARM\x64", "an AArch64 Image; this host runs x86-64 guests" },
	{ 0, 8, "\x89PNG\r\n\x1a\n", "not a kernel: a PNG image" },
	{ 0, 3, "\xff\xd8\xff", "not a kernel: a JPEG image" },
	{ 0, 4, "%PDF", "not a kernel: a PDF document" },
	{ 0, 2, "#!", "not a kernel: a script" },
	{ 0, 4, "QFI\xfb", "not a kernel: a qcow2 disk image" },
	{ 0, 6, "070701", "not a kernel: a cpio archive, an initramfs?" },
	{ 0, 7, "!<arch>", "not a kernel: a Debian package or ar archive" },
	{ 0, 2, "PK", "not a kernel: a zip archive" },
	{ 0, 2, "\x1f\x8b", "not a kernel: compressed by gzip; unpack it, or "
	    "is it an initramfs?" },
	{ 0, 6, "\xfd" "7zXZ", "not a kernel: compressed by xz; unpack it" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "not a kernel: compressed by zstd; unpack "
	    "it, or is it an initramfs?" },
	{ 0, 4, "\x02\x21\x4c\x18", "not a kernel: compressed by lz4; unpack it" },
	{ 0, 4, "\x04\x22\x4d\x18", "not a kernel: compressed by lz4; unpack it" },
	{ 0, 2, "MZ", "a PE program without a Linux setup header" },
};

static int
fail_foreign(struct load *ld, const uint8_t *head, uint64_t len)
{
	const char *text = "not a kernel: neither a bzImage nor an ELF file";

	for (unsigned int i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if ((uint64_t)foreign[i].offset + foreign[i].len <= len &&
		    memcmp(head + foreign[i].offset, foreign[i].magic,
		    foreign[i].len) == 0) {
			text = foreign[i].text;
			break;
		}
	return load_fail(ld->report, ENOEXEC, ld->kernel.what, text);
}

/* Which parser takes the kernel, and what it made of it. */
static int
load_kernel(struct load *ld, struct boot *boot)
{
	uint8_t head[HEAD_SIZE];
	uint64_t len = ld->kernel.size < sizeof(head) ?
	    ld->kernel.size : sizeof(head);
	int rc;

	if (ld->kernel.size == 0)
		return load_fail(ld->report, ENOEXEC, ld->kernel.what, "empty");
	rc = image_read(&ld->kernel, 0, head, len, ld->report);
	if (rc < 0)
		return rc;
	if (len >= 4 && memcmp(head, "\177ELF", 4) == 0) {
		rc = elf_load(ld, &boot->entry);
		return rc < 0 ? rc : pvh_start_info(ld, boot);
	}
	if (bzimage_probe(head, len)) {
		if (ld->config->kind == BH__KERNEL_KIND__KERNEL_KIND_FIRMWARE)
			return load_fail(ld->report, ENOEXEC, ld->kernel.what,
			    "a bzImage; give it as --kernel");
		return bzimage_load(ld, boot);
	}
	return fail_foreign(ld, head, len);
}

int
load_initramfs(struct load *ld, uint64_t max)
{
	uint64_t size = ld->initramfs.size;
	uint64_t end = memmap_low_end(&ld->map);
	uint64_t floor = (ld->kernel_end + PAGE - 1) & ~(PAGE - 1);

	ld->initramfs_addr = 0;
	if (size == 0)
		return 0;
	if (max < end)
		end = (max + 1) & ~(PAGE - 1);
	if (floor > end || size > end - floor) {
		int rc = load_fail(ld->report, ENOMEM, ld->initramfs.what,
		    "does not fit: it has ");

		load_say_size(ld->report, size);
		load_say(ld->report, ", and beside the kernel there are ");
		load_say_size(ld->report, floor > end ? 0 : end - floor);
		load_say(ld->report, " of memory; give --memory more");
		return rc;
	}
	ld->initramfs_addr = (end - size) & ~(PAGE - 1);
	return image_read_guest(&ld->initramfs, 0, ld->mem, ld->initramfs_addr,
	    size, ld->report);
}

int
load_cmdline(struct load *ld, uint64_t max)
{
	uint64_t len = strlen(ld->config->cmdline);

	if (max > LAYOUT_CMDLINE_MAX - 1)
		max = LAYOUT_CMDLINE_MAX - 1;
	if (len > max)
		return load_fail(ld->report, E2BIG, "--cmdline",
		    "longer than the kernel takes");
	if (gmem_write(ld->mem, gpa(LAYOUT_CMDLINE), ld->config->cmdline,
	    len + 1) < 0)
		return load_fail(ld->report, ENOMEM, "--memory", "too small");
	return 0;
}

int
load_guest(struct gmem *mem, const Bh__LoadConfig *config, int kernel_fd,
    int initramfs_fd, struct boot *boot, struct load_report *report)
{
	struct load ld = {
		.mem = mem, .config = config, .report = report,
		.kernel = { .fd = kernel_fd, .size = config->kernel_size,
			.what = config->kind ==
			    BH__KERNEL_KIND__KERNEL_KIND_FIRMWARE ?
			    "firmware" : "kernel" },
		.initramfs = { .fd = initramfs_fd, .what = "initramfs",
			.size = config->has_initramfs ?
			    config->initramfs_size : 0 },
	};
	int rc;

	memmap_build(&ld.map, mem);
	if (config->has_initramfs && config->initramfs_size == 0)
		return load_fail(report, ENOEXEC, "initramfs", "empty");
	if (!memmap_is_ram(&ld.map, 0, LAYOUT_EBDA) ||
	    memmap_low_end(&ld.map) == LAYOUT_HIGH_RAM)
		return load_fail(report, ENOMEM, "--memory", "too small");
	rc = load_kernel(&ld, boot);
	if (rc == 0)
		rc = acpi_load(mem, config, report);
	if (rc == 0)
		rc = smbios_load(mem, config, report);
	return rc;
}
