// SPDX-License-Identifier: Apache-2.0
/* The bzImage loader, and what is said of files that are no kernel. */
#include <asm/bootparam.h>

#include "loader_fixture.h"

#define SETUP 1024u		/* boot sector and one more */
#define CODE (64u * 1024)

static uint8_t image[SETUP + CODE];

static struct setup_header *
good(void)
{
	/* Unaligned, as in the file. */
	struct setup_header *h = (void *)(image + 0x1f1);

	memset(image, 0, sizeof(image));
	memset(image + SETUP, 0xcc, CODE);
	h->setup_sects = 1;
	h->syssize = CODE / 16;
	h->boot_flag = 0xaa55;
	h->jump = 0x6aeb;
	memcpy(&h->header, "HdrS", 4);
	h->version = 0x020f;
	h->loadflags = LOADED_HIGH;
	h->code32_start = 0x12345678;
	h->initrd_addr_max = 0x7fffffff;
	h->kernel_alignment = 0x200000;
	h->relocatable_kernel = 1;
	h->cmdline_size = 2047;
	h->pref_address = 0x1000000;
	h->init_size = 8 * MIB;
	h->setup_data = 0x1000;
	return h;
}

static void
loads(void **state)
{
	static char cmdline_text[] = "quiet";
	struct boot_params params;
	struct fixture f;

	(void)state;
	good();
	fixture_init(&f, 64 * MIB);
	f.config.cmdline = cmdline_text;
	fixture_kernel(&f, image, sizeof(image));
	fixture_initramfs(&f, 5000);
	if (fixture_load(&f) != 0)
		fail_msg("%s", f.report.text);
	assert_int_equal(f.boot.protocol,
	    BH__BOOT_PROTOCOL__BOOT_PROTOCOL_LINUX32);
	assert_int_equal(f.boot.entry, 0x100000);
	assert_int_equal(f.boot.param, LAYOUT_ZERO_PAGE);
	assert_int_equal(fixture_read(&f, 0x100000 + CODE - 8, 8),
	    0xcccccccccccccccc);
	assert_int_equal(fixture_read(&f, 0x100000 + CODE, 8), 0);
	assert_int_equal(gmem_read(&f.mem, gpa(f.boot.param), &params,
	    sizeof(params)), 0);
	assert_int_equal(params.acpi_rsdp_addr, LAYOUT_RSDP);
	assert_int_equal(params.hdr.type_of_loader, 0xff);
	assert_int_equal(params.hdr.code32_start, 0x100000);
	assert_int_equal(params.hdr.cmd_line_ptr, LAYOUT_CMDLINE);
	assert_int_equal(params.hdr.setup_data, 0);
	assert_int_equal(params.hdr.init_size, 8 * MIB);
	assert_int_equal(params.hdr.ramdisk_size, 5000);
	assert_int_equal(params.hdr.ramdisk_image, 64 * MIB - 8192);
	assert_int_equal(fixture_read(&f, params.hdr.ramdisk_image, 1), 'A');
	assert_int_equal(params.e820_entries, 4);
	assert_int_equal(params.e820_table[2].addr, 0x100000);
	assert_int_equal(params.e820_table[2].size, 63 * MIB);
	assert_int_equal(params.e820_table[2].type, 1);
	assert_int_equal(fixture_read(&f, LAYOUT_CMDLINE, 6), 0x7465697571);
	fixture_fini(&f);
}

/* The initramfs stays below what the kernel can reach, and below the hole. */
static void
initramfs_place(void **state)
{
	struct setup_header *h = good();
	struct fixture f;

	(void)state;
	h->initrd_addr_max = 40 * MIB - 1;
	fixture_init(&f, 64 * MIB);
	fixture_kernel(&f, image, sizeof(image));
	fixture_initramfs(&f, 4096);
	assert_int_equal(fixture_load(&f), 0);
	assert_int_equal(fixture_read(&f, LAYOUT_ZERO_PAGE + 0x218, 4),
	    40 * MIB - 4096);
	/* Kernel: pref_address and init_size; 24 MiB to 40 MiB are left. */
	fixture_initramfs(&f, 16 * MIB);
	assert_int_equal(fixture_load(&f), 0);
	assert_int_equal(fixture_read(&f, LAYOUT_ZERO_PAGE + 0x218, 4),
	    24 * MIB);
	fixture_initramfs(&f, 16 * MIB + 1);
	assert_refused(&f, "initramfs: does not fit");
	h->initrd_addr_max = 0;
	fixture_kernel(&f, image, sizeof(image));
	fixture_initramfs(&f, 1);
	assert_refused(&f, "initramfs: does not fit");
	fixture_fini(&f);
}

