// SPDX-License-Identifier: Apache-2.0
/*
 * qcow2 images that qemu-img made with every option, read back byte for byte, and
 * written to at random; then qemu-img judges what has become of them.
 */
#include <endian.h>

#include "tests/unit/image_fixture.h"

#define ODD (5u * 512u)

static void
write_and_judge(const char *options, uint64_t size, unsigned int steps,
    size_t longest)
{
	struct t_image t;

	t_must("rm -f a.qcow2 && qemu-img create -q -f qcow2 -o \"%s\" a.qcow2 "
	    "%llu", options, (unsigned long long)size);
	t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
	assert_string_equal(blk_image_format(t.img), "qcow2");
	assert_int_equal(t.be.size, size);
	t.ref = calloc(1, size);
	t_compare_all(&t);
	t_steps(&t, steps, longest);
	t_judge(&t, "qcow2", true);
	t_steps(&t, 20, longest);
	t_judge(&t, "qcow2", true);
	t_close(&t);
}

static void
cluster_sizes(void **state)
{
	(void)state;
	t_need_qemu();
	write_and_judge("cluster_size=512", (6u << 20) + ODD, 300, 262144);
	write_and_judge("cluster_size=1k", (12u << 20) + ODD, 300, 262144);
	write_and_judge("cluster_size=4k", (32u << 20) + ODD, 400, 1u << 20);
	write_and_judge("cluster_size=64k", (64u << 20) + ODD, 400, 2u << 20);
	write_and_judge("cluster_size=2M", (64u << 20) + ODD, 300, 2u << 20);
}

static void
refcount_widths(void **state)
{
	char options[64];

	(void)state;
	t_need_qemu();
	for (unsigned int bits = 1; bits <= 64; bits *= 2) {
		snprintf(options, sizeof(options), "refcount_bits=%u", bits);
		write_and_judge(options, (24u << 20) + ODD, 150, 1u << 20);
		snprintf(options, sizeof(options),
		    "refcount_bits=%u,cluster_size=512", bits);
		write_and_judge(options, (4u << 20) + ODD, 150, 65536);
	}
}

static void
creation_options(void **state)
{
	(void)state;
	t_need_qemu();
	write_and_judge("compat=0.10", (24u << 20) + ODD, 300, 1u << 20);
	write_and_judge("compat=0.10,cluster_size=512", 4u << 20, 300, 65536);
	write_and_judge("lazy_refcounts=on", 24u << 20, 200, 1u << 20);
	write_and_judge("preallocation=metadata", 24u << 20, 200, 1u << 20);
	write_and_judge("preallocation=falloc", 24u << 20, 200, 1u << 20);
	write_and_judge("preallocation=full", 24u << 20, 200, 1u << 20);
	write_and_judge("compression_type=zstd", 24u << 20, 200, 1u << 20);
	write_and_judge("compat=1.1", 512, 20, 512);
}

static void
without_holes(void **state)
{
	(void)state;
	t_need_qemu();
	t_how.no_sparse = true;
	write_and_judge("compat=1.1", (24u << 20) + ODD, 300, 1u << 20);
	t_how.no_sparse = false;
}

static void
direct_io(void **state)
{
	(void)state;
	t_need_qemu();
	t_how.direct = true;
	t_must("touch probe && (dd if=probe of=/dev/null iflag=direct || "
	    "echo no) >/dev/null 2>&1");
	write_and_judge("compat=1.1", (8u << 20) + ODD, 200, 262144);
	write_and_judge("cluster_size=512", (2u << 20) + ODD, 200, 65536);
	t_how.direct = false;
}

