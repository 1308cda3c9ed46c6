// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-fs in its jail, on a directory: every request that it knows,
 * on every kind of ring; names that lead out, links that do, sizes that lie; lookups
 * and what is open without end; two shares of one directory.
 */
#include <linux/falloc.h>
#include <sys/mman.h>

#include "tests/native/fs_drive.h"

/* What a file system is for, on each kind of ring. */
static bool
files_on(size_t ring)
{
	uint8_t data[70000];
	struct fuse_setattr_in set = { .valid = FATTR_MODE | FATTR_SIZE |
		FATTR_MTIME, .mode = S_IFREG | 0600, .size = 5, .mtime = 1234 };
	uint64_t node = 0, fh = 0, fh2;
	struct stat st;

	MUST(start(false, BH__FS_CACHE__FS_CACHE_AUTO, dir));
	MUST(memcmp(vm.config, "share\0\0", 7) == 0 && vm.config[36] == 1 &&
	    vm.config_len == 40 && vm.virtio_id == 26);
	MUST(activate(&vm, ring, 2) == 0);
	table = (rings[ring].features & 1ull << VIRTIO_F_INDIRECT_DESC) != 0 ?
	    TABLE : 0;
	MUST(lookup(1, "a") == EIO);	/* there is no session yet */
	MUST(init() == 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	MUST(lookup(1, "a") == ENOENT);
	MUST(create(1, "a", O_RDWR | O_EXCL, &node, &fh) == 0);
	MUST(create(1, "a", O_RDWR | O_EXCL, &node, &fh2) == EEXIST);
	MUST(do_write(node, fh, 0, data, sizeof(data)) == 0);
	MUST(((const struct fuse_write_out *)body())->size == sizeof(data));
	MUST(do_read(node, fh, 3, sizeof(data)) == 0);
	MUST(answered == sizeof(data) - 3 &&
	    memcmp(body(), data + 3, answered) == 0);
	/* The same with a border within the headers and the data. */
	for (unsigned int cut = 1; cut < 200; cut += full ? 1 : 13) {
		const struct fuse_read_in in = { .fh = fh, .size = 5000 };

		MUST(submit(put(FUSE_READ, node, &in, sizeof(in), "", 0), 6000,
		    cut) == 0 && answered == 5000 &&
		    memcmp(body(), data, answered) == 0);
	}
	MUST(setattr(node, &set) == 0 && attr().size == 5 &&
	    attr().mode == (S_IFREG | 0600) && attr().mtime == 1234);
	MUST(fstatat(AT_FDCWD, dir, &st, 0) == 0);
	MUST(release(node, fh, FUSE_RELEASE) == 0);
	MUST(release(node, fh, FUSE_RELEASE) == EBADF);
	MUST(do_read(node, fh, 0, 1) == EBADF);
	MUST(named(FUSE_UNLINK, 1, "", 0, "a") == 0);
	MUST(forget(node, 2) == 0 && getattr(node) == ESTALE);
	MUST(vm.needs_reset == 0);
	return end();
}

static bool
names(void)
{
	static const char *const bad[] = { "", ".", "..", "/", "a/b", "/etc",
		"../x", "a/" };
	const struct fuse_mkdir_in mk = { .mode = 0755 };
	const struct fuse_rename_in to_root = { .newdir = 1 };
	char longest[300];
	uint64_t fh;

	MUST(begin());
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char two[32];
		size_t n = strlen(bad[i]);

		MUST(lookup(1, bad[i]) == EINVAL);
		MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), bad[i]) == EINVAL);
		MUST(named(FUSE_UNLINK, 1, "", 0, bad[i]) == EINVAL);
		MUST(named(FUSE_RMDIR, 1, "", 0, bad[i]) == EINVAL);
		MUST(create(1, bad[i], O_RDWR, &fh, &fh) == EINVAL);
		memcpy(two, "ok", 3);
		memcpy(two + 3, bad[i], n + 1);
		MUST(call(FUSE_RENAME, 1, &to_root, sizeof(to_root), two,
		    (uint32_t)n + 4) == EINVAL);
		MUST(call(FUSE_SYMLINK, 1, "", 0, bad[i], (uint32_t)n + 1) ==
		    EINVAL);
	}
	MUST(call(FUSE_LOOKUP, 1, "", 0, "abc", 3) == EINVAL);	/* no end */
	MUST(call(FUSE_LOOKUP, 1, "", 0, "a\0b", 4) == EINVAL);	/* two */
	MUST(call(FUSE_LOOKUP, 1, "", 0, "", 0) == EINVAL);
	memset(longest, 'n', sizeof(longest));
	longest[255] = '\0';
	MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), longest) == 0);
	MUST(named(FUSE_RMDIR, 1, "", 0, longest) == 0);
	longest[255] = 'n';
	longest[256] = '\0';
	MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), longest) == ENAMETOOLONG);
	return end();
}

