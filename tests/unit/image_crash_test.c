// SPDX-License-Identifier: Apache-2.0
/*
 * The host loses power at any moment: of what was written to the image since the
 * last fdatasync, any sectors are there and any are not. The image must then be
 * one that qemu-img finds no fault in but clusters that nobody uses, and must
 * have every byte that the guest had flushed. pwritev, fdatasync and fallocate are
 * wrapped (-Wl,--wrap) to know what is durable.
 */
#include <sys/uio.h>

#include "tests/unit/image_fixture.h"

#define FILE_MAX (48u << 20)
#define SECTOR 512u
#define PENDING_MAX 65536u

static struct {
	int fd;				/* of the image; -1: nothing is recorded */
	uint64_t size;			/* durable */
	uint8_t *durable;
	uint8_t *now;
	uint64_t now_size;
	uint32_t pending[PENDING_MAX];	/* sectors that differ, maybe */
	unsigned int npending;
	bool *listed;
} disk = { .fd = -1 };

/* The guest's view, and how soon the power fails in the midst of a request. */
static struct {
	const char *format;
	uint8_t *flushed;
	bool *touched;			/* written to since the last flush */
	uint64_t size;
	uint64_t next;			/* the size that it is about to have */
	unsigned int calls;		/* until then */
} guest;

static void examine(void);

static void
maybe_fail(int fd)
{
	if (fd != disk.fd || guest.calls == 0 || --guest.calls > 0)
		return;
	examine();
	disk.fd = fd;
}

ssize_t __real_pwritev(int fd, const struct iovec *iov, int n, off_t off);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t off);
ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int n, off_t off,
    int flags);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fallocate(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate(int fd, int mode, off_t off, off_t len);

static void
changed(uint64_t off, uint64_t len)
{
	for (uint64_t s = off / SECTOR; s <= (off + len - 1) / SECTOR; s++) {
		if (disk.listed[s])
			continue;
		assert_true(disk.npending < PENDING_MAX);
		disk.listed[s] = true;
		disk.pending[disk.npending++] = (uint32_t)s;
	}
}

ssize_t
__wrap_pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
	uint64_t at = (uint64_t)off;

	maybe_fail(fd);
	for (int i = 0; fd == disk.fd && i < n; i++) {
		assert_true(at + iov[i].iov_len <= FILE_MAX);
		if (iov[i].iov_len == 0)
			continue;
		memcpy(disk.now + at, iov[i].iov_base, iov[i].iov_len);
		changed(at, iov[i].iov_len);
		at += iov[i].iov_len;
		if (at > disk.now_size)
			disk.now_size = at;
	}
	return __real_pwritev(fd, iov, n, off);
}

/* Of a file only what was written, but that for good. */
ssize_t
__wrap_pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	uint64_t end = (uint64_t)off;
	ssize_t done;

	done = __wrap_pwritev(fd, iov, n, off);
	if (fd != disk.fd || flags == 0)
		return done;
	assert_int_equal(flags, RWF_DSYNC);
	for (int i = 0; i < n; i++)
		end += iov[i].iov_len;
	for (uint64_t s = (uint64_t)off / SECTOR; s <= (end - 1) / SECTOR; s++)
		memcpy(disk.durable + s * SECTOR, disk.now + s * SECTOR, SECTOR);
	if (end > disk.size)
		disk.size = end;
	return done;
}

int
__wrap_fdatasync(int fd)
{
	maybe_fail(fd);
	if (fd == disk.fd) {
		for (unsigned int i = 0; i < disk.npending; i++) {
			uint64_t at = (uint64_t)disk.pending[i] * SECTOR;

			memcpy(disk.durable + at, disk.now + at, SECTOR);
			disk.listed[disk.pending[i]] = false;
		}
		disk.npending = 0;
		disk.size = disk.now_size;
	}
	return 0;
}

int
__wrap_fallocate(int fd, int mode, off_t off, off_t len)
{
	if (fd == disk.fd && off < (off_t)disk.now_size) {
		if (off + len > (off_t)disk.now_size)
			len = (off_t)disk.now_size - off;
		memset(disk.now + off, 0, (size_t)len);
		changed((uint64_t)off, (uint64_t)len);
	}
	return __real_fallocate(fd, mode, off, len);
}

static void
record(int fd)
{
	struct stat st;

