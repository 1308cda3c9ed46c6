// SPDX-License-Identifier: Apache-2.0
/*
 * The shipped bulkhead-fs in its jail: what not every guest's kernel asks for (birth
 * times, ACLs, writing back), and what a kernel never asks: every name that is none,
 * in every request that has one, every word of every request wrong, lookups that
 * are never forgotten; a share that is full, removed and unmounted under it.
 */
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/xattr.h>

#include "device-workers/fs/door.h"
#include "tests/native/fs_drive.h"

/* ---- what is not always asked for -------------------------------------------------- */

static bool
host_path(char path[128], const char *name)
{
	return snprintf(path, 128, "%s/%s", dir, name) < 128;
}

static bool
birth(void)
{
	struct fs_statx_in in = { .mask = STATX_BASIC_STATS | STATX_BTIME };
	const struct fs_syncfs_in sync = { 0 };
	struct fs_statx_out out;
	struct statx mine, theirs;
	char path[128];
	uint64_t node = 0, fh = 0;

	MUST(begin() && host_path(path, "born"));
	MUST(create(1, "born", O_RDWR, &node, &fh) == 0);
	MUST(do_write(node, fh, 0, "text", 4) == 0);
	MUST(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_BTIME, &mine) == 0);
	MUST(call(FS_OP_STATX, node, &in, sizeof(in), "", 0) == 0 &&
	    answered == sizeof(out));
	memcpy(&out, body(), sizeof(out));
	memcpy(&theirs, out.stat, sizeof(theirs));
	MUST(out.attr_valid == 1 && theirs.stx_mask == (mine.stx_mask &
	    (STATX_BASIC_STATS | STATX_BTIME)));
	MUST(theirs.stx_ino == mine.stx_ino && theirs.stx_size == 4 &&
	    theirs.stx_mode == mine.stx_mode && theirs.stx_uid == mine.stx_uid);
	MUST(memcmp(&theirs.stx_btime, &mine.stx_btime, sizeof(mine.stx_btime)) == 0);
	MUST(theirs.stx_attributes_mask == 0);
	/* Of a file without a name, too, and not of one that is not there. */
	MUST(named(FUSE_UNLINK, 1, "", 0, "born") == 0);
	MUST(call(FS_OP_STATX, node, &in, sizeof(in), "", 0) == 0);
	MUST(call(FS_OP_STATX, node + 1, &in, sizeof(in), "", 0) == ESTALE);
	MUST(call(FS_OP_SYNCFS, 1, &sync, sizeof(sync), "", 0) == 0);
	return end();
}

struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entry[5];
};

#define ACL(user) { 2, { { 1, 7, UINT32_MAX }, { 2, 6, user }, { 4, 5, UINT32_MAX }, \
	{ 0x10, 7, UINT32_MAX }, { 0x20, 0, UINT32_MAX } } }

static int
set_acl(uint64_t node, const char *name, const struct acl *acl)
{
	struct fuse_setxattr_in in = { .size = sizeof(*acl) };
	uint8_t tail[100 + sizeof(*acl)];
	size_t len = strlen(name) + 1;

	memcpy(tail, name, len);
	memcpy(tail + len, acl, sizeof(*acl));
	return call(FUSE_SETXATTR, node, &in, FUSE_COMPAT_SETXATTR_IN_SIZE, tail,
	    (uint32_t)(len + sizeof(*acl)));
}