static void
high_memory(void **state)
{
	struct setup_header *h = good();
	struct fixture f;

	(void)state;
	h->initrd_addr_max = 0xffffffff;
	fixture_init(&f, 5ull << 30);
	fixture_kernel(&f, image, sizeof(image));
	fixture_initramfs(&f, 4096);
	assert_int_equal(fixture_load(&f), 0);
	assert_int_equal(fixture_read(&f, LAYOUT_ZERO_PAGE + 0x218, 4),
	    LAYOUT_LOW_RAM_END - 4096);
	fixture_fini(&f);
}

#define BROKEN(size, words, change)					\
	do {								\
		struct setup_header *h = good();			\
		struct fixture f;					\
									\
		change;							\
		fixture_init(&f, (size) * MIB);				\
		fixture_kernel(&f, image, sizeof(image));		\
		assert_refused(&f, words);				\
		fixture_fini(&f);					\
	} while (0)

static void
broken(void **state)
{
	(void)state;
	BROKEN(64, "older", h->version = 0x0205);
	BROKEN(64, "zImage", h->loadflags = 0);
	BROKEN(64, "no code", h->syssize = 0);
	BROKEN(64, "truncated", h->syssize = CODE / 16 + 1);
	BROKEN(64, "truncated", h->syssize = 0xffffffff);
	BROKEN(64, "truncated", h->setup_sects = 0);
	BROKEN(64, "alignment", h->kernel_alignment = 0);
	BROKEN(64, "alignment", h->kernel_alignment = 3);
	BROKEN(64, "above 4 GiB", h->pref_address = UINT64_MAX);
	BROKEN(23, "larger than memory", (void)h);
	BROKEN(64, "larger than memory", h->init_size = 0xffffffff);
	BROKEN(64, "larger than memory", h->pref_address = 0xffffffff);
	BROKEN(64, "not a kernel", memcpy(&h->header, "HdrX", 4));
	BROKEN(1, "too small", (void)h);
}

/* Cut at every length around the header. */
static void
truncated(void **state)
{
	struct fixture f;

	(void)state;
	good();
	fixture_init(&f, 64 * MIB);
	for (size_t len = 0; len < 0x400; len++) {
		fixture_kernel(&f, image, len);
		assert_true(fixture_load(&f) < 0);
	}
	fixture_kernel(&f, image, sizeof(image) - 1);
	assert_refused(&f, "truncated");
	/* Shorter than the controller was told. */
	f.config.kernel_size = sizeof(image);
	assert_refused(&f, "truncated");
	fixture_fini(&f);
}

static void
cmdline(void **state)
{
	static char line[3000];
	struct setup_header *h = good();
	struct fixture f;

	(void)state;
	memset(line, 'a', sizeof(line) - 1);
	fixture_init(&f, 64 * MIB);
	fixture_kernel(&f, image, sizeof(image));
	f.config.cmdline = line;
	assert_refused(&f, "--cmdline: longer");
	line[2047] = '\0';
	assert_int_equal(fixture_load(&f), 0);
	h->cmdline_size = 2046;
	fixture_kernel(&f, image, sizeof(image));
	assert_refused(&f, "--cmdline: longer");
	fixture_fini(&f);
}

static void
foreign(void **state)
{
	static const struct { const char *bytes; size_t len; const char *words; }
	    file[] = {
		{ "", 0, "kernel: empty" },
		{ "\x89PNG\r\n\x1a\n....", 12, "PNG image" },
		{ "\x1f\x8b\x08", 3, "gzip" },
		{ "#!/bin/sh\n", 10, "script" },
		{ "070701000", 9, "cpio" },
		{ "hello", 5, "neither a bzImage nor an ELF" },
		{ "\177ELF", 4, "truncated" },
	};
	uint8_t arm[64] = "MZ";
	struct fixture f;

	(void)state;
	fixture_init(&f, 64 * MIB);
	for (size_t i = 0; i < sizeof(file) / sizeof(file[0]); i++) {
		fixture_kernel(&f, file[i].bytes, file[i].len);
		assert_refused(&f, file[i].words);
	}
	fixture_kernel(&f, arm, sizeof(arm));
	assert_refused(&f, "PE program");
	memcpy(arm + 56, "ARM\x64", 4);
	fixture_kernel(&f, arm, sizeof(arm));
	assert_refused(&f, "AArch64 Image; this host runs x86-64 guests");
	good();
	fixture_kernel(&f, image, sizeof(image));
	f.config.kind = BH__KERNEL_KIND__KERNEL_KIND_FIRMWARE;
	assert_refused(&f, "firmware: a bzImage");
	close(f.kernel);
	f.kernel = -1;
	assert_refused(&f, "cannot be read");
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads),
		cmocka_unit_test(initramfs_place),
		cmocka_unit_test(high_memory),
		cmocka_unit_test(broken),
		cmocka_unit_test(truncated),
		cmocka_unit_test(cmdline),
		cmocka_unit_test(foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