	if (disk.durable == NULL) {
		disk.durable = malloc(FILE_MAX);
		disk.now = malloc(FILE_MAX);
		disk.listed = malloc(FILE_MAX / SECTOR);
	}
	assert_non_null(disk.listed);
	memset(disk.durable, 0, FILE_MAX);
	memset(disk.listed, 0, FILE_MAX / SECTOR);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pread(fd, disk.durable, FILE_MAX, 0), st.st_size);
	memcpy(disk.now, disk.durable, FILE_MAX);
	disk.size = disk.now_size = (uint64_t)st.st_size;
	disk.npending = 0;
	disk.fd = fd;
}

/* What is left, into a file. */
static void
lose_power(const char *name)
{
	uint8_t *left = malloc(FILE_MAX);
	uint64_t size = disk.size;
	unsigned int mood = t_random() % 4;
	char path[128];
	int fd;

	assert_non_null(left);
	memcpy(left, disk.durable, FILE_MAX);
	for (unsigned int i = 0; i < disk.npending; i++) {
		uint64_t at = (uint64_t)disk.pending[i] * SECTOR;

		/* Few, half, most, or those written last. */
		if ((mood == 0 && t_random() % 8 != 0) ||
		    (mood == 1 && t_random() % 2 != 0) ||
		    (mood == 2 && t_random() % 8 == 0) ||
		    (mood == 3 && i < disk.npending / 2))
			continue;
		memcpy(left + at, disk.now + at, SECTOR);
		if (at + SECTOR > size)
			size = at + SECTOR;
	}
	snprintf(path, sizeof(path), "%s/%s", t_dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, left, size), size);
	close(fd);
	free(left);
}

static void
examine(void)
{
	const char *format = guest.format;
	uint8_t sector[SECTOR];
	struct t_image t;
	int check;

	lose_power("crashed");
	if (strcmp(format, "qcow2") == 0) {
		check = t_run("qemu-img check -q -f %s crashed" T_QUIET, format);
		if (check != 0 && check != 3)
			t_run("qemu-img check -f %s crashed | head", format);
		assert_true(check == 0 || check == 3);
	} else {
		t_must("qemu-img check -q -f %s crashed", format);
	}
	disk.fd = -1;
	t_ok(&t, "crashed", BLK_FORMAT_AUTO);
	/* Of the old size it has all of it; grown, zeros. */
	assert_true(t.be.size == guest.size || t.be.size == guest.next);
	for (uint64_t i = 0; i < t.be.size / SECTOR; i++) {
		if (i < guest.size / SECTOR && guest.touched[i])
			continue;
		assert_int_equal(t_io(&t, false, sector, SECTOR, i * SECTOR), 0);
		if (memcmp(sector, guest.flushed + i * SECTOR, SECTOR) != 0)
			fail_msg("sector %llu was flushed, and is lost",
			    (unsigned long long)i);
	}
	t_close(&t);
}

static void
step(struct t_image *t)
{
	static uint8_t buf[65536];
	uint64_t sectors = t->be.size / SECTOR, at = t_random() % sectors;
	uint64_t n = 1 + t_random() % (t_random() % 4 == 0 ? 128 : 8);
	uint64_t off = at * SECTOR, len;
	uint32_t what;

	if (n > sectors - at)
		n = sectors - at;
	len = n * SECTOR;
	what = t_random() % 8;
	if (what == 1 || what == 2)
		len = len * 8 < t->be.size - off ? len * 8 : t->be.size - off;
	if (what != 0)
		memset(guest.touched + at, 1, len / SECTOR);
	switch (what) {
	case 0:
		assert_int_equal(t->be.ops->flush(&t->be), 0);
		memcpy(guest.flushed, t->ref, t->be.size);
		memset(guest.touched, 0, sectors);
		return;
	case 1:
		assert_int_equal(t->be.ops->zero(&t->be, off, len, true), 0);
		memset(t->ref + off, 0, len);
		break;
	case 2:
		assert_int_equal(t->be.ops->discard(&t->be, off, len), 0);
		assert_int_equal(t_io(t, false, t->ref + off, len, off), 0);
		break;
	default:
		memset(buf, (int)(t_random() | 1) & 0xff, len);
		memcpy(t->ref + off, buf, len);
		assert_int_equal(t_io(t, true, buf, len, off), 0);
		break;
	}
}