/* A directory's default counts for what is made in it, and the umask does not. */
static bool
acls(void)
{
	const struct acl acl = ACL(geteuid());
	struct fuse_mkdir_in mk = { .mode = 0755 };
	struct fuse_create_in in = { .flags = O_RDWR, .mode = S_IFREG | 0666,
		.umask = 077 };
	struct fuse_getxattr_in get = { .size = 200 };
	char path[128];
	uint8_t value[200];
	uint64_t node;

	with_acls = true;
	MUST(begin() && host_path(path, "acls"));
	with_acls = false;
	MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), "acls") == 0);
	node = entry();
	if (setxattr(path, "system.posix_acl_default", &acl, sizeof(acl), 0) != 0 &&
	    errno == EOPNOTSUPP) {
		printf("# no ACLs in %s\n", dir);
		return rmdir(path) == 0 && end();
	}
	MUST(removexattr(path, "system.posix_acl_default") == 0);
	MUST(named(FUSE_CREATE, node, &in, sizeof(in), "plain") == 0);
	MUST(((const struct fuse_entry_out *)body())->attr.mode == (S_IFREG | 0600));
	MUST(set_acl(node, "system.posix_acl_default", &acl) == 0);
	MUST(getxattr(path, "system.posix_acl_default", value, sizeof(value)) ==
	    sizeof(acl));
	MUST(named(FUSE_CREATE, node, &in, sizeof(in), "made") == 0);
	MUST(((const struct fuse_entry_out *)body())->attr.mode == (S_IFREG | 0660));
	node = entry();
	MUST(named(FUSE_GETXATTR, node, &get, sizeof(get),
	    "system.posix_acl_access") == 0 && answered == sizeof(acl));
	MUST(set_acl(node, "system.posix_acl_access", &acl) == 0);
	MUST(getattr(node) == 0 && (attr().mode & 0777) == 0770);
	MUST(set_acl(node, "security.capability", &acl) == EOPNOTSUPP);
	MUST(set_acl(node, "trusted.overlay", &acl) == EOPNOTSUPP);
	MUST(named(FUSE_REMOVEXATTR, node, "", 0, "system.posix_acl_access") == 0);
	MUST(end());
	/* Not asked for, they are not there; what they say holds all the same. */
	MUST(begin() && lookup(1, "acls") == 0);
	MUST(set_acl(entry(), "system.posix_acl_default", &acl) == EOPNOTSUPP);
	return end();
}

/* The guest writes back what it likes: also of what it only reads, or appends to. */
static bool
writeback(void)
{
	uint64_t node = 0, fh = 0;
	bool good;

	with_writeback = true;
	good = begin();
	with_writeback = false;
	MUST(good);
	MUST(init() == 0);
	MUST((((const struct fuse_init_out *)body())->flags &
	    FUSE_WRITEBACK_CACHE) != 0);
	MUST(create(1, "back", O_WRONLY, &node, &fh) == 0);
	MUST(do_write(node, fh, 0, "0123456789", 10) == 0);
	MUST(do_read(node, fh, 2, 100) == 0 && answered == 8);
	MUST(release(node, fh, FUSE_RELEASE) == 0);
	MUST(open_node(node, O_WRONLY | O_APPEND, &fh) == 0);
	MUST(do_write(node, fh, 4, "ab", 2) == 0);
	MUST(do_read(node, fh, 0, 100) == 0 && answered == 10 &&
	    memcmp(body(), "0123ab6789", 10) == 0);
	MUST(release(node, fh, FUSE_RELEASE) == 0);
	MUST(named(FUSE_UNLINK, 1, "", 0, "back") == 0);
	MUST(end());
	/* Without it the file's end is the host's. */
	MUST(begin() && create(1, "back", O_WRONLY | O_APPEND, &node, &fh) == 0);
	MUST(do_write(node, fh, 0, "0123456789", 10) == 0);
	MUST(do_write(node, fh, 4, "ab", 2) == 0 && getattr(node) == 0 &&
	    attr().size == 12);
	MUST(do_read(node, fh, 0, 100) == EBADF);
	MUST(named(FUSE_UNLINK, 1, "", 0, "back") == 0);
	return end();
}

/* ---- what is wrong ------------------------------------------------------------------ */

/* Requests with names: how much is before them, and how many there are. */
static const struct {
	uint32_t opcode;
	uint32_t arg;
	unsigned int names;
} with_names[] = {
	{ FUSE_LOOKUP, 0, 1 }, { FUSE_UNLINK, 0, 1 }, { FUSE_RMDIR, 0, 1 },
	{ FUSE_MKDIR, sizeof(struct fuse_mkdir_in), 1 },
	{ FUSE_MKNOD, sizeof(struct fuse_mknod_in), 1 },
	{ FUSE_CREATE, sizeof(struct fuse_create_in), 1 },
	{ FUSE_LINK, sizeof(struct fuse_link_in), 1 },
	{ FUSE_SYMLINK, 0, 1 },
	{ FUSE_RENAME, sizeof(struct fuse_rename_in), 2 },
	{ FUSE_RENAME2, sizeof(struct fuse_rename2_in), 2 },
};

