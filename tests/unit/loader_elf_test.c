// SPDX-License-Identifier: Apache-2.0
/* The ELF loader: a small PVH ELF, and each way to break it. */
#include <elf.h>

#include "loader_fixture.h"

struct pvh_elf {
	Elf64_Ehdr h;
	Elf64_Phdr p[3];
	struct {
		Elf64_Nhdr other;
		char other_name[4];
		uint8_t other_desc[8];	/* 6 bytes, padded */
		Elf64_Nhdr h;
		char name[4];
		uint32_t entry;
	} note;
	uint8_t code[64];
};

static struct pvh_elf
good(void)
{
	struct pvh_elf e = {
		.h = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
				ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC, .e_machine = EM_X86_64,
			.e_version = 1, .e_phoff = offsetof(struct pvh_elf, p),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3,
		},
		.p = {
			{ .p_type = PT_LOAD, .p_paddr = 0x200000,
			  .p_offset = offsetof(struct pvh_elf, code),
			  .p_filesz = 64, .p_memsz = 8192 },
			{ .p_type = PT_NOTE,
			  .p_offset = offsetof(struct pvh_elf, note),
			  .p_filesz = sizeof(((struct pvh_elf *)0)->note),
			  .p_align = 4 },
			{ .p_type = PT_GNU_STACK },
		},
		.note = {
			.other = { 4, 6, 6 }, .other_name = "Xen",
			.h = { 4, 4, 18 }, .name = "Xen", .entry = 0x200010,
		},
	};

	memset(e.code, 0xf4, sizeof(e.code));
	return e;
}

static void
loads(void **state)
{
	static char cmdline[] = "console=hvc0";
	struct pvh_elf e = good();
	struct fixture f;

	(void)state;
	fixture_init(&f, 16 * MIB);
	f.config.cmdline = cmdline;
	fixture_kernel(&f, &e, sizeof(e));
	fixture_initramfs(&f, 10000);
	if (fixture_load(&f) != 0)
		fail_msg("%s", f.report.text);
	assert_int_equal(f.boot.protocol, BH__BOOT_PROTOCOL__BOOT_PROTOCOL_PVH);
	assert_int_equal(f.boot.entry, 0x200010);
	assert_int_equal(f.boot.param, LAYOUT_PVH_START_INFO);
	assert_int_equal(fixture_read(&f, 0x200000, 8), 0xf4f4f4f4f4f4f4f4);
	assert_int_equal(fixture_read(&f, 0x20003f, 8), 0xf4);

	/* start info: magic, version, modules, and where things are */
	assert_int_equal(fixture_read(&f, f.boot.param, 4), 0x336ec578);
	assert_int_equal(fixture_read(&f, f.boot.param + 4, 4), 1);
	assert_int_equal(fixture_read(&f, f.boot.param + 12, 4), 1);
	assert_int_equal(fixture_read(&f, f.boot.param + 24, 8), LAYOUT_CMDLINE);
	assert_int_equal(fixture_read(&f, f.boot.param + 32, 8), LAYOUT_RSDP);
	assert_int_equal(fixture_read(&f, f.boot.param + 48, 4), 4);
	assert_int_equal(fixture_read(&f, fixture_read(&f, f.boot.param + 40, 8)
	    + 8, 8), 0x9fc00);
	assert_int_equal(fixture_read(&f, LAYOUT_CMDLINE, 8),
	    0x3d656c6f736e6f63);
	{
		uint64_t at = fixture_read(&f, LAYOUT_PVH_MODLIST, 8);

		assert_int_equal(at, 16 * MIB - 12288);
		assert_int_equal(fixture_read(&f, LAYOUT_PVH_MODLIST + 8, 8),
		    10000);
		assert_int_equal(fixture_read(&f, at, 1), 'A');
		assert_int_equal(fixture_read(&f, at + 9999, 1), 'Z');
	}
	assert_int_equal(fixture_read(&f, LAYOUT_RSDP, 8), 0x2052545020445352);
	assert_int_equal(fixture_read(&f, LAYOUT_SMBIOS, 5), 0x5f334d535f);
	fixture_fini(&f);
}

/* CLOUDHV.fd of EDK2 says EM_386, with 64-bit headers. */
static void
edk2(void **state)
{
	struct pvh_elf e = good();
	struct fixture f;

	(void)state;
	e.h.e_machine = EM_386;
	fixture_init(&f, 16 * MIB);
	f.config.kind = BH__KERNEL_KIND__KERNEL_KIND_FIRMWARE;
	fixture_kernel(&f, &e, sizeof(e));
	assert_int_equal(fixture_load(&f), 0);
	assert_int_equal(f.boot.entry, 0x200010);
	fixture_fini(&f);
}

/* One change each, and a word of what the user is told. */
static void
refused(struct pvh_elf e, const char *words)
{
	struct fixture f;

	fixture_init(&f, 16 * MIB);
	fixture_kernel(&f, &e, sizeof(e));
	assert_refused(&f, words);
	fixture_fini(&f);
}

#define BROKEN(words, ...)						\
	do {								\
		struct pvh_elf e = good();				\
		__VA_ARGS__;						\
		refused(e, words);					\
	} while (0)