static void
convert_and_judge(const char *options, uint64_t size, unsigned int steps)
{
	struct t_image t;

	t_must("rm -f a.qcow2");
	t_make_raw("in.raw", size);
	t_must("qemu-img convert -f raw -O qcow2 %s in.raw a.qcow2", options);
	t_how.readonly = true;
	t_ok(&t, "a.qcow2", BLK_FORMAT_QCOW2);
	t_load_ref(&t, "in.raw");
	t_compare_all(&t);
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t at = t_random() % (size / 512) * 512;

		t_compare_range(&t, at, 512);
	}
	assert_int_equal(t_io(&t, true, t.ref, 512, 0), -EROFS);
	t_close(&t);
	t_how.readonly = false;
	t_ok(&t, "a.qcow2", BLK_FORMAT_QCOW2);
	t_load_ref(&t, "in.raw");
	t_steps(&t, steps, 262144);
	t_judge(&t, "qcow2", true);
	t_close(&t);
}

static void
compressed_clusters(void **state)
{
	(void)state;
	t_need_qemu();
	convert_and_judge("", (16u << 20) + ODD, 100);
	convert_and_judge("-c", (16u << 20) + ODD, 200);
	convert_and_judge("-c -o compat=0.10", (8u << 20) + ODD, 200);
	convert_and_judge("-c -o cluster_size=512", (1u << 20) + ODD, 200);
	convert_and_judge("-c -o cluster_size=4k", (8u << 20) + ODD, 200);
	convert_and_judge("-c -o cluster_size=2M", (16u << 20) + ODD, 100);
	convert_and_judge("-c -o compression_type=zstd", (16u << 20) + ODD, 200);
	convert_and_judge("-c -o compression_type=zstd,cluster_size=4k",
	    (8u << 20) + ODD, 200);
	convert_and_judge("-c -o compression_type=zstd,cluster_size=2M",
	    (16u << 20) + ODD, 100);
	convert_and_judge("-c -o refcount_bits=64", (8u << 20) + ODD, 100);
}

/* @below: how the backing file is made from in.raw; then an overlay of @size. */
static void
overlay_and_judge(const char *below, const char *format, const char *options,
    uint64_t base, uint64_t size)
{
	struct t_image t;

	t_must("rm -f a.qcow2 base");
	t_make_raw("in.raw", base);
	t_must("%s", below);
	t_must("qemu-img create -q -f qcow2 -o \"%s\" -b base -F %s a.qcow2 %llu",
	    options, format, (unsigned long long)size);
	t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
	t_load_ref(&t, "in.raw");
	t_compare_all(&t);
	t_steps(&t, 200, 1u << 20);
	t_judge(&t, "qcow2", true);
	t_close(&t);
	/* The backing file is as it was. */
	t_must("qemu-img compare -q -f %s -F raw base in.raw", format);
}

static void
backing_files(void **state)
{
	(void)state;
	t_need_qemu();
	overlay_and_judge("cp in.raw base", "raw", "compat=v3", 16u << 20, 16u << 20);
	overlay_and_judge("cp in.raw base", "raw", "compat=v3", (4u << 20) + ODD,
	    (16u << 20) + 512);
	overlay_and_judge("cp in.raw base", "raw", "compat=0.10",
	    (4u << 20) + ODD, 16u << 20);
	overlay_and_judge("cp in.raw base", "raw", "cluster_size=512",
	    (2u << 20) + ODD, 3u << 20);
	overlay_and_judge("qemu-img convert -O qcow2 in.raw base", "qcow2",
	    "cluster_size=4k", (8u << 20) + ODD, 16u << 20);
	overlay_and_judge("qemu-img convert -c -O qcow2 -o cluster_size=4k,"
	    "compression_type=zstd in.raw base", "qcow2", "compat=v3", 8u << 20,
	    16u << 20);
	overlay_and_judge("qemu-img convert -c -O qcow2 in.raw one && "
	    "qemu-img create -q -f qcow2 -b one -F qcow2 two && "
	    "qemu-img create -q -f qcow2 -o cluster_size=2M -b two -F qcow2 base",
	    "qcow2", "compat=v3", 8u << 20, 16u << 20);
}