static bool
names(void)
{
	static char longest[10000], text[20100];
	static const struct {
		const char *name;
		size_t len;
		int error;
	} bad[] = {
		{ "", 1, EINVAL }, { "/", 2, EINVAL }, { "a/b", 4, EINVAL },
		{ "/etc/passwd", 12, EINVAL }, { "../x", 5, EINVAL },
		{ ".", 2, EINVAL }, { "..", 3, EINVAL }, { "x/", 3, EINVAL },
		{ "a\0b", 4, EINVAL }, { "\0a", 3, EINVAL }, { "end", 3, EINVAL },
		{ longest + 10000 - 257, 257, ENAMETOOLONG },
		{ longest, 10000, ENAMETOOLONG },
	};
	uint8_t arg[64] = { 0 };

	memset(longest, 'n', sizeof(longest) - 1);
	arg[0] = 1;	/* of rename and link: the root */
	MUST(begin());
	for (size_t i = 0; i < sizeof(with_names) / sizeof(with_names[0]); i++)
		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			uint32_t op = with_names[i].opcode, len = (uint32_t)bad[j].len;
			int rc;

			memcpy(text, bad[j].name, len);
			if (with_names[i].names == 2 || op == FUSE_SYMLINK) {
				memcpy(text + len, "other", 6);
				len += 6;
			}
			rc = call(op, 1, arg, with_names[i].arg, text, len);
			/* A symlink's target may be many things. */
			MUST(rc == bad[j].error || rc == EINVAL ||
			    (op == FUSE_SYMLINK && rc == ENAMETOOLONG));
			if (with_names[i].names == 2) {
				memcpy(text, "other", 6);
				memcpy(text + 6, bad[j].name, bad[j].len);
				rc = call(op, 1, arg, with_names[i].arg, text,
				    (uint32_t)(6 + bad[j].len));
				MUST(rc == bad[j].error || rc == EINVAL);
			}
		}
	MUST(vm.needs_reset == 0 && getattr(1) == 0);
	return end();
}

/*
 * Every word of every request, with what it should not be. Files cannot grow here, so
 * that what FALLOCATE is asked for is not taken from the host: a limit that the
 * worker lives with, and the guest is told of.
 */
static bool
begin_limited(void)
{
	struct rlimit none, small;
	bool good;

	MUST(getrlimit(RLIMIT_FSIZE, &none) == 0);
	small = none;
	small.rlim_cur = 1 << 20;
	MUST(setrlimit(RLIMIT_FSIZE, &small) == 0);
	good = start(false, BH__FS_CACHE__FS_CACHE_AUTO, dir);
	MUST(setrlimit(RLIMIT_FSIZE, &none) == 0);
	return good && activate(&vm, 0, 2) == 0 && init() == 0;
}