static void
broken_header(void **state)
{
	(void)state;
	BROKEN("32-bit", e.h.e_ident[EI_CLASS] = ELFCLASS32);
	BROKEN("damaged", e.h.e_ident[EI_DATA] = ELFDATA2MSB);
	BROKEN("AArch64", e.h.e_machine = EM_AARCH64);
	BROKEN("another machine", e.h.e_machine = EM_RISCV);
	BROKEN("kernel module", e.h.e_type = ET_REL);
	BROKEN("damaged", e.h.e_phnum = 0);
	BROKEN("damaged", e.h.e_phnum = 0xffff);
	BROKEN("damaged", e.h.e_phentsize = 32);
	BROKEN("truncated", e.h.e_phoff = 1u << 20);
	BROKEN("truncated", e.h.e_phoff = UINT64_MAX - 40);
}

static void
broken_notes(void **state)
{
	(void)state;
	BROKEN("without a PVH note", e.note.h.n_type = 17);
	BROKEN("without a PVH note", e.note.name[0] = 'x');
	BROKEN("without a PVH note", e.note.h.n_namesz = 3);
	BROKEN("without a PVH note", e.p[1].p_type = PT_NULL);
	BROKEN("without a PVH note", e.p[1].p_filesz = 8);
	BROKEN("without a PVH note", e.note.other.n_descsz = UINT32_MAX);
	BROKEN("without a PVH note", e.note.other.n_namesz = UINT32_MAX);
	BROKEN("wrong size", e.note.h.n_descsz = 5);
	BROKEN("truncated", e.p[1].p_offset = UINT64_MAX - 8);
	BROKEN("truncated", e.p[1].p_filesz = UINT64_MAX);
	BROKEN("entry point", e.note.entry = 0x300000);
	BROKEN("entry point", e.note.entry = 0x202000);
	BROKEN("entry point", e.note.entry = 0);
}

static void
broken_segments(void **state)
{
	(void)state;
	BROKEN("larger in the file", e.p[0].p_filesz = 8193);
	BROKEN("truncated", e.p[0].p_offset = 1u << 20);
	BROKEN("truncated", e.p[0].p_offset = UINT64_MAX - 4);
	BROKEN("truncated", e.p[0].p_filesz = 4096);
	BROKEN("larger than memory", e.p[0].p_memsz = 15 * MIB);
	BROKEN("larger than memory", e.p[0].p_memsz = 1ull << 40);
	BROKEN("wraps", e.p[0].p_memsz = UINT64_MAX);
	BROKEN("below 1 MiB", e.p[0].p_paddr = 0x7000; e.note.entry = 0x7000);
	BROKEN("larger than memory", e.p[2] = e.p[0];
	    e.p[2].p_paddr = LAYOUT_ECAM);
}

static void
initramfs(void **state)
{
	struct pvh_elf e = good();
	struct fixture f;

	(void)state;
	fixture_init(&f, 16 * MIB);
	fixture_kernel(&f, &e, sizeof(e));
	/* All that the kernel leaves: it ends at 0x202000. */
	fixture_initramfs(&f, 16 * MIB - 0x202000);
	assert_int_equal(fixture_load(&f), 0);
	fixture_initramfs(&f, 16 * MIB - 0x202000 + 1);
	assert_refused(&f, "initramfs: does not fit");
	fixture_initramfs(&f, 1ull << 45);
	assert_refused(&f, "initramfs: does not fit");
	fixture_initramfs(&f, 0);
	assert_refused(&f, "initramfs: empty");
	/* The file became shorter after the controller looked. */
	fixture_initramfs(&f, 8192);
	assert_int_equal(ftruncate(f.initramfs, 100), 0);
	assert_refused(&f, "initramfs: truncated");
	fixture_fini(&f);
}

/* A segment over the seam of two regions. */
static void
seam(void **state)
{
	struct pvh_elf e = good();
	struct fixture f;

	(void)state;
	fixture_init(&f, 16 * MIB);
	gmem_fini(&f.mem);
	assert_int_equal(gmem_init(&f.mem, 16 * MIB), 0);
	assert_int_equal(gmem_add(&f.mem, 3, 8 * MIB, 8 * MIB, f.ram, 0, false),
	    0);
	assert_int_equal(gmem_add(&f.mem, 5, 0, 8 * MIB, f.ram, 8 * MIB, false),
	    0);
	e.p[0].p_paddr = 8 * MIB - 32;
	e.note.entry = 8 * MIB;
	fixture_kernel(&f, &e, sizeof(e));
	assert_int_equal(fixture_load(&f), 0);
	assert_int_equal(fixture_read(&f, 8 * MIB - 8, 8), 0xf4f4f4f4f4f4f4f4);
	assert_int_equal(fixture_read(&f, 8 * MIB + 24, 8), 0xf4f4f4f4f4f4f4f4);
	assert_int_equal(fixture_read(&f, 8 * MIB + 32, 8), 0);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads),
		cmocka_unit_test(edk2),
		cmocka_unit_test(broken_header),
		cmocka_unit_test(broken_notes),
		cmocka_unit_test(broken_segments),
		cmocka_unit_test(initramfs),
		cmocka_unit_test(seam),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
