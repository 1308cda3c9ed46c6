// SPDX-License-Identifier: Apache-2.0
//
// A file system that fails on command, for blk-failures: FOLDER seen at MOUNT, where
// every operation that FOLDER/fail names ends with the errno beside it:
//	failing-fs FOLDER MOUNT -f
//	echo "write 5" >FOLDER/fail
// Operations: read write fsync fallocate. No part of the product.
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int folder;

/* What @operation is to fail with; 0: nothing. */
static int
failure(const char *operation)
{
	char text[200], name[20];
	int fd = openat(folder, "fail", O_RDONLY), error, used;
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (const char *at = text; sscanf(at, "%19s %d%n", name, &error, &used) == 2;
	    at += used)
		if (strcmp(name, operation) == 0)
			return -error;
	return 0;
}

static int
fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	return fstatat(folder, path[1] != '\0' ? path + 1 : ".", st, 0) != 0 ?
	    -errno : 0;
}

static int
fs_open(const char *path, struct fuse_file_info *fi)
{
	int fd = openat(folder, path + 1, fi->flags & O_ACCMODE);

	if (fd < 0)
		return -errno;
	fi->fh = (uint64_t)fd;
	fi->direct_io = 1;	/* each read comes here */
	return 0;
}

static int
fs_read(const char *path, char *buf, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	int rc = failure("read");
	ssize_t n;

	(void)path;
	n = rc == 0 ? pread((int)fi->fh, buf, size, off) : 0;
	return rc != 0 ? rc : n < 0 ? -errno : (int)n;
}

static int
fs_write(const char *path, const char *buf, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	int rc = failure("write");
	ssize_t n;

	(void)path;
	n = rc == 0 ? pwrite((int)fi->fh, buf, size, off) : 0;
	return rc != 0 ? rc : n < 0 ? -errno : (int)n;
}

static int
fs_fsync(const char *path, int datasync, struct fuse_file_info *fi)
{
	int rc = failure("fsync");

	(void)path;
	(void)datasync;
	return rc != 0 ? rc : fsync((int)fi->fh) != 0 ? -errno : 0;
}

static int
fs_fallocate(const char *path, int mode, off_t off, off_t len,
    struct fuse_file_info *fi)
{
	int rc = failure("fallocate");

	(void)path;
	return rc != 0 ? rc : fallocate((int)fi->fh, mode, off, len) != 0 ?
	    -errno : 0;
}

static int
fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	int fd = fi != NULL ? (int)fi->fh : openat(folder, path + 1, O_WRONLY);
	int rc = fd < 0 || ftruncate(fd, size) != 0 ? -errno : 0;

	if (fi == NULL && fd >= 0)
		close(fd);
	return rc;
}

static int
fs_release(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	close((int)fi->fh);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct fuse_operations operations = {
		.getattr = fs_getattr, .open = fs_open, .read = fs_read,
		.write = fs_write, .fsync = fs_fsync,
		.fallocate = fs_fallocate, .truncate = fs_truncate,
		.release = fs_release,
	};

	if (argc < 3)
		return 2;
	folder = open(argv[1], O_PATH | O_DIRECTORY);
	if (folder < 0)
		return 2;
	argv[1] = argv[0];
	return fuse_main(argc - 1, argv + 1, &operations, NULL);
}