static void
chains_end(void **state)
{
	struct t_image t;

	(void)state;
	t_need_qemu();
	t_must("for i in $(seq 0 16); do qemu-img create -q -f qcow2 c$i 1M; done; "
	    "for i in $(seq 1 16); do "
	    "qemu-img rebase -u -f qcow2 -b c$((i - 1)) -F qcow2 c$i; done");
	t_ok(&t, "c15", BLK_FORMAT_AUTO);
	t_close(&t);
	t_refused("c16", BLK_FORMAT_AUTO, "more than 16 images");
	/* c1 -> c0 -> c1, and one that is its own. */
	t_must("qemu-img rebase -u -f qcow2 -b c1 -F qcow2 c0");
	t_refused("c1", BLK_FORMAT_AUTO, "twice");
	t_must("qemu-img rebase -u -f qcow2 -b c2 -F qcow2 c2");
	t_refused("c2", BLK_FORMAT_AUTO, "twice");
	/* The format of a backing file is named, and is one of two. */
	t_must("qemu-img create -q -f qcow2 c3 1M && "
	    "qemu-img rebase -u -f qcow2 -b c0 -F vmdk c3");
	t_refused("c3", BLK_FORMAT_AUTO, "not supported: vmdk");
	t_how.no_backing = true;
	t_refused("c3", BLK_FORMAT_AUTO, "backing_files=on");
	t_how.no_backing = false;
	t_poke("c3", "\0\0\0\0", 4, 104 + 8);	/* takes the extension away */
}

static void
refused_by_name(void **state)
{
	static const uint8_t bit9[8] = { 0, 0, 0, 0, 0, 0, 2, 0 };
	struct t_image t;

	(void)state;
	t_need_qemu();
	t_must("qemu-img create -q -f qcow2 -o extended_l2=on a 1M");
	t_refused("a", BLK_FORMAT_AUTO, "extended L2");
	t_must("qemu-img create -q -f qcow2 -o data_file=a.data a 1M");
	t_refused("a", BLK_FORMAT_AUTO, "external data file");
	t_must("qemu-img create -q -f qcow2 a 1M");
	t_poke("a", "\0\0\0\2", 4, 32);	/* LUKS */
	t_refused("a", BLK_FORMAT_AUTO, "encrypted");
	t_must("qemu-img create -q -f qcow2 a 1M && "
	    "qemu-img snapshot -c one a");
	t_refused("a", BLK_FORMAT_AUTO, "internal snapshots");
	t_must("qemu-img snapshot -d one a");
	t_ok(&t, "a", BLK_FORMAT_AUTO);
	t_close(&t);
	t_must("qemu-img create -q -f qcow a 1M");
	t_refused("a", BLK_FORMAT_AUTO, "version 1");
	t_must("qemu-img create -q -f qcow2 a 1M");
	t_poke("a", bit9, 8, 72);
	t_refused("a", BLK_FORMAT_AUTO, "bit 09");
	t_must("qemu-img create -q -f qcow2 a 1M");
	t_poke("a", "\0\0\0\0\0\0\0\2", 8, 72);
	t_refused("a", BLK_FORMAT_AUTO, "marked corrupt");
	t_how.readonly = true;
	t_ok(&t, "a", BLK_FORMAT_AUTO);
	t_how.readonly = false;
	t_close(&t);
	t_must("qemu-img create -q -f raw a 1M");
	t_refused("a", BLK_FORMAT_QCOW2, "not a qcow2");
}

