// SPDX-License-Identifier: Apache-2.0
/*
 * VHD, VHDX and VMDK images, and raw files whose format is guessed: what qemu-img
 * made, read and written to; damage and strangers refused with a reason.
 */
#include <endian.h>

#include "tests/unit/image_fixture.h"
#include "device-workers/blk/vhdx.h"

/* ---- which format -------------------------------------------------------------- */

static void
detection(void **state)
{
	static const char *const magics[] = {
		"QFI\xfb", "vhdxfile", "KDMV", "COWD", "# Disk DescriptorFile",
		"conectix", "# a comment\nversion=1\n", "LUKS\xba\xbe", "QED",
	};
	uint8_t sector[512] = { 0 };

	(void)state;
	assert_false(blk_format_would_change(sector));
	for (unsigned int i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		memset(sector, 0, sizeof(sector));
		memcpy(sector, magics[i], strlen(magics[i]));
		assert_true(blk_format_would_change(sector));
	}
	/* A boot sector, a partition table. */
	memset(sector, 0, sizeof(sector));
	memcpy(sector, "\xeb\x63\x90", 3);
	sector[510] = 0x55;
	sector[511] = 0xaa;
	assert_false(blk_format_would_change(sector));
	assert_int_equal(blk_format_detect(sector, 512, sector), BLK_FORMAT_RAW);
	assert_int_equal(blk_format_detect((const uint8_t *)"QF", 2, NULL),
	    BLK_FORMAT_RAW);
	memcpy(sector, "conectix", 8);
	assert_true(blk_format_tail_would_change(sector));
}

/* A guest must not make of a raw disk what the host would then parse. */
static void
guessed_raw(void **state)
{
	uint8_t buf[4096] = "QFI\xfb", back[4096];
	struct t_image t;

	(void)state;
	t_must("truncate -s 1M a");
	t_ok(&t, "a", BLK_FORMAT_AUTO);
	assert_string_equal(blk_image_format(t.img), "raw");
	assert_int_equal(t_io(&t, true, buf, 512, 0), -EPERM);
	assert_int_equal(t_io(&t, true, buf, 4096, 0), -EPERM);
	assert_int_equal(t_io(&t, false, back, 4096, 0), 0);
	assert_true(back[0] == 0 && back[1] == 0);
	assert_int_equal(t_io(&t, true, buf, 4096, 512), 0);
	memcpy(buf, "conectix", 8);
	assert_int_equal(t_io(&t, true, buf, 512, (1u << 20) - 512), -EPERM);
	memcpy(buf + 3584, "conectix", 8);
	assert_int_equal(t_io(&t, true, buf, 4096, (1u << 20) - 4096), -EPERM);
	buf[0] = buf[3584] = 0;
	assert_int_equal(t_io(&t, true, buf, 4096, (1u << 20) - 4096), 0);
	assert_int_equal(t_io(&t, true, buf, 4096, 0), 0);
	t.ref = calloc(1, t.be.size);
	assert_int_equal(t_io(&t, false, t.ref, t.be.size, 0), 0);
	t_steps(&t, 200, 262144);
	t_compare_all(&t);
	t_close(&t);
	/* Named raw, it is the guest's, all of it. */
	memcpy(buf, "QFI\xfb", 4);
	t_ok(&t, "a", BLK_FORMAT_RAW);
	assert_int_equal(t_io(&t, true, buf, 512, 0), 0);
	t_close(&t);
	t_refused("a", BLK_FORMAT_AUTO, "qcow2");
}

/* ---- VHD ------------------------------------------------------------------------- */

