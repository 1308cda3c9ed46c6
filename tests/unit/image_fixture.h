/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disk images in a folder of their own, qemu-img to make and to judge them, and a
 * copy of the disk in memory that every read is compared with. For the tests of
 * the image formats; one program, one folder, so its state is static here.
 */
#ifndef BULKHEAD_TESTS_UNIT_IMAGE_FIXTURE_H
#define BULKHEAD_TESTS_UNIT_IMAGE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "device-workers/blk/image.h"

#define T_FILES 80
/* Not every test needs all of this. */
#define T_MAYBE __attribute__((unused))

static char t_dir[64];

struct t_image {
	struct blk_image *img;
	struct blk_backend be;
	uint8_t *ref;		/* what the disk must read as */
	int fd[T_FILES];
	unsigned int nfds;
	char name[128];
	const char *why;
};

/* What t_open() changes from the usual. */
static struct {
	bool readonly, no_sparse, no_backing, direct;
} t_how;

static uint64_t t_seed = 1;

static uint32_t
t_random(void)
{
	t_seed = t_seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(t_seed >> 33);
}

/* A shell command in the folder: its exit status. */
static int __attribute__((format(printf, 1, 2)))
t_run(const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	int at = snprintf(line, sizeof(line), "cd %s && ", t_dir), status;

	va_start(ap, fmt);
	vsnprintf(line + at, sizeof(line) - (size_t)at, fmt, ap);
	va_end(ap);
	status = system(line);	/* NOLINT(cert-env33-c): the tester's own */
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define T_QUIET " >/dev/null 2>&1"
#define t_must(...) assert_int_equal(t_run(__VA_ARGS__), 0)

/* Skips the test where qemu-img is missing, and says so. */
static void
t_need_qemu(void)
{
	static int have = -1;

	if (have < 0)
		have = t_run("qemu-img --version" T_QUIET) == 0;
	if (!have) {
		print_message("# qemu-img is missing (qemu-utils)\n");
		skip();
	}
}

static int
t_setup(void **state)
{
	(void)state;
	snprintf(t_dir, sizeof(t_dir), "%s/bulkhead-image-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(t_dir) == NULL ? -1 : 0;
}

static int
t_teardown(void **state)
{
	(void)state;
	t_run("rm -rf %s", t_dir);
	return 0;
}

static int
t_file(struct t_image *t, const char *name, bool readonly,
    struct blk_image_file *file)
{
	char path[1400];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", t_dir, name);
	fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC |
	    (t_how.direct ? O_DIRECT : 0));
	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	assert_true(t->nfds < T_FILES);
	t->fd[t->nfds++] = fd;
	*file = (struct blk_image_file){
		.fd = fd,
		.size = (uint64_t)st.st_size,
		.device = st.st_dev,
		.inode = st.st_ino,
		.align = t_how.direct ? 4096 : 1,
		.readonly = readonly,
	};
	return 0;
}

/* 0 or the error, then with t->why. */
static int
t_open(struct t_image *t, const char *name, enum blk_format format)
{
	static const uint8_t random[32] = { 0x4b, 0xad, 0xf0, 0x0d, 1, 2, 3 };
	const struct blk_image_how how = {
		.readonly = t_how.readonly,
		.sparse = !t_how.no_sparse,
		.backing = !t_how.no_backing,
	};
	struct blk_image_file file;
	int err;

	memset(t, 0, sizeof(*t));
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->img = blk_image_new(random);
	assert_non_null(t->img);
	assert_int_equal(t_file(t, name, t_how.readonly, &file), 0);
	err = blk_image_open(t->img, &file, format, &how, &t->why);
	while (err > 0) {
		bool extent;
		const char *wants = blk_image_wants(t->img, &extent);

		assert_non_null(wants);
		err = t_file(t, wants, !extent || t_how.readonly, &file);
		if (err != 0) {
			t->why = "no such file";
			break;
		}
		err = blk_image_give(t->img, &file, &t->why);
	}
	if (err == 0)
		blk_image_attach(t->img, &t->be);
	return err;
}

static void
t_close(struct t_image *t)
{
	for (unsigned int i = 0; i < t->nfds; i++)
		close(t->fd[i]);
	blk_image_free(t->img);
	free(t->ref);
	memset(t, 0, sizeof(*t));
}

#define t_ok(t, name, format) do {					\
	int ok_err_ = t_open(t, name, format);				\
	if (ok_err_ != 0)						\
		print_error("%s: %s (%d)\n", name, (t)->why, ok_err_);	\
	assert_int_equal(ok_err_, 0);					\
} while (0)