static void
lazy_refcounts(void **state)
{
	struct t_image t;

	(void)state;
	t_need_qemu();
	for (unsigned int i = 0; i < 3; i++) {
		static const char *const options[] = {
			"lazy_refcounts=on",
			"lazy_refcounts=on,cluster_size=512,refcount_bits=1",
			"lazy_refcounts=on,cluster_size=4k,refcount_bits=64",
		};

		t_must("rm -f a.qcow2 && qemu-img create -q -f qcow2 -o %s "
		    "a.qcow2 8M && ! qemu-io -f qcow2 -c 'write -P 7 1M 2M' "
		    "-c 'write -P 9 5000k 33k' -c 'abort' a.qcow2" T_QUIET,
		    options[i]);
		/* It is dirty: its refcounts are those of an empty image. */
		t_must("! qemu-img check -q -f qcow2 a.qcow2" T_QUIET);
		t_how.readonly = true;
		t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
		t_close(&t);
		t_how.readonly = false;
		t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
		t.ref = calloc(1, t.be.size);
		memset(t.ref + (1u << 20), 7, 2u << 20);
		memset(t.ref + 5000 * 1024, 9, 33 * 1024);
		t_compare_all(&t);
		t_must("qemu-img check -q -f qcow2 a.qcow2");
		t_steps(&t, 100, 65536);
		t_judge(&t, "qcow2", true);
		t_close(&t);
	}
}

static void
bitmaps_are_dropped(void **state)
{
	struct t_image t;

	(void)state;
	t_need_qemu();
	t_must("rm -f a.qcow2 && qemu-img create -q -f qcow2 a.qcow2 8M && "
	    "qemu-img bitmap --add a.qcow2 b0");
	t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
	t.ref = calloc(1, t.be.size);
	t_steps(&t, 50, 65536);
	/* Its clusters are nobody's now, which is all that is wrong: status 3. */
	assert_int_equal(blk_image_close(t.img), 0);
	t_must("qemu-img check -f qcow2 a.qcow2 " T_QUIET "; test $? -eq 3 -o "
	    "$? -eq 0");
	t_judge(&t, "qcow2", false);
	t_close(&t);
}

/* In use, from 8 MiB to 3 GiB: six L2 tables in place of one. */
static void
grows_in_use(void **state)
{
	static uint8_t buf[65536];
	const uint64_t large = 3ull << 30;
	const char *why = NULL;
	struct t_image t;

	(void)state;
	t_need_qemu();
	t_must("rm -f a.qcow2 && qemu-img create -q -f qcow2 a.qcow2 8M");
	t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
	memset(buf, 0x31, sizeof(buf));
	assert_int_equal(t_io(&t, true, buf, sizeof(buf), 0), 0);
	assert_int_equal(blk_image_resize(t.img, 0, &why), -EINVAL);
	assert_non_null(strstr(why, "multiple"));
	assert_int_equal(blk_image_resize(t.img, large + 1, &why), -EINVAL);
	assert_int_equal(blk_image_resize(t.img, 1ull << 45, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why, "L1 table"));
	assert_int_equal(blk_image_resize(t.img, large, &why), 0);
	blk_image_attach(t.img, &t.be);
	assert_int_equal(t.be.size, large);
	assert_int_equal(t_io(&t, true, buf, sizeof(buf), large - sizeof(buf)), 0);
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(t_io(&t, false, buf, sizeof(buf), large / 2), 0);
	assert_int_equal(buf[0] | buf[sizeof(buf) - 1], 0);
	assert_int_equal(blk_image_close(t.img), 0);
	t_must("qemu-img check -q -f qcow2 a.qcow2 && qemu-img info a.qcow2 | "
	    "grep -q '3221225472 bytes' && qemu-io -r -f qcow2 -c "
	    "'read -q -P 0x31 3221159936 64k' -c 'read -q -P 0x31 0 64k' -c "
	    "'read -q -P 0 1G 64k' a.qcow2");
	t_close(&t);
	/* Not where a backing file's bytes would come to light. */
	t_must("rm -f a.qcow2 base && truncate -s 16M base && "
	    "qemu-img create -q -f qcow2 -b base -F raw a.qcow2 8M");
	t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
	assert_int_equal(blk_image_resize(t.img, 16 << 20, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why, "backing"));
	t_close(&t);
}