static void
fixed_vhd(void **state)
{
	struct t_image t;

	(void)state;
	t_need_qemu();
	t_must("rm -f a && qemu-img create -q -f vpc -o subformat=fixed,force_size=on "
	    "a 8M");
	t_ok(&t, "a", BLK_FORMAT_AUTO);
	assert_string_equal(blk_image_format(t.img), "vhd");
	assert_int_equal(t.be.size, 8u << 20);
	t.ref = calloc(1, t.be.size);
	t_steps(&t, 300, 262144);
	t_judge(&t, "vpc", false);
	t_close(&t);
	t_make_raw("in.raw", 8u << 20);
	t_must("qemu-img convert -f raw -O vpc -o subformat=fixed,force_size=on "
	    "in.raw a");
	t_how.readonly = true;
	t_ok(&t, "a", BLK_FORMAT_VHD);
	t_load_ref(&t, "in.raw");
	t_compare_all(&t);
	t_close(&t);
	t_how.readonly = false;
	t_poke("a", "x", 1, (8 << 20) + 100);
	t_refused("a", BLK_FORMAT_AUTO, "wrong checksum");
	t_must("truncate -s 4M a");
	t_refused("a", BLK_FORMAT_VHD, "without a footer");
	t_must("rm -f a && qemu-img create -q -f vpc a 8M");
	t_refused("a", BLK_FORMAT_AUTO, "dynamic VHD");
	t_must("truncate -s 100 a");
	t_refused("a", BLK_FORMAT_VHD, "without a footer");
}

/* ---- VHDX -------------------------------------------------------------------------- */

static void
vhdx_and_judge(const char *options, uint64_t size)
{
	struct t_image t;

	t_must("rm -f a && qemu-img create -q -f vhdx -o \"%s\" a %llu", options,
	    (unsigned long long)size);
	t_ok(&t, "a", BLK_FORMAT_AUTO);
	assert_string_equal(blk_image_format(t.img), "vhdx");
	assert_int_equal(t.be.size, size);
	t.ref = calloc(1, t.be.size);
	t_steps(&t, 200, 1u << 20);
	t_judge(&t, "vhdx", true);
	t_steps(&t, 50, 1u << 20);
	t_judge(&t, "vhdx", true);
	t_close(&t);
	t_must("cp ref.raw in.raw && qemu-img convert -f raw -O vhdx -o \"%s\" "
	    "in.raw a", options);
	t_how.readonly = true;
	t_ok(&t, "a", BLK_FORMAT_VHDX);
	t_load_ref(&t, "in.raw");
	t_compare_all(&t);
	t_close(&t);
	t_how.readonly = false;
}

static void
dynamic_vhdx(void **state)
{
	(void)state;
	t_need_qemu();
	vhdx_and_judge("subformat=dynamic", 40u << 20);
	vhdx_and_judge("subformat=dynamic,block_size=1M", 16u << 20);
	vhdx_and_judge("subformat=dynamic,block_size=256M", 16u << 20);
	vhdx_and_judge("subformat=fixed,block_size=1M", 16u << 20);
	vhdx_and_judge("subformat=dynamic,block_state_zero=off", 16u << 20);
	vhdx_and_judge("subformat=dynamic,block_size=1M,log_size=4M", 16u << 20);
}

#define SECTOR 4096u

static void
put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void
put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/*
 * Make the image look as if its writer had died: a log of two entries at sector
 * @at of it, one that writes a sector and one that zeroes one.
 */