/* What leads out of the share leads nowhere. */
static bool
outside(void)
{
	static const char make[] = "evil\0/etc", up[] = "up\0../../../../etc";
	const struct fuse_open_in in = { .flags = O_RDONLY };
	const struct fuse_mknod_in dev = { .mode = S_IFCHR | 0600, .rdev = 0x103 };
	const struct fuse_mknod_in block = { .mode = S_IFBLK | 0600, .rdev = 0x800 };
	const struct fuse_mknod_in fifo = { .mode = S_IFIFO | 0600 };
	const struct fuse_mkdir_in mk = { .mode = 0755 };
	uint64_t evil, sub;

	MUST(begin());
	MUST(call(FUSE_SYMLINK, 1, "", 0, make, sizeof(make)) == 0);
	evil = entry();
	MUST(call(FUSE_READLINK, evil, "", 0, "", 0) == 0 && answered == 4 &&
	    memcmp(body(), "/etc", 4) == 0);
	MUST(lookup(evil, "passwd") != 0);
	MUST(call(FUSE_OPENDIR, evil, &in, sizeof(in), "", 0) != 0);
	MUST(call(FUSE_OPEN, evil, &in, sizeof(in), "", 0) != 0);
	MUST(call(FUSE_SYMLINK, 1, "", 0, up, sizeof(up)) == 0);
	MUST(lookup(entry(), "passwd") != 0);
	/* A directory that becomes a link behind the guest's back. */
	MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), "sub") == 0);
	sub = entry();
	MUST(renameat(AT_FDCWD, dir, AT_FDCWD, dir) == 0);
	{
		char path[100], other[100];

		snprintf(path, sizeof(path), "%s/sub", dir);
		snprintf(other, sizeof(other), "%s/moved", dir);
		MUST(rename(path, other) == 0 && symlink("/etc", path) == 0);
	}
	MUST(lookup(sub, "passwd") == ESTALE);
	MUST(call(FUSE_OPENDIR, sub, &in, sizeof(in), "", 0) == ESTALE);
	MUST(named(FUSE_MKNOD, 1, &dev, sizeof(dev), "null") == EPERM);
	MUST(named(FUSE_MKNOD, 1, &block, sizeof(block), "sda") == EPERM);
	MUST(named(FUSE_MKNOD, 1, &fifo, sizeof(fifo), "fifo") == 0);
	/* Nobody at its other end: an open of it would wait for ever. */
	MUST(call(FUSE_OPEN, entry(), &in, sizeof(in), "", 0) == EOPNOTSUPP);
	MUST(named(FUSE_UNLINK, 1, "", 0, "fifo") == 0);
	MUST(named(FUSE_UNLINK, 1, "", 0, "sub") == 0);
	MUST(named(FUSE_RMDIR, 1, "", 0, "moved") == 0);
	MUST(named(FUSE_UNLINK, 1, "", 0, "evil") == 0);
	MUST(named(FUSE_UNLINK, 1, "", 0, "up") == 0);
	return end();
}