static bool
fields(void)
{
	static const uint64_t values[] = { 0, 1, 0xff, 0x1000, 0x7fffffff, 0x80000000,
		0xffffffff };
	uint8_t arg[72];
	uint64_t node = 0, fh = 0;
	struct stat before, after;
	char outside[140];
	unsigned int sent = 0;

	snprintf(outside, sizeof(outside), "%s.outside", dir);
	close(open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	MUST(stat(outside, &before) == 0);
	MUST(begin_limited());
	MUST(create(1, "fields", O_RDWR, &node, &fh) == 0);
	MUST(do_write(node, fh, 1 << 20, "x", 1) == EFBIG);
	for (uint32_t op = 0; op <= 56; op++) {
		/* INIT and DESTROY end the session; SETLKW may rightly wait. */
		if (op == FUSE_INIT || op == FUSE_DESTROY || op == FUSE_SETLKW)
			continue;
		if (create(1, "fields", O_RDWR, &node, &fh) != 0)
			MUST(init() == 0 &&
			    create(1, "fields", O_RDWR, &node, &fh) == 0);
		for (size_t word = 0; word < sizeof(arg) / 4; word++)
			for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
				uint32_t value = (uint32_t)values[v];

				memset(arg, 0, sizeof(arg));
				memcpy(arg, &fh, sizeof(fh));
				memcpy(arg + 4 * word, &value, 4);
				put(op, v % 2 != 0 ? node : 1, arg, sizeof(arg), "xyz",
				    4);
				MUST(submit(40 + sizeof(arg) + 4, ROOM, 0) != NO_ANSWER);
				sent++;
			}
		/* The header's own words: length, opcode, ids. */
		for (size_t word = 0; word < 10; word++)
			for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
				uint32_t value = (uint32_t)values[v];

				put(op, node, arg, sizeof(arg), "xyz", 4);
				if (word == 1 && (value == FUSE_INIT ||
				    value == FUSE_DESTROY))
					continue;
				memcpy(vm.ram + IN + 4 * word, &value, 4);
				MUST(submit(40 + sizeof(arg) + 4, ROOM, 0) != NO_ANSWER);
				sent++;
			}
	}
	printf("# %u requests\n", sent);
	MUST(vm.needs_reset == 0);
	MUST(init() == 0 && getattr(1) == 0);
	MUST(stat(outside, &after) == 0 && before.st_mode == after.st_mode &&
	    before.st_size == after.st_size && before.st_nlink == after.st_nlink &&
	    before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
	MUST(unlink(outside) == 0);
	return end();
}

/* Private kilobytes of the worker. */
static unsigned int
private_kib(void)
{
	char path[64], line[128];
	unsigned int sum = 0, n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", vm.pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Private_Dirty: %u", &n) == 1)
			sum += n;
	if (f != NULL)
		fclose(f);
	return sum;
}

/*
 * Each a file of its own that the host makes and removes at once, so that only what
 * the worker remembers of it stays. More than it can: ENFILE, and what it knows
 * goes on.
 */
static bool
never_forgotten(void)
{
	const unsigned int most = full ? 1000000 : 2000;
	char path[128], name[32];
	unsigned int n, known = 0;
	uint64_t first = 0;
	int rc = 0;

	/* A tmpfs has a new number for each, others take the last one again. */
	MUST(host_path(path, "look") && mkdir(path, 0755) == 0);
	if (mount("none", path, "tmpfs", 0, "size=1m") != 0) {
		printf("# cannot mount: %s\n", strerror(errno));
		return rmdir(path) == 0;
	}
	MUST(start(false, BH__FS_CACHE__FS_CACHE_AUTO, path));
	n = private_kib();
	printf("# %u KiB private of an idle one\n", n);
	MUST(n < 400 || getenv("SAN") != NULL);
	MUST(activate(&vm, 0, 2) == 0 && init() == 0);
	for (n = 0; n < most && rc == 0; n++) {
		int fd;

		snprintf(name, sizeof(name), "look/%u", n);
		MUST(host_path(path, name));
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		MUST(fd >= 0);
		close(fd);
		rc = lookup(1, name + 5);
		if (n == 0)
			first = entry();
		MUST(unlink(path) == 0);
		known += rc == 0;
	}
	printf("# %u known, then %s, %u KiB private\n", known,
	    rc == 0 ? "no error" : strerror(rc), private_kib());
	MUST(rc == (full ? ENFILE : 0) && private_kib() < 100000);
	/* The same file a million times is one. */
	MUST(host_path(path, "look/again"));
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	MUST(forget(first, 1) == 0);
	for (n = 0; n < most; n++)
		MUST(lookup(1, "again") == 0);
	MUST(getattr(entry()) == 0 && getattr(1) == 0 && unlink(path) == 0);
	MUST(init() == 0 && lookup(1, "again") == ENOENT);
	MUST(host_path(path, "look") && umount2(path, MNT_DETACH) == 0);
	return end() && rmdir(path) == 0;
}

/* ---- under it ------------------------------------------------------------------------ */