static void
write_log(const char *name, uint32_t at, uint64_t data_off, uint64_t zero_off,
    uint64_t size)
{
	static uint8_t log[1u << 20];
	uint8_t header[SECTOR], guid[16] = "a log's own GUID";
	char path[128];
	uint8_t entry[2 * SECTOR];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", t_dir, name);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	memset(log, 0, sizeof(log));
	for (unsigned int i = 0; i < 2; i++) {
		uint32_t len = i == 0 ? 2 * SECTOR : SECTOR;
		uint32_t pos = at + i * 2;

		memset(entry, 0, sizeof(entry));
		memcpy(entry, "loge", 4);
		put32(entry + 8, len);
		put32(entry + 12, at * SECTOR);
		put64(entry + 16, (7ull << 32) + i);
		put32(entry + 24, 1);
		memcpy(entry + 32, guid, 16);
		put64(entry + 48, size);
		put64(entry + 56, size);
		memcpy(entry + 64, i == 0 ? "desc" : "zero", 4);
		if (i == 0) {
			memcpy(entry + 68, "TAIL", 4);
			memcpy(entry + 72, "LEADING.", 8);
			put64(entry + 80, data_off);
		} else {
			put64(entry + 72, SECTOR);
			put64(entry + 80, zero_off);
		}
		put64(entry + 88, (7ull << 32) + i);
		memset(entry + SECTOR, 'd', SECTOR);
		memcpy(entry + SECTOR, "data", 4);
		put32(entry + SECTOR + 4, 7);
		put32(entry + 2 * SECTOR - 4, i);
		put32(entry + 4, vhdx_checksum(entry, len, 4));
		for (uint32_t s = 0; s < len / SECTOR; s++)
			memcpy(log + (pos + s) % 256 * SECTOR, entry + s * SECTOR,
			    SECTOR);
	}
	for (unsigned int n = 0; n < 2; n++) {
		uint64_t off;

		assert_int_equal(pread(fd, header, SECTOR, 65536 * (1 + n)), SECTOR);
		memcpy(&off, header + 72, 8);
		memcpy(header + 48, guid, 16);
		put32(header + 4, vhdx_checksum(header, SECTOR, 4));
		assert_int_equal(pwrite(fd, header, SECTOR, 65536 * (1 + n)),
		    SECTOR);
		assert_int_equal(pwrite(fd, log, sizeof(log), (off_t)off),
		    sizeof(log));
	}
	close(fd);
}

static void
vhdx_log_replay(void **state)
{
	static const uint32_t starts[] = { 0, 100, 253, 254, 255 };
	struct t_image t;
	struct stat st;
	char path[128];

	(void)state;
	t_need_qemu();
	for (unsigned int i = 0; i < 5; i++) {
		uint64_t data;

		t_must("rm -f a b && qemu-img create -q -f vhdx -o block_size=1M a "
		    "4M && qemu-io -f vhdx -c 'write -P 5 0 1M' a" T_QUIET);
		snprintf(path, sizeof(path), "%s/a", t_dir);
		assert_int_equal(stat(path, &st), 0);
		/* The one block there is, at the end. */
		data = (uint64_t)st.st_size - (1u << 20);
		write_log("a", starts[i], data, data + 8192, (uint64_t)st.st_size);
		t_must("cp a b");
		t_how.readonly = true;
		t_refused("a", BLK_FORMAT_AUTO, "not closed in order");
		t_how.readonly = false;
		t_ok(&t, "a", BLK_FORMAT_AUTO);
		t.ref = calloc(1, t.be.size);
		memset(t.ref, 5, 1u << 20);
		memset(t.ref, 'd', SECTOR);
		memcpy(t.ref, "LEADING.", 8);
		memcpy(t.ref + SECTOR - 4, "TAIL", 4);
		memset(t.ref + 8192, 0, SECTOR);
		t_judge(&t, "vhdx", true);
		t_close(&t);
		/*
		 * And QEMU understands the log as we do; but where it goes round,
		 * QEMU 7.2 carries out its end alone.
		 */
		if (starts[i] < 254)
			t_must("qemu-img check -q -r all -f vhdx b && "
			    "qemu-img compare -q -f vhdx -F raw b ref.raw");
	}
	/* A byte of the log changed: not an entry, not a log. */
	write_log("a", 0, 0x300000, 0x300000, (uint64_t)st.st_size);
	t_poke("a", "x", 1, (1 << 20) + 200);
	t_refused("a", BLK_FORMAT_AUTO, "damaged log");
	/* Beyond the end of the file. */
	write_log("a", 0, (uint64_t)st.st_size, 0, (uint64_t)st.st_size);
	t_refused("a", BLK_FORMAT_AUTO, "damaged log");
	write_log("a", 0, 0x300000, 0, (uint64_t)st.st_size + (1u << 20));
	t_refused("a", BLK_FORMAT_AUTO, "cut off");
}