/*
 * Smaller and larger again, by any sizes: what is cut off is zeros when it is back, the
 * rest stays, and qemu-img finds no fault in any of it.
 */
static void
shrinks_in_use(void **state)
{
	static const char *const how[] = {
		"-o cluster_size=512", "-o cluster_size=4k,refcount_bits=1",
		"-c -o cluster_size=64k", "-o compat=0.10,cluster_size=1k", "",
	};
	const uint64_t most = 2u << 20;
	const char *why = NULL;
	struct t_image t;

	(void)state;
	t_need_qemu();
	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		t_make_raw("in.raw", most);
		t_must("rm -f a.qcow2 && qemu-img convert -O qcow2 %s in.raw "
		    "a.qcow2", how[i]);
		t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
		t_load_ref(&t, "in.raw");
		for (unsigned int k = 0; k < 24; k++) {
			uint64_t old = t.be.size;
			uint64_t size = (1 + t_random() % (most / 512)) * 512;

			assert_int_equal(t.be.ops->resize(&t.be, size, &why), 0);
			assert_int_equal(t.be.size, size);
			if (size > old)
				memset(t.ref + old, 0, size - old);
			t_compare_all(&t);
			t_must("qemu-img check -q -f qcow2 a.qcow2" T_QUIET
			    "; test $? = 0 -o $? = 3");
			t_steps(&t, 4, 65536);
		}
		t_judge(&t, "qcow2", true);
		t_close(&t);
	}
}

/* What is behind the end is given back, with its tables: as good as new. */
static void
shrinking_gives_back(void **state)
{
	static uint8_t buf[1u << 20];
	const char *why = NULL;
	struct t_image t;
	struct stat st;

	(void)state;
	t_need_qemu();
	t_must("rm -f a.qcow2 base && truncate -s 4M base && qemu-img create -q "
	    "-f qcow2 -b base -F raw -o cluster_size=4k a.qcow2 16M");
	t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
	memset(buf, 0x5a, sizeof(buf));
	for (uint64_t at = 0; at < t.be.size; at += sizeof(buf))
		assert_int_equal(t_io(&t, true, buf, sizeof(buf), at), 0);
	assert_int_equal(t.be.ops->resize(&t.be, 2u << 20, &why), 0);
	assert_int_equal(fstat(t.fd[0], &st), 0);
	assert_in_range(st.st_blocks * 512, 2u << 20, 3u << 20);
	/* The backing file's bytes would show. */
	assert_int_equal(t.be.ops->resize(&t.be, 16u << 20, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why, "backing"));
	assert_int_equal(blk_image_close(t.img), 0);
	t_must("qemu-img check -q -f qcow2 a.qcow2 && qemu-io -r -f qcow2 -c "
	    "'read -q -P 0x5a 0 2M' a.qcow2 && qemu-img info a.qcow2 | "
	    "grep -q '2097152 bytes'");
	t_close(&t);
}

/* Discarding gives storage back, and what was given back is used again. */
static void
space_is_reused(void **state)
{
	static uint8_t buf[1u << 20];
	struct t_image t;
	struct stat st;

	(void)state;
	t_need_qemu();
	t_must("rm -f a.qcow2 && qemu-img create -q -f qcow2 a.qcow2 64M");
	t_ok(&t, "a.qcow2", BLK_FORMAT_AUTO);
	t.ref = calloc(1, t.be.size);
	memset(buf, 0x5a, sizeof(buf));
	for (unsigned int i = 0; i < 200; i++) {
		uint64_t at = (uint64_t)(i % 60) << 20;

		assert_int_equal(t_io(&t, true, buf, sizeof(buf), at), 0);
		assert_int_equal(t.be.ops->zero(&t.be, at, sizeof(buf), true), 0);
		assert_int_equal(t.be.ops->flush(&t.be), 0);
	}
	assert_int_equal(fstat(t.fd[0], &st), 0);
	assert_true(st.st_size < 24 << 20);
	assert_true(st.st_blocks * 512 < 4 << 20);
	t_judge(&t, "qcow2", true);
	t_close(&t);
}

