/* SPDX-License-Identifier: Apache-2.0 */
/* The PVH start info, see pvh.h. */
#include "controller/loader/pvh.h"

#include <errno.h>

#include "arch/x86_64/layout.h"
#include "controller/loader/load.h"

#define START_INFO_MAGIC 0x336ec578u	/* "xEn3", the last bit of E set */

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct modlist_entry {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};

struct memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

_Static_assert(sizeof(struct start_info) == 56, "start_info.h");
_Static_assert(sizeof(struct modlist_entry) == 32, "start_info.h");
_Static_assert(sizeof(struct memmap_entry) == 24, "start_info.h");
_Static_assert(LAYOUT_PVH_START_INFO + sizeof(struct start_info) <=
    LAYOUT_PVH_MODLIST, "layout.h");
_Static_assert(LAYOUT_PVH_MODLIST + sizeof(struct modlist_entry) <=
    LAYOUT_PVH_MEMMAP, "layout.h");
_Static_assert(LAYOUT_PVH_MEMMAP + MEMMAP_MAX * sizeof(struct memmap_entry) <=
    LAYOUT_BOOT_STACK, "layout.h");

static int
write_start_info(struct load *ld)
{
	struct memmap_entry memmap[MEMMAP_MAX];
	struct start_info info = {
		.magic = START_INFO_MAGIC, .version = 1,
		.nr_modules = ld->initramfs.size != 0,
		.modlist_paddr = ld->initramfs.size != 0 ?
		    LAYOUT_PVH_MODLIST : 0,
		.cmdline_paddr = LAYOUT_CMDLINE,
		.rsdp_paddr = LAYOUT_RSDP,
		.memmap_paddr = LAYOUT_PVH_MEMMAP,
		.memmap_entries = ld->map.count,
	};
	struct modlist_entry module = {
		.paddr = ld->initramfs_addr, .size = ld->initramfs.size,
	};

	for (unsigned int i = 0; i < ld->map.count; i++)
		memmap[i] = (struct memmap_entry){
			.addr = ld->map.range[i].start,
			.size = ld->map.range[i].size,
			.type = ld->map.range[i].type,
		};
	if (gmem_write(ld->mem, gpa(LAYOUT_PVH_MEMMAP), memmap,
	    ld->map.count * sizeof(memmap[0])) < 0 ||
	    gmem_write(ld->mem, gpa(LAYOUT_PVH_MODLIST), &module,
	    sizeof(module)) < 0 ||
	    gmem_write(ld->mem, gpa(LAYOUT_PVH_START_INFO), &info,
	    sizeof(info)) < 0)
		return load_fail(ld->report, ENOMEM, "--memory", "too small");
	return 0;
}

int
pvh_start_info(struct load *ld, struct boot *boot)
{
	int rc = load_initramfs(ld, UINT32_MAX);

	if (rc == 0)
		rc = load_cmdline(ld, LAYOUT_CMDLINE_MAX);
	if (rc == 0)
		rc = write_start_info(ld);
	boot->protocol = BH__BOOT_PROTOCOL__BOOT_PROTOCOL_PVH;
	boot->param = LAYOUT_PVH_START_INFO;
	return rc;
}