static void
damaged_vhdx(void **state)
{
	(void)state;
	t_need_qemu();
	t_must("rm -f a && qemu-img create -q -f vhdx -o block_size=1M a 4M && "
	    "qemu-io -f vhdx -c 'write 0 1M' a" T_QUIET);
	t_must("cp a b && truncate -s -1M b");
	t_refused("b", BLK_FORMAT_AUTO, "cut off");
	t_must("truncate -s 512K b");
	t_refused("b", BLK_FORMAT_AUTO, "cut off");
	t_must("cp a b");
	t_poke("b", "x", 1, 65536 + 100);
	t_poke("b", "x", 1, 2 * 65536 + 100);
	t_refused("b", BLK_FORMAT_AUTO, "valid header");
	t_must("cp a b");
	t_poke("b", "x", 1, 3 * 65536 + 100);
	t_poke("b", "x", 1, 4 * 65536 + 100);
	t_refused("b", BLK_FORMAT_AUTO, "region table");
	t_must("cp a b");
	t_poke("b", "x", 1, 65536 + 100);
	t_poke("b", "x", 1, 3 * 65536 + 100);
	{
		struct t_image t;

		/* One good copy of each is enough. */
		t_ok(&t, "b", BLK_FORMAT_AUTO);
		t_close(&t);
	}
	/* The block allocation table is at 3 MiB (QEMU): a block on the log. */
	t_must("cp a b");
	t_poke("b", "\6\0\x10\0\0\0\0\0", 8, 3 << 20);
	t_poke("b", "\6\0\x10\0\0\0\0\0", 8, 2 << 20);
	t_refused("b", BLK_FORMAT_AUTO, "VHDX image");
}

/* ---- VMDK --------------------------------------------------------------------------- */

static void
flat_vmdk(void **state)
{
	struct t_image t;

	(void)state;
	t_need_qemu();
	t_must("rm -f a* && qemu-img create -q -f vmdk -o subformat=monolithicFlat "
	    "a.vmdk 8M");
	t_ok(&t, "a.vmdk", BLK_FORMAT_AUTO);
	assert_string_equal(blk_image_format(t.img), "vmdk");
	assert_int_equal(t.be.size, 8u << 20);
	t.ref = calloc(1, t.be.size);
	t_must("cp a.vmdk before");
	t_steps(&t, 200, 262144);
	t_judge(&t, "vmdk", false);
	t_must("! cmp -s a.vmdk before");	/* the content ID */
	t_close(&t);
}

/* The content ID changes with the first write, of however many digits it is. */
static void
vmdk_content_id(void **state)
{
	/* The last ones are what the fixture's random bytes come to. */
	static const char *const ids[] = {
		"12345678", "abcdef1", "7f", "a", "3", "3d0d1230",
	};

	(void)state;
	t_need_qemu();
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		uint8_t sector[512] = { 1 };
		struct t_image t;

		t_must("rm -f a* && qemu-img create -q -f vmdk "
		    "-o subformat=monolithicFlat a.vmdk 1M && "
		    "sed -i s/^CID=.*/CID=%s/ a.vmdk && cp a.vmdk before",
		    ids[i]);
		t_ok(&t, "a.vmdk", BLK_FORMAT_AUTO);
		t_must("cmp -s a.vmdk before");
		assert_int_equal(t_io(&t, true, sector, sizeof(sector), 0), 0);
		assert_int_equal(blk_image_close(t.img), 0);
		t_must("! grep -q '^CID=%s$' a.vmdk", ids[i]);
		t_must("[ $(stat -c %%s a.vmdk) = $(stat -c %%s before) ]");
		t_must("qemu-io -r -f vmdk -c 'read -P 1 0 1' a.vmdk" T_QUIET);
		t_close(&t);
	}
}