static void
poke64(const char *name, uint64_t value, off_t at)
{
	value = htobe64(value);
	t_poke(name, &value, sizeof(value), at);
}

static uint64_t
peek64(const char *name, off_t at)
{
	uint64_t value = 0;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", t_dir, name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &value, 8, at), 8);
	close(fd);
	return be64toh(value);
}

/* The same image with one word of its header changed. */
static void
changed_header(off_t at, uint64_t value, unsigned int len, const char *words)
{
	uint8_t bytes[8];

	for (unsigned int i = 0; i < len; i++)
		bytes[i] = (uint8_t)(value >> 8 * (len - 1 - i));
	t_must("cp good a");
	t_poke("a", bytes, len, at);
	t_refused("a", BLK_FORMAT_QCOW2, words);
}

static void
damaged_headers(void **state)
{
	(void)state;
	t_need_qemu();
	t_must("rm -f a good && qemu-img create -q -f qcow2 good 64M && "
	    "qemu-io -f qcow2 -c 'write -P 1 0 1M' good" T_QUIET);
	changed_header(0, 0x4b444d56, 4, "not a qcow2");
	changed_header(4, 4, 4, "unknown version");
	changed_header(20, 8, 4, "cluster size");
	changed_header(20, 22, 4, "cluster size");
	changed_header(24, 1ull << 63, 8, "impossible size");
	changed_header(24, 513, 8, "impossible size");
	changed_header(24, 1ull << 62, 8, "too large an L1");
	changed_header(24, 1ull << 40, 8, "too small an L1");
	changed_header(36, 0xffffffff, 4, "too large an L1");
	changed_header(36, 0x100000, 4, "cut off");
	changed_header(40, 0, 8, "L1 table out of place");
	changed_header(40, 65536 + 512, 8, "L1 table out of place");
	changed_header(40, 1ull << 62, 8, "L1 table out of place");
	changed_header(40, 65536, 8, "on top of another table");
	changed_header(48, 0, 8, "refcount table out of place");
	changed_header(48, 1ull << 50, 8, "refcount table out of place");
	changed_header(56, 0, 4, "impossible refcount table");
	changed_header(56, 0xffffffff, 4, "impossible refcount table");
	changed_header(96, 7, 4, "64 bits");
	changed_header(100, 8, 4, "header length");
	changed_header(100, 0x10000008, 4, "header length");
	changed_header(104, 7, 1, "compression type");
	changed_header(8, 0x12345678, 8, "backing file name");
	t_must("cp good a && truncate -s 50 a");
	t_refused("a", BLK_FORMAT_QCOW2, "whole header");
	t_must("cp good a && truncate -s 100k a");
	t_refused("a", BLK_FORMAT_QCOW2, "cut off");
	t_must("truncate -s 0 a");
	t_refused("a", BLK_FORMAT_QCOW2, "whole header");
}