/* A file by what it is, not by its name: renamed, unlinked, linked, while open. */
static bool
identity(void)
{
	const struct fuse_mkdir_in mk = { .mode = 0755 };
	struct fuse_rename2_in to = { 0 };
	struct fuse_link_in link;
	uint64_t d1, d2, file, fh, other, fh2;
	struct fuse_setattr_in size = { .valid = FATTR_SIZE, .size = 3 };
	char path[100];

	MUST(begin());
	MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), "d1") == 0);
	d1 = entry();
	MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), "d2") == 0);
	d2 = entry();
	MUST(create(d1, "f", O_RDWR, &file, &fh) == 0);
	MUST(do_write(file, fh, 0, "hello", 5) == 0);
	to.newdir = d2;
	MUST(call(FUSE_RENAME2, d1, &to, sizeof(to), "f\0g", 4) == 0);
	MUST(getattr(file) == 0 && attr().size == 5);
	MUST(setattr(file, &size) == 0 && attr().size == 3);
	/* The directory above it goes elsewhere. */
	to.newdir = d1;
	MUST(call(FUSE_RENAME2, 1, &to, sizeof(to), "d2\0deep", 8) == 0);
	MUST(getattr(file) == 0 && open_node(file, O_RDONLY, &fh2) == 0);
	MUST(release(file, fh2, FUSE_RELEASE) == 0);
	MUST(lookup(d1, "deep") == 0 && entry() == d2);
	/* One into itself. */
	to.newdir = d2;
	MUST(call(FUSE_RENAME2, 1, &to, sizeof(to), "d1\0x", 5) == EINVAL);
	/* Over another, and exchanged. */
	MUST(create(d2, "h", O_RDWR, &other, &fh2) == 0);
	to.newdir = d2;
	to.flags = 1;	/* RENAME_NOREPLACE */
	MUST(call(FUSE_RENAME2, d2, &to, sizeof(to), "g\0h", 4) == EEXIST);
	to.flags = 2;	/* RENAME_EXCHANGE */
	MUST(call(FUSE_RENAME2, d2, &to, sizeof(to), "g\0h", 4) == 0);
	MUST(lookup(d2, "g") == 0 && entry() == other);
	MUST(lookup(d2, "h") == 0 && entry() == file);
	to.flags = 4;	/* RENAME_WHITEOUT makes a device */
	MUST(call(FUSE_RENAME2, d2, &to, sizeof(to), "g\0h", 4) == EINVAL);
	to.flags = 0;
	MUST(call(FUSE_RENAME2, d2, &to, sizeof(to), "h\0g", 4) == 0);
	MUST(getattr(other) == 0 && attr().nlink == 0);
	MUST(getattr(file) == 0 && attr().nlink == 1);
	link.oldnodeid = file;
	MUST(named(FUSE_LINK, 1, &link, sizeof(link), "l") == 0 &&
	    entry() == file);
	MUST(getattr(file) == 0 && attr().nlink == 2);
	/* The name that is known goes, another stays: the guest is to look again. */
	MUST(named(FUSE_UNLINK, 1, "", 0, "l") == 0);
	MUST(named(FUSE_LINK, 1, &link, sizeof(link), "l") == ESTALE);
	MUST(lookup(d2, "g") == 0 && entry() == file);
	MUST(named(FUSE_LINK, 1, &link, sizeof(link), "l") == 0 && entry() == file);
	/* It is another file's by now. */
	snprintf(path, sizeof(path), "%s/l", dir);
	MUST(unlink(path) == 0 && mkfifo(path, 0644) == 0);
	MUST(named(FUSE_LINK, 1, &link, sizeof(link), "m") == ESTALE);
	MUST(unlink(path) == 0 && lookup(d2, "g") == 0);
	MUST(named(FUSE_LINK, 1, &link, sizeof(link), "l") == 0 && entry() == file);
	MUST(named(FUSE_UNLINK, d2, "", 0, "g") == 0);
	MUST(getattr(file) == 0 && attr().nlink == 1);
	MUST(named(FUSE_UNLINK, 1, "", 0, "l") == 0);
	MUST(getattr(file) == 0 && attr().nlink == 0);
	MUST(setattr(file, &size) == ESTALE || attr().size == 3);
	MUST(do_read(file, fh, 0, 10) == 0 && answered == 3);
	MUST(release(file, fh, FUSE_RELEASE) == 0);
	MUST(release(other, fh2, FUSE_RELEASE) == 0);
	MUST(named(FUSE_RMDIR, d1, "", 0, "deep") == 0);
	MUST(named(FUSE_RMDIR, 1, "", 0, "d1") == 0);
	return end();
}