/* Opening fails with an error that has these words. */
static void T_MAYBE
t_refused(const char *name, enum blk_format format, const char *words)
{
	struct t_image t;
	int err = t_open(&t, name, format);

	assert_true(err < 0);
	if (strstr(t.why, words) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", name, t.why, words);
	t_close(&t);
}

/* The same request in pieces of odd lengths. */
static int
t_io(struct t_image *t, bool write, uint8_t *buf, size_t len, uint64_t off)
{
	struct iovec iov[16];
	unsigned int n = 0;

	while (len > 0) {
		size_t part = n == 15 ? len : 1 + t_random() % len;

		if (t_how.direct && t_random() % 2 == 0)
			part = len;
		iov[n++] = (struct iovec){ buf, part };
		buf += part;
		len -= part;
	}
	return write ? t->be.ops->write(&t->be, iov, n, off) :
	    t->be.ops->read(&t->be, iov, n, off);
}

static void
t_load_ref(struct t_image *t, const char *raw)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", t_dir, raw);
	t->ref = calloc(1, t->be.size);
	assert_non_null(t->ref);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, t->ref, t->be.size) >= 0);
	close(fd);
}

static void
t_compare_range(struct t_image *t, uint64_t off, size_t len)
{
	static _Alignas(4096) uint8_t buf[2u << 20];

	while (len > 0) {
		size_t part = len < sizeof(buf) ? len : sizeof(buf);

		memset(buf, 0xa5, part);
		assert_int_equal(t_io(t, false, buf, part, off), 0);
		if (memcmp(buf, t->ref + off, part) != 0) {
			size_t i = 0;

			while (buf[i] == t->ref[off + i])
				i++;
			fail_msg("%s differs at byte %llu: %02x, not %02x", t->name,
			    (unsigned long long)(off + i), buf[i],
			    t->ref[off + i]);
		}
		off += part;
		len -= part;
	}
}

static void
t_compare_all(struct t_image *t)
{
	t_compare_range(t, 0, t->be.size);
}

/* One request that a guest might make, to both. */
static void
t_step(struct t_image *t, size_t longest)
{
	static _Alignas(4096) uint8_t buf[2u << 20];
	uint64_t unit = t->be.block_size, sectors = t->be.size / unit;
	uint64_t at = t_random() % sectors, n = 1 + t_random() % (longest / unit);
	uint64_t off, len;
	bool unmap = t_random() % 2 == 0;

	if (n > sectors - at)
		n = sectors - at;
	off = at * unit;
	len = n * unit;
	switch (t_random() % 16) {
	case 0:
		assert_int_equal(t->be.ops->discard(&t->be, off, len), 0);
		/* Anything may be there now, but it must stay there. */
		assert_int_equal(t_io(t, false, t->ref + off, len, off), 0);
		break;
	case 1:
	case 2:
		assert_int_equal(t->be.ops->zero(&t->be, off, len, unmap), 0);
		memset(t->ref + off, 0, len);
		break;
	case 3:
		assert_int_equal(t->be.ops->flush(&t->be), 0);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		t_compare_range(t, off, len);
		break;
	default:
		for (uint64_t i = 0; i < len; i += 4) {
			uint32_t word = t_random();

			memcpy(buf + i, &word, 4);
		}
		memcpy(t->ref + off, buf, len);
		assert_int_equal(t_io(t, true, buf, len, off), 0);
		break;
	}
}

static void T_MAYBE
t_steps(struct t_image *t, unsigned int n, size_t longest)
{
	for (unsigned int i = 0; i < n; i++)
		t_step(t, i % 3 == 0 ? longest : 8192);
}

/* qemu-img finds the same bytes, and (with @check) no fault in the image. */
static void
t_judge(struct t_image *t, const char *format, bool check)
{
	char path[128];
	int fd;

	assert_int_equal(blk_image_close(t->img), 0);
	t_compare_all(t);
	snprintf(path, sizeof(path), "%s/ref.raw", t_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, t->ref, t->be.size), t->be.size);
	close(fd);
	if (check)
		t_must("qemu-img check -q -f %s %s", format, t->name);
	/* It warns of bitmaps, into the midst of our lines. */
	t_must("qemu-img compare -q -f %s -F raw %s ref.raw 2>/dev/null", format,
	    t->name);
}

/* @name: a raw file with zeros, data and patterns here and there. */
static void
t_make_raw(const char *name, uint64_t size)
{
	char path[128];
	uint8_t buf[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", t_dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	for (uint64_t off = 0; off + sizeof(buf) <= size; off += sizeof(buf)) {
		uint32_t kind = (uint32_t)(off / 65536 * 7 + off / (1u << 20)) % 5;

		if (kind == 0)
			continue;
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = kind < 3 ? (uint8_t)(i / 64 + off / 4096) :
			    (uint8_t)t_random();
		assert_int_equal(pwrite(fd, buf, sizeof(buf), (off_t)off),
		    sizeof(buf));
	}
	close(fd);
}

/* Bytes of a file, as a bad disk or a bad person would change them. */
static void T_MAYBE
t_poke(const char *name, const void *bytes, size_t len, off_t at)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", t_dir, name);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

#endif