static void
split_vmdk(void **state)
{
	static uint8_t buf[1u << 20], back[1u << 20];
	const uint64_t edge = (2ull << 30) - 524288;
	struct t_image t;

	(void)state;
	t_need_qemu();
	t_must("rm -f a* && qemu-img create -q -f vmdk "
	    "-o subformat=twoGbMaxExtentFlat a.vmdk 5G");
	t_ok(&t, "a.vmdk", BLK_FORMAT_VMDK);
	assert_int_equal(t.be.size, 5ull << 30);
	assert_int_equal(t.nfds, 4);
	memset(buf, 0x77, sizeof(buf));
	assert_int_equal(t_io(&t, true, buf, sizeof(buf), edge), 0);
	assert_int_equal(t.be.ops->zero(&t.be, edge + 520192, 8192, true), 0);
	memset(buf + 520192, 0, 8192);
	assert_int_equal(t_io(&t, false, back, sizeof(back), edge), 0);
	assert_memory_equal(buf, back, sizeof(buf));
	assert_int_equal(blk_image_close(t.img), 0);
	t_must("qemu-io -r -f vmdk -c 'read -P 0x77 %llu 520192' "
	    "-c 'read -P 0 %llu 8192' -c 'read -P 0x77 %llu 520192' a.vmdk | "
	    "(! grep -q -i 'fail')", (unsigned long long)edge,
	    (unsigned long long)edge + 520192,
	    (unsigned long long)edge + 528384);
	t_close(&t);
	t_must("truncate -s 1G a-f002.vmdk");
	t_refused("a.vmdk", BLK_FORMAT_VMDK, "cut off");
	t_must("rm a-f002.vmdk");
	t_refused("a.vmdk", BLK_FORMAT_VMDK, "no such file");
}

static void
other_vmdk(void **state)
{
	static const struct { const char *text, *words; } bad[] = {
		{ "# Disk DescriptorFile\n", "without a type" },
		{ "# Disk DescriptorFile\nversion=9\n", "version: 9" },
		{ "# Disk DescriptorFile\nversion=1\nparentCID=12345678\n",
		    "parent" },
		{ "version=1\ncreateType=\"monolithicFlat\"\n", "without extents" },
		{ "version=1\ncreateType=\"streamOptimized\"\n",
		    "streamOptimized" },
		{ "version=1\ncreateType=\"monolithicFlat\"\n"
		    "RW 8 SPARSE \"x\" 0\n", "SPARSE" },
		{ "version=1\ncreateType=\"monolithicFlat\"\nRW x FLAT \"x\" 0\n",
		    "makes no sense" },
		{ "version=1\ncreateType=\"monolithicFlat\"\nRW 8 FLAT x 0\n",
		    "makes no sense" },
		{ "version=1\ncreateType=\"monolithicFlat\"\n"
		    "RW 99999999999999999999 FLAT \"x\" 0\n", "makes no sense" },
		{ "version=1\ncreateType=\"monolithicFlat\"\nRDONLY 8 FLAT \"x\"\n",
		    "reading only" },
		{ "version=1\ncreateType=\"monolithicFlat\"\nRW 8 FLAT \"x\" 0\n"
		    "RW 8 FLAT \"x\" 0\n", "twice" },
		{ "version=1\ncreateType=\"monolithicFlat\"\nRW 8 FLAT \"a\" 0\n",
		    "twice" },
	};

	(void)state;
	t_must("rm -f a; truncate -s 4096 x");
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		t_must("rm -f a; touch a");
		t_poke("a", bad[i].text, strlen(bad[i].text), 0);
		t_refused("a", BLK_FORMAT_AUTO, bad[i].words);
	}
	t_must("truncate -s 70000 a");
	t_refused("a", BLK_FORMAT_AUTO, "64 KiB");
	t_must("(printf 'version=1\\ncreateType=\"monolithicFlat\"\\n'; "
	    "yes 'RW 8 FLAT \"x\" 0' | head -64) > a");
	t_refused("a", BLK_FORMAT_AUTO, "63 extents");
	t_need_qemu();
	t_must("rm a && qemu-img create -q -f vmdk a 8M");
	t_refused("a", BLK_FORMAT_AUTO, "sparse VMDK");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(detection),
		cmocka_unit_test(guessed_raw),
		cmocka_unit_test(fixed_vhd),
		cmocka_unit_test(dynamic_vhdx),
		cmocka_unit_test(vhdx_log_replay),
		cmocka_unit_test(damaged_vhdx),
		cmocka_unit_test(flat_vmdk),
		cmocka_unit_test(vmdk_content_id),
		cmocka_unit_test(split_vmdk),
		cmocka_unit_test(other_vmdk),
	};

	return cmocka_run_group_tests_name("image", tests, t_setup, t_teardown);
}