static bool
directories(void)
{
	const struct fuse_open_in in = { 0 };
	struct fuse_read_in read = { .size = 700 };
	bool seen[200] = { false };
	unsigned int count = 0, dots = 0;
	uint64_t fh, nodes[200];
	char path[100];

	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "%s/file-%03d", dir, i);
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	}
	MUST(begin());
	for (int plus = 0; plus < 2; plus++) {
		memset(seen, 0, sizeof(seen));
		count = dots = 0;
		read.offset = 0;
		MUST(call(FUSE_OPENDIR, 1, &in, sizeof(in), "", 0) == 0);
		fh = read.fh = ((const struct fuse_open_out *)body())->fh;
		for (;;) {
			uint32_t at = 0, head = plus ?
			    (uint32_t)sizeof(struct fuse_entry_out) : 0;

			MUST(call(plus ? FUSE_READDIRPLUS : FUSE_READDIR, 1, &read,
			    sizeof(read), "", 0) == 0 && answered <= read.size);
			if (answered == 0)
				break;
			while (at < answered) {
				const struct fuse_dirent *d = (const void *)((uint8_t *)
				    body() + at + head);
				const struct fuse_entry_out *e = (const void *)
				    ((uint8_t *)body() + at);
				char digits[4] = "";
				unsigned int n;

				memcpy(digits, d->name + 5,
				    d->namelen == 8 ? 3 : 0);
				n = (unsigned int)strtoul(digits, NULL, 10);

				read.offset = d->off;
				at += (uint32_t)FUSE_DIRENT_ALIGN(head +
				    FUSE_NAME_OFFSET + d->namelen);
				if (d->name[0] == '.') {
					dots++;
					continue;
				}
				MUST(n < 200 && !seen[n] && d->namelen == 8);
				seen[n] = true;
				count++;
				MUST(!plus || e->nodeid != 0);
				if (plus)
					nodes[n] = e->nodeid;
			}
		}
		MUST(count == 200 && dots == 2);
		MUST(release(1, fh, FUSE_RELEASEDIR) == 0);
	}
	for (int i = 0; i < 200; i++) {
		MUST(getattr(nodes[i]) == 0);
		MUST(forget(nodes[i], 1) == 0);
	}
	MUST(getattr(nodes[0]) == ESTALE);
	read.size = 10;
	MUST(call(FUSE_OPENDIR, 1, &in, sizeof(in), "", 0) == 0);
	read.fh = ((const struct fuse_open_out *)body())->fh;
	read.offset = 0;
	MUST(call(FUSE_READDIR, 1, &read, sizeof(read), "", 0) == EINVAL);
	/* A directory's handle is no file's. */
	MUST(do_read(1, read.fh, 0, 10) == EBADF);
	return end();
}

/* A directory is emptied while it is read, as rm -r does. */
static bool
emptied(void)
{
	const struct fuse_open_in in = { 0 };
	const struct fuse_mkdir_in mk = { .mode = 0755 };
	struct fuse_read_in read = { .size = 4096 };
	uint64_t sub, node, fh;
	char name[16];

	MUST(begin());
	for (int plus = 0; plus < 2; plus++) {
		MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), "emptied") == 0);
		sub = entry();
		for (int i = 0; i < 600; i++) {
			snprintf(name, sizeof(name), "%d", i);
			MUST(create(sub, name, O_RDWR, &node, &fh) == 0);
			MUST(release(node, fh, FUSE_RELEASE) == 0);
		}
		MUST(call(FUSE_OPENDIR, sub, &in, sizeof(in), "", 0) == 0);
		fh = read.fh = ((const struct fuse_open_out *)body())->fh;
		read.offset = 0;
		for (;;) {
			uint8_t page[4096];
			uint32_t at = 0, len, head = plus ?
			    (uint32_t)sizeof(struct fuse_entry_out) : 0;

			MUST(call(plus ? FUSE_READDIRPLUS : FUSE_READDIR, sub, &read,
			    sizeof(read), "", 0) == 0 && answered <= read.size);
			len = answered;
			memcpy(page, body(), len);
			if (len == 0)
				break;
			while (at < len) {
				const struct fuse_dirent *d = (const void *)(page +
				    at + head);

				read.offset = d->off;
				at += (uint32_t)FUSE_DIRENT_ALIGN(head +
				    FUSE_NAME_OFFSET + d->namelen);
				if (d->name[0] == '.')
					continue;
				MUST(call(FUSE_UNLINK, sub, d->name, d->namelen, "",
				    1) == 0);
			}
		}
		MUST(release(sub, fh, FUSE_RELEASEDIR) == 0);
		MUST(named(FUSE_RMDIR, 1, "", 0, "emptied") == 0);
	}
	return end();
}