/* Full is an error, and room makes it go on. Then unmounted: what it has, it keeps. */
static bool
full_share(void)
{
	static uint8_t data[65536];
	char path[128], file[160];
	uint64_t node = 0, fh = 0, at = 0;
	int rc;

	MUST(host_path(path, "small") && mkdir(path, 0755) == 0);
	if (mount("none", path, "tmpfs", 0, "size=256k,nr_inodes=4") != 0) {
		printf("# cannot mount: %s\n", strerror(errno));
		return rmdir(path) == 0;
	}
	MUST(start(false, BH__FS_CACHE__FS_CACHE_AUTO, path) &&
	    activate(&vm, 0, 2) == 0 && init() == 0);
	MUST(create(1, "file", O_RDWR, &node, &fh) == 0);
	do {
		rc = do_write(node, fh, at, data, sizeof(data));
		at += rc == 0 ? ((const struct fuse_write_out *)body())->size : 0;
	} while (rc == 0 && at < 1 << 20);
	MUST(rc == ENOSPC && at == 256 << 10);
	{
		const struct fuse_fallocate_in in = { .fh = fh, .offset = at,
			.length = 65536 };
		struct fuse_mkdir_in mk = { .mode = 0755 };

		MUST(call(FUSE_FALLOCATE, node, &in, sizeof(in), "", 0) == ENOSPC);
		MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), "one") == 0);
		MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), "two") == 0);
		MUST(named(FUSE_MKDIR, 1, &mk, sizeof(mk), "three") == ENOSPC);
	}
	MUST(do_read(node, fh, 0, 4096) == 0 && answered == 4096);
	snprintf(file, sizeof(file), "%s/file", path);
	MUST(truncate(file, 4096) == 0);
	MUST(do_write(node, fh, 4096, data, sizeof(data)) == 0);
	/* It can be read only for a while. */
	MUST(release(node, fh, FUSE_RELEASE) == 0);
	MUST(mount("none", path, NULL, MS_REMOUNT | MS_RDONLY, "size=256k") == 0);
	MUST(open_node(node, O_RDWR, &fh) == EROFS);
	MUST(named(FUSE_RMDIR, 1, "", 0, "two") == EROFS);
	MUST(mount("none", path, NULL, MS_REMOUNT, "size=256k") == 0);
	MUST(open_node(node, O_RDWR, &fh) == 0);
	MUST(umount2(path, MNT_DETACH) == 0);
	MUST(do_write(node, fh, 4096, data, 4096) == 0 && lookup(1, "one") == 0);
	return end() && rmdir(path) == 0;
}

/* A directory that is no more is empty, and takes nothing; another one is another. */
static bool
removed(void)
{
	char path[128], file[160];
	uint64_t node = 0, fh = 0, node2 = 0, fh2 = 0;

	MUST(host_path(path, "removed") && mkdir(path, 0755) == 0);
	MUST(start(false, BH__FS_CACHE__FS_CACHE_AUTO, path) &&
	    activate(&vm, 0, 2) == 0 && init() == 0);
	MUST(create(1, "file", O_RDWR, &node, &fh) == 0);
	snprintf(file, sizeof(file), "%s/file", path);
	MUST(unlink(file) == 0 && rmdir(path) == 0);
	MUST(lookup(1, "file") == ENOENT);
	MUST(create(1, "new", O_RDWR, &node2, &fh2) == ENOENT);
	MUST(do_write(node, fh, 0, "x", 1) == 0 && do_read(node, fh, 0, 9) == 0 &&
	    answered == 1);
	MUST(getattr(1) == 0 && release(node, fh, FUSE_RELEASE) == 0);
	MUST(vm.needs_reset == 0);
	return end();
}

int
main(void)
{
	static const struct {
		const char *name;
		bool (*run)(void);
	} tests[] = {
		{ "birth times, and all of it to the disk", birth },
		{ "ACLs, where they are wanted", acls },
		{ "writing back", writeback },
		{ "names that are none, in every request that has one", names },
		{ "every word of every request wrong", fields },
		{ "lookups that are never forgotten", never_forgotten },
		{ "a share that is full, read only, and unmounted", full_share },
		{ "a share that is removed", removed },
	};
	const char *tmp = getenv("TMPDIR");

	full = getenv("FULL") != NULL;
	snprintf(dir, sizeof(dir), "%.40s/fs-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL || fakevm_init(&vm) != 0)
		return 1;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		result(tests[i].run(), &vm, tests[i].name);
		fakevm_kill(&vm);
		vm.needs_reset = 0;
	}
	fakevm_fini(&vm);
	return finish();
}
