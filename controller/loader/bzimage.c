/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bzImage loader, see bzimage.h. The setup header is copied once, and only
 * the copy is used; the real-mode code of the file is not loaded.
 */
#include "controller/loader/bzimage.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "controller/loader/load.h"

#define SECTOR 512u
#define HDR_OFFSET 0x1f1u	/* of the setup header, in file and zero page */
#define HDR_MAGIC_OFFSET 0x202u
#define BOOT_FLAG_OFFSET 0x1feu
#define VERSION_2_06 0x0206u	/* cmdline_size */
#define VERSION_2_10 0x020au	/* pref_address, init_size */
#define LOADER_UNREGISTERED 0xffu

_Static_assert(offsetof(struct boot_params, hdr) == HDR_OFFSET, "bootparam.h");
_Static_assert(sizeof(struct boot_params) == 4096, "bootparam.h");
_Static_assert(MEMMAP_MAX <= E820_MAX_ENTRIES_ZEROPAGE, "bootparam.h");
_Static_assert(LAYOUT_ZERO_PAGE + 4096 <= LAYOUT_BOOT_STACK, "layout.h");

bool
bzimage_probe(const uint8_t *head, uint64_t len)
{
	return len >= HDR_MAGIC_OFFSET + 4 &&
	    head[BOOT_FLAG_OFFSET] == 0x55 &&
	    head[BOOT_FLAG_OFFSET + 1] == 0xaa &&
	    memcmp(head + HDR_MAGIC_OFFSET, "HdrS", 4) == 0;
}

static int
fail(struct load *ld, const char *text)
{
	return load_fail(ld->report, ENOEXEC, ld->kernel.what, text);
}

/*
 * The header ends where the jump over it at 0x200 leads to; fields behind that,
 * of a protocol that the kernel does not know, stay 0.
 */
static int
read_header(struct load *ld, struct setup_header *hdr)
{
	uint8_t jump[2];
	uint64_t len;
	int rc = image_read(&ld->kernel, 0x200, jump, sizeof(jump), ld->report);

	if (rc < 0)
		return rc;
	len = 0x202u + jump[1] - HDR_OFFSET;
	if (len > sizeof(*hdr))
		len = sizeof(*hdr);
	memset(hdr, 0, sizeof(*hdr));
	rc = image_read(&ld->kernel, HDR_OFFSET, hdr, len, ld->report);
	if (rc < 0)
		return rc;
	if (hdr->version < VERSION_2_06)
		return fail(ld, "a Linux older than 2.6.22 (boot protocol before "
		    "2.06)");
	if ((hdr->loadflags & LOADED_HIGH) == 0)
		return fail(ld, "a zImage, which is loaded low; a bzImage is "
		    "needed");
	if (hdr->relocatable_kernel && (hdr->kernel_alignment == 0 ||
	    (hdr->kernel_alignment & (hdr->kernel_alignment - 1)) != 0))
		return fail(ld, "damaged: its alignment is no power of two");
	return 0;
}

/*
 * How far up the kernel writes before it reads the memory map: init_size from
 * where it will run, which is where it wants to be, or where it is put
 * (boot.rst, init_size).
 */
static int
runtime_end(struct load *ld, const struct setup_header *hdr, uint64_t size,
    uint64_t *end)
{
	uint64_t start = LAYOUT_HIGH_RAM, align = hdr->kernel_alignment;

	*end = LAYOUT_HIGH_RAM + size;
	if (hdr->version < VERSION_2_10)
		return 0;
	if (hdr->pref_address > UINT32_MAX)
		return fail(ld, "damaged: it wants to run above 4 GiB");
	if (!hdr->relocatable_kernel || hdr->pref_address > start)
		start = hdr->pref_address;
	if (hdr->relocatable_kernel)
		start = (start + align - 1) & ~(align - 1);
	if (start + hdr->init_size > *end)
		*end = start + hdr->init_size;
	return 0;
}

static int
load_code(struct load *ld, const struct setup_header *hdr)
{
	uint64_t sects = hdr->setup_sects == 0 ? 4 : hdr->setup_sects;
	uint64_t offset = (sects + 1) * SECTOR;
	uint64_t size = (uint64_t)hdr->syssize * 16;
	uint64_t low_end = memmap_low_end(&ld->map);
	int rc;

	if (size == 0)
		return fail(ld, "damaged: it has no code");
	rc = runtime_end(ld, hdr, size, &ld->kernel_end);
	if (rc < 0)
		return rc;
	if (offset > ld->kernel.size || size > ld->kernel.size - offset) {
		rc = fail(ld, "truncated: it has ");
		load_say_size(ld->report, ld->kernel.size);
		load_say(ld->report, " of ");
		load_say_size(ld->report, offset + size);
		return rc;
	}
	if (ld->kernel_end > low_end) {
		rc = load_fail(ld->report, ENOMEM, ld->kernel.what,
		    "larger than memory: it needs ");
		load_say_size(ld->report, ld->kernel_end);
		load_say(ld->report, " to start; give --memory more");
		return rc;
	}
	return image_read_guest(&ld->kernel, offset, ld->mem, LAYOUT_HIGH_RAM,
	    size, ld->report);
}

static void
fill_e820(struct boot_params *params, const struct memmap *map)
{
	params->e820_entries = (uint8_t)map->count;
	for (unsigned int i = 0; i < map->count; i++) {
		params->e820_table[i].addr = map->range[i].start;
		params->e820_table[i].size = map->range[i].size;
		params->e820_table[i].type = map->range[i].type;
	}
}

static int
write_zero_page(struct load *ld, const struct setup_header *hdr)
{
	struct boot_params params;

	memset(&params, 0, sizeof(params));
	params.hdr = *hdr;
	params.hdr.type_of_loader = LOADER_UNREGISTERED;
	params.hdr.code32_start = (uint32_t)LAYOUT_HIGH_RAM;
	params.hdr.cmd_line_ptr = (uint32_t)LAYOUT_CMDLINE;
	params.hdr.ramdisk_image = (uint32_t)ld->initramfs_addr;
	params.hdr.ramdisk_size = (uint32_t)ld->initramfs.size;
	/* A list in guest memory that the file cannot know. */
	params.hdr.setup_data = 0;
	params.acpi_rsdp_addr = LAYOUT_RSDP;
	fill_e820(&params, &ld->map);
	if (gmem_write(ld->mem, gpa(LAYOUT_ZERO_PAGE), &params,
	    sizeof(params)) < 0)
		return load_fail(ld->report, ENOMEM, "--memory", "too small");
	return 0;
}

int
bzimage_load(struct load *ld, struct boot *boot)
{
	struct setup_header hdr;
	int rc = read_header(ld, &hdr);

	if (rc == 0)
		rc = load_code(ld, &hdr);
	if (rc == 0)
		rc = load_initramfs(ld, hdr.initrd_addr_max);
	if (rc == 0)
		rc = load_cmdline(ld, hdr.cmdline_size);
	if (rc == 0)
		rc = write_zero_page(ld, &hdr);
	boot->protocol = BH__BOOT_PROTOCOL__BOOT_PROTOCOL_LINUX32;
	boot->entry = LAYOUT_HIGH_RAM;
	boot->param = LAYOUT_ZERO_PAGE;
	return rc;
}