static bool
special(void)
{
	struct fuse_fallocate_in alloc = { .length = 1 << 20 };
	struct fuse_lseek_in seek = { .whence = SEEK_HOLE };
	struct fuse_copy_file_range_in copy = { .len = 4096, .off_out = 8192 };
	struct fuse_getxattr_in get = { .size = 100 };
	struct { uint32_t size, flags; char text[16]; } set = {
		.size = 5, .text = "user.a\0value",
	};
	struct fuse_fsync_in sync = { 0 };
	uint64_t file, fh;
	char path[100];

	MUST(begin());
	MUST(create(1, "s", O_RDWR, &file, &fh) == 0);
	alloc.fh = seek.fh = copy.fh_in = copy.fh_out = sync.fh = fh;
	MUST(call(FUSE_FALLOCATE, file, &alloc, sizeof(alloc), "", 0) == 0);
	MUST(getattr(file) == 0 && attr().size == 1 << 20);
	MUST(do_write(file, fh, 0, "copied", 6) == 0);
	alloc.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	alloc.offset = 65536;
	alloc.length = 65536;
	MUST(call(FUSE_FALLOCATE, file, &alloc, sizeof(alloc), "", 0) == 0);
	MUST(call(FUSE_LSEEK, file, &seek, sizeof(seek), "", 0) == 0);
	/* What is allocated and was never written to may be a hole, too. */
	MUST(((const struct fuse_lseek_out *)body())->offset > 0 &&
	    ((const struct fuse_lseek_out *)body())->offset <= 65536);
	seek.whence = SEEK_END;
	MUST(call(FUSE_LSEEK, file, &seek, sizeof(seek), "", 0) == EINVAL);
	alloc.mode = 0x80;
	MUST(call(FUSE_FALLOCATE, file, &alloc, sizeof(alloc), "", 0) ==
	    EOPNOTSUPP);
	MUST(call(FUSE_COPY_FILE_RANGE, file, &copy, sizeof(copy), "", 0) == 0);
	MUST(do_read(file, fh, 8192, 6) == 0 && memcmp(body(), "copied", 6) == 0);
	MUST(call(FUSE_FSYNC, file, &sync, sizeof(sync), "", 0) == 0);
	MUST(call(FUSE_STATFS, 1, "", 0, "", 0) == 0 &&
	    ((const struct fuse_statfs_out *)body())->st.bsize != 0);
	/* user. alone; "user.a", its NUL and "value" make 12 bytes */
	MUST(call(FUSE_SETXATTR, file, &set, 8, set.text, 12) == 0);
	MUST(named(FUSE_GETXATTR, file, &get, sizeof(get), "user.a") == 0 &&
	    answered == 5 && memcmp(body(), "value", 5) == 0);
	get.size = 3;
	MUST(named(FUSE_GETXATTR, file, &get, sizeof(get), "user.a") == ERANGE);
	get.size = 0;
	MUST(named(FUSE_GETXATTR, file, &get, sizeof(get), "user.a") == 0 &&
	    ((const struct fuse_getxattr_out *)body())->size == 5);
	get.size = 100;
	MUST(call(FUSE_LISTXATTR, file, &get, sizeof(get), "", 0) == 0 &&
	    answered == 7 && memcmp(body(), "user.a", 7) == 0);
	MUST(named(FUSE_REMOVEXATTR, file, "", 0, "user.a") == 0);
	MUST(named(FUSE_GETXATTR, file, &get, sizeof(get), "user.a") == ENODATA);
	MUST(call(FUSE_SETXATTR, file, &set, 8, "security.capability\0value",
	    25) == EOPNOTSUPP);
	set.size = 6;	/* more than there is */
	MUST(call(FUSE_SETXATTR, file, &set, 8, set.text, 12) == EINVAL);
	/* setuid of the guest's is not the host's: a write takes it away. */
	snprintf(path, sizeof(path), "%s/s", dir);
	MUST(chmod(path, 04755) == 0);
	MUST(do_write(file, fh, 0, "x", 1) == 0);
	MUST(getattr(file) == 0 && (attr().mode & 07777) == 0755);
	MUST(release(file, fh, FUSE_RELEASE) == 0);
	MUST(named(FUSE_UNLINK, 1, "", 0, "s") == 0);
	return end();
}