static void
damaged_tables(void **state)
{
	uint8_t buf[4096] = { 1 };
	uint64_t l1, l2, rt, data;
	struct t_image t;

	(void)state;
	t_need_qemu();
	t_must("rm -f a good && qemu-img create -q -f qcow2 good 2G && "
	    "qemu-io -f qcow2 -c 'write -P 1 0 64k' -c 'write -P 2 1G 64k' good"
	    T_QUIET);
	l1 = peek64("good", 40);
	rt = peek64("good", 48);
	l2 = peek64("good", (off_t)l1) & 0x00fffffffffffe00ull;
	data = peek64("good", (off_t)l2) & 0x00fffffffffffe00ull;
	/* Two L1 entries for one L2 table; the L2 table on the L1; beyond. */
	t_must("cp good a");
	poke64("a", l2 | 1ull << 63, (off_t)l1 + 8);
	t_refused("a", BLK_FORMAT_QCOW2, "on top of another table");
	t_must("cp good a");
	poke64("a", l1 | 1ull << 63, (off_t)l1);
	t_refused("a", BLK_FORMAT_QCOW2, "on top of another table");
	t_must("cp good a");
	poke64("a", 1ull << 40, (off_t)l1);
	t_refused("a", BLK_FORMAT_QCOW2, "L2 table out of place");
	/* A refcount block that is the refcount table. */
	t_must("cp good a");
	poke64("a", rt, (off_t)rt);
	t_refused("a", BLK_FORMAT_QCOW2, "on top of another table");
	t_must("cp good a");
	poke64("a", 0, (off_t)rt);
	t_refused("a", BLK_FORMAT_QCOW2, "wrong refcounts");
	/* The guest's data on the L1 table: no write goes there. */
	t_must("cp good a");
	poke64("a", l1 | 1ull << 63, (off_t)l2);
	t_ok(&t, "a", BLK_FORMAT_QCOW2);
	assert_int_equal(t_io(&t, true, buf, 4096, 0), -EIO);
	assert_int_equal(t_io(&t, true, buf, 4096, 1 << 20), -EIO);
	t_close(&t);
	assert_int_equal(peek64("a", 72) & 2, 2);	/* marked corrupt */
	assert_int_equal(peek64("a", (off_t)l1) & 0x00fffffffffffe00ull, l2);
	/* Nor do discards free it. */
	t_must("cp good a");
	poke64("a", l1 | 1ull << 63, (off_t)l2);
	t_ok(&t, "a", BLK_FORMAT_QCOW2);
	assert_int_equal(t.be.ops->discard(&t.be, 0, 65536), -EIO);
	t_close(&t);
	/* Impossible entries; a cluster that is cut off. */
	t_must("cp good a");
	poke64("a", data | 1ull << 63 | 1ull << 58, (off_t)l2);
	t_ok(&t, "a", BLK_FORMAT_QCOW2);
	assert_int_equal(t_io(&t, false, buf, 4096, 0), -EIO);
	assert_int_equal(t_io(&t, true, buf, 4096, 0), -EIO);
	t_close(&t);
	t_must("cp good a");
	poke64("a", 1ull << 50 | 1ull << 63, (off_t)l2);
	t_ok(&t, "a", BLK_FORMAT_QCOW2);
	assert_int_equal(t_io(&t, false, buf, 4096, 0), -EIO);
	assert_int_equal(t_io(&t, true, buf, 4096, 0), -EIO);
	t_close(&t);
	/* A compressed cluster of rubbish. */
	t_must("cp good a");
	poke64("a", 1ull << 62 | data, (off_t)l2);
	t_ok(&t, "a", BLK_FORMAT_QCOW2);
	assert_int_equal(t_io(&t, false, buf, 4096, 0), -EIO);
	assert_int_equal(t_io(&t, false, buf, 4096, 1 << 30), 0);
	assert_int_equal(buf[0], 2);
	t_close(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cluster_sizes),
		cmocka_unit_test(refcount_widths),
		cmocka_unit_test(creation_options),
		cmocka_unit_test(without_holes),
		cmocka_unit_test(direct_io),
		cmocka_unit_test(compressed_clusters),
		cmocka_unit_test(backing_files),
		cmocka_unit_test(chains_end),
		cmocka_unit_test(refused_by_name),
		cmocka_unit_test(lazy_refcounts),
		cmocka_unit_test(bitmaps_are_dropped),
		cmocka_unit_test(grows_in_use),
		cmocka_unit_test(shrinks_in_use),
		cmocka_unit_test(shrinking_gives_back),
		cmocka_unit_test(space_is_reused),
		cmocka_unit_test(damaged_headers),
		cmocka_unit_test(damaged_tables),
	};

	return cmocka_run_group_tests_name("qcow2", tests, t_setup, t_teardown);
}