/* Make an image by @how, from in.raw, which is its contents. */
static void
crash_often(const char *how, const char *format, uint64_t size,
    unsigned int crashes)
{
	struct t_image t;

	guest.format = format;
	guest.size = guest.next = size;
	guest.flushed = malloc(size);
	guest.touched = calloc(size / SECTOR, 1);
	assert_true(guest.flushed != NULL && guest.touched != NULL);
	t_must("rm -f a base");
	t_make_raw("in.raw", size);
	t_must("%s", how);
	t_ok(&t, "a", BLK_FORMAT_AUTO);
	t_load_ref(&t, "in.raw");
	memcpy(guest.flushed, t.ref, size);
	record(t.fd[0]);
	for (unsigned int i = 0; i < crashes; i++) {
		guest.calls = 1 + t_random() % 16;
		while (guest.calls > 0)
			step(&t);
	}
	disk.fd = -1;
	t_judge(&t, format, true);
	t_close(&t);
	free(guest.flushed);
	free(guest.touched);
}

/* Of @size bytes, and up to that: the power fails while it gets another size. */
static void
resize_often(const char *how, uint64_t size, unsigned int crashes)
{
	const char *why = NULL;
	struct t_image t;

	guest.format = "qcow2";
	guest.size = guest.next = size;
	guest.flushed = malloc(size);
	guest.touched = calloc(size / SECTOR, 1);
	assert_true(guest.flushed != NULL && guest.touched != NULL);
	t_must("rm -f a base");
	t_make_raw("in.raw", size);
	t_must("%s", how);
	t_ok(&t, "a", BLK_FORMAT_AUTO);
	t_load_ref(&t, "in.raw");
	memcpy(guest.flushed, t.ref, size);
	record(t.fd[0]);
	for (unsigned int i = 0; i < crashes;) {
		uint64_t old = t.be.size;

		guest.next = (1 + t_random() % (size / SECTOR)) * SECTOR;
		if (guest.next > old) {
			memset(t.ref + old, 0, guest.next - old);
			memset(guest.flushed + old, 0, guest.next - old);
			memset(guest.touched + old / SECTOR, 0,
			    (guest.next - old) / SECTOR);
		}
		guest.calls = 1 + t_random() % 24;
		assert_int_equal(t.be.ops->resize(&t.be, guest.next, &why), 0);
		i += guest.calls == 0;
		guest.calls = 0;
		guest.size = guest.next;
		for (unsigned int k = t_random() % 8; k > 0; k--)
			step(&t);
	}
	disk.fd = -1;
	t_judge(&t, "qcow2", true);
	t_close(&t);
	free(guest.flushed);
	free(guest.touched);
}

static void
qcow2_survives_resizes(void **state)
{
	(void)state;
	t_need_qemu();
	resize_often("qemu-img convert -O qcow2 in.raw a", 4u << 20, 24);
	resize_often("qemu-img convert -O qcow2 -o cluster_size=512 in.raw a",
	    1u << 20, 24);
	resize_often("qemu-img convert -c -O qcow2 -o compat=0.10,"
	    "cluster_size=4k in.raw a", 2u << 20, 24);
}

static void
qcow2_survives(void **state)
{
	(void)state;
	t_need_qemu();
	crash_often("qemu-img convert -O qcow2 in.raw a", "qcow2", 8u << 20, 24);
	crash_often("qemu-img convert -O qcow2 -o cluster_size=512 in.raw a",
	    "qcow2", 1u << 20, 24);
	crash_often("qemu-img convert -O qcow2 -o cluster_size=512,"
	    "refcount_bits=64 in.raw a", "qcow2", 1u << 20, 24);
	crash_often("qemu-img convert -c -O qcow2 -o cluster_size=4k in.raw a",
	    "qcow2", 4u << 20, 32);
	crash_often("cp in.raw base && qemu-img create -q -f qcow2 -b base -F raw "
	    "-o cluster_size=4k a", "qcow2", 4u << 20, 32);
	crash_often("cp in.raw base && qemu-img create -q -f qcow2 -b base -F raw "
	    "-o cluster_size=512 a", "qcow2", 2u << 20, 32);
	crash_often("qemu-img convert -O qcow2 -o compat=0.10,cluster_size=4k "
	    "in.raw a", "qcow2", 4u << 20, 24);
}

static void
vhdx_survives(void **state)
{
	(void)state;
	t_need_qemu();
	crash_often("qemu-img convert -O vhdx -o block_size=1M in.raw a", "vhdx",
	    16u << 20, 16);
	crash_often("rm in.raw && truncate -s 24M in.raw && "
	    "qemu-img create -q -f vhdx -o block_size=1M a 24M", "vhdx",
	    24u << 20, 24);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qcow2_survives),
		cmocka_unit_test(qcow2_survives_resizes),
		cmocka_unit_test(vhdx_survives),
	};
	int failed = cmocka_run_group_tests_name("image_crash", tests, t_setup,
	    t_teardown);

	free(disk.durable);
	free(disk.now);
	free(disk.listed);
	return failed;
}