/* Every opcode, with every length that is too short, too long, or a lie. */
static bool
lies(void)
{
	static const uint32_t lengths[] = { 0, 1, 39, 40, 41, 48, 80, 4096, 70000,
		0x7fffffff, 0xffffffff };
	uint8_t junk[300];

	MUST(begin());
	for (uint32_t op = 0; op < 64; op++) {
		if (op == FUSE_INIT || op == FUSE_DESTROY)
			continue;
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			uint32_t sent = lengths[i] < 4096 ? lengths[i] : 4096;

			memset(junk, op % 2 != 0 ? 0xff : 0, sizeof(junk));
			put(op, 1, junk, sizeof(junk), "", 0);
			memcpy(vm.ram + IN, &lengths[i], 4);
			/* With room for an answer, for half of one, for none. */
			if (sent == 0)
				continue;
			MUST(submit(sent, ROOM, 0) != NO_ANSWER);
			memcpy(vm.ram + IN, &lengths[i], 4);
			MUST(submit(sent, 20, 0) != NO_ANSWER);
			MUST(submit(sent, 7, 0) != NO_ANSWER);
			MUST(submit(sent, 0, 0) != NO_ANSWER);
		}
	}
	MUST(vm.needs_reset == 0);
	/* Ids and handles that nobody gave. */
	MUST(getattr(2) == ESTALE && getattr(0) == ESTALE &&
	    getattr(UINT64_MAX) == ESTALE && getattr(1ull << 32 | 1) == ESTALE);
	MUST(do_read(1, 1, 0, 1) == EBADF && do_read(1, UINT64_MAX, 0, 1) == EBADF);
	MUST(forget(1, UINT64_MAX) == 0 && getattr(1) == 0);
	MUST(lookup(1, "file-000") == 0);
	{
		uint64_t node = entry();

		MUST(forget(node, UINT64_MAX) == 0 && getattr(node) == ESTALE);
		MUST(forget(node, 1) == 0);
	}
	return end();
}

/* More than there is room for: an error, and then it goes on. */
static bool
too_many(void)
{
	const struct fuse_open_in in = { 0 };
	unsigned int open = 0;
	int rc;

	MUST(begin());
	do
		rc = call(FUSE_OPENDIR, 1, &in, sizeof(in), "", 0);
	while (rc == 0 && ++open < 10000);
	MUST(rc == ENFILE && open > 1000 && open < 5000);
	MUST(lookup(1, "file-001") == 0 && getattr(entry()) == 0);
	MUST(init() == 0);	/* a new session has nothing open */
	MUST(call(FUSE_OPENDIR, 1, &in, sizeof(in), "", 0) == 0);
	/* Memory that comes while all low numbers are taken. */
	for (int i = 0; i < 3; i++) {
		int fd = memfd_create("more", MFD_CLOEXEC);

		MUST(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
		MUST(fakevm_add_memory(&vm, 1, 1ull << 32, 1 << 20, fd, 0,
		    false) == 0);
		/* Another at once: now there is a low number that is free. */
		MUST(fakevm_add_memory(&vm, 2, 2ull << 32, 1 << 20, fd, 0,
		    false) == 0);
		MUST(call(FUSE_OPENDIR, 1, &in, sizeof(in), "", 0) == 0);
		MUST(fakevm_remove_memory(&vm, 1) == 0);
		MUST(fakevm_remove_memory(&vm, 2) == 0);
		close(fd);
	}
	MUST(fakevm_reset(&vm) == 0);
	MUST(activate(&vm, 1, 2) == 0 && getattr(1) == EIO && init() == 0 &&
	    getattr(1) == 0);
	return end();
}

/* A tree that is deeper than a path may be long, and wider than fds are kept. */
static bool
deep(void)
{
	const struct fuse_mkdir_in mk = { .mode = 0755 };
	char name[250];
	uint64_t node[40], wide[1500];

	memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	MUST(begin());
	node[0] = 1;
	for (int i = 1; i < 40; i++) {
		MUST(named(FUSE_MKDIR, node[i - 1], &mk, sizeof(mk), name) == 0);
		node[i] = entry();
	}
	for (unsigned int i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "w%u", i);
		MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), name) == 0);
		wide[i] = entry();
		MUST(lookup(wide[i], "none") == ENOENT);	/* its fd is kept */
	}
	for (unsigned int i = 0; i < 1500; i++) {
		MUST(getattr(wide[i]) == 0);
		snprintf(name, sizeof(name), "w%u", i);
		MUST(named(FUSE_RMDIR, 1, "", 0, name) == 0);
	}
	memset(name, 'd', sizeof(name) - 1);
	for (int i = 39; i > 0; i--) {
		int rc = lookup(node[i], "none");

		/* Not there, or too far away to be looked at: never another. */
		MUST(rc == ENOENT || rc == ENAMETOOLONG);
	}
	return end();
}

static bool
modes(void)
{
	const struct fuse_mkdir_in mk = { .mode = 0755 };
	uint64_t fh, node;

	MUST(start(true, BH__FS_CACHE__FS_CACHE_NEVER, dir) &&
	    activate(&vm, 0, 2) == 0 && init() == 0);
	MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), "no") == EROFS);
	MUST(create(1, "no", O_RDWR, &fh, &fh) == EROFS);
	MUST(lookup(1, "file-000") == 0);
	MUST(((const struct fuse_entry_out *)body())->entry_valid == 0);
	node = entry();
	MUST(open_node(node, O_RDWR, &fh) == EROFS);
	MUST(open_node(node, O_RDONLY | O_TRUNC, &fh) == EROFS);
	MUST(open_node(node, O_RDONLY, &fh) == 0);
	MUST((((const struct fuse_open_out *)body())->open_flags &
	    FOPEN_DIRECT_IO) != 0);
	MUST(end());
	MUST(start(false, BH__FS_CACHE__FS_CACHE_ALWAYS, dir) &&
	    activate(&vm, 0, 2) == 0 && init() == 0);
	MUST(lookup(1, "file-000") == 0);
	MUST(((const struct fuse_entry_out *)body())->entry_valid == 86400);
	MUST(end());
	return !start(false, BH__FS_CACHE__FS_CACHE_AUTO, "/dev/null");
}

int
main(void)
{
	static const struct {
		const char *name;
		bool (*run)(void);
	} tests[] = {
		{ "names that are none", names },
		{ "links and devices lead nowhere", outside },
		{ "renamed, linked and unlinked files are the same", identity },
		{ "directories are read in parts, with attributes", directories },
		{ "a directory is emptied while it is read", emptied },
		{ "space, holes, copies, attributes", special },
		{ "requests that lie", lies },
		{ "more open than there is room for", too_many },
		{ "deeper and wider than is kept", deep },
		{ "read only, and how long what is said counts", modes },
	};
	const char *tmp = getenv("TMPDIR");
	char name[100];

	full = getenv("FULL") != NULL;
	snprintf(dir, sizeof(dir), "%.40s/fs-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL || fakevm_init(&vm) != 0)
		return 1;
	for (size_t i = 0; i < NRINGS; i++) {
		snprintf(name, sizeof(name), "files, %s", rings[i].name);
		result(files_on(i), &vm, name);
		fakevm_kill(&vm);
		vm.needs_reset = 0;
	}
	table = 0;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		result(tests[i].run(), &vm, tests[i].name);
		fakevm_kill(&vm);
		vm.needs_reset = 0;
	}
	fakevm_fini(&vm);
	return finish();
}
