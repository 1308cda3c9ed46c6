// SPDX-License-Identifier: Apache-2.0
/*
 * What POSIX asks of a file system, for stock guests and hosts, as root:
 *	lab-posix DIR [--no-devices] [ROUNDS]
 * makes DIR/posix, and in it what each call can be asked for and refused (chmod, chown,
 * link, mkdir, mkfifo, mknod, open, rename, rmdir, symlink, truncate, unlink, utimensat),
 * as root and as another user; then ROUNDS random changes of one file, each compared with
 * what memory says it is. A line each where the answer is another than is due; at
 * the end how many there were, good and bad. --no-devices: to make one is EPERM here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHER 1000u
#define FILE_MAX (256u << 10)

static unsigned int good, bad;
static char long_name[NAME_MAX + 2], long_path[PATH_MAX + 1], most_name[NAME_MAX + 1];

static void
judge(bool is_good, int line, const char *what, long is, long due)
{
	good += is_good;
	bad += !is_good;
	if (!is_good)
		printf("line %d: %s: %ld, not %ld\n", line, what, is, due);
}

/* A call that fails with @e, or not (0). */
#define FAILS(e, c)							\
	do {								\
		errno = 0;						\
		int rc_ = (int)(c), e_ = rc_ < 0 ? errno : 0;		\
		judge(e_ == (e), __LINE__, #c, e_, e);			\
	} while (0)
#define WORKS(c) FAILS(0, c)
#define IS(due, c)							\
	do {								\
		long is_ = (long)(c);					\
		judge(is_ == (long)(due), __LINE__, #c, is_, (long)(due)); \
	} while (0)

/* The same as another user. */
#define AS_OTHER(statement)						\
	do {								\
		WORKS(setegid(OTHER));					\
		WORKS(seteuid(OTHER));					\
		statement;						\
		WORKS(seteuid(0));					\
		WORKS(setegid(0));					\
	} while (0)

static struct stat
look(const char *path)
{
	struct stat st = { 0 };

	(void)lstat(path, &st);
	return st;
}

static int
make(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* What every call says of a path that leads nowhere. */
#define PATHS(call_of)							\
	do {								\
		FAILS(ENOENT, call_of("none/x"));			\
		FAILS(ENOTDIR, call_of("file/x"));			\
		FAILS(ENAMETOOLONG, call_of(long_name));		\
		FAILS(ENAMETOOLONG, call_of(long_path));		\
		FAILS(ELOOP, call_of("loop/x"));			\
		AS_OTHER(FAILS(EACCES, call_of("closed/x")));		\
	} while (0)

#define CHMOD(p) chmod(p, 0600)
#define CHOWN(p) chown(p, 1, 1)
#define LINK(p) link("file", p)
#define LINK_FROM(p) link(p, "new")
#define MKDIR(p) mkdir(p, 0755)
#define MKFIFO(p) mkfifo(p, 0644)
#define OPEN(p) open(p, O_RDONLY)
#define CREAT(p) open(p, O_WRONLY | O_CREAT, 0644)
#define RENAME(p) rename("file", p)
#define RENAME_FROM(p) rename(p, "new")
#define SYMLINK(p) symlink("file", p)
#define TRUNCATE(p) truncate(p, 0)
#define UTIMES(p) utimensat(AT_FDCWD, p, NULL, 0)

static void
paths(void)
{
	PATHS(CHMOD);
	PATHS(CHOWN);
	PATHS(LINK);
	PATHS(LINK_FROM);
	PATHS(MKDIR);
	PATHS(MKFIFO);
	PATHS(OPEN);
	PATHS(CREAT);
	PATHS(RENAME);
	PATHS(RENAME_FROM);
	PATHS(rmdir);
	PATHS(SYMLINK);
	PATHS(TRUNCATE);
	PATHS(unlink);
	PATHS(UTIMES);
}

static void
attributes(void)
{
	const struct timespec set[2] = { { 1000, 5 }, { 2000, 7 } };
	const struct timespec omit[2] = { { 0, UTIME_OMIT }, { 3000, 9 } };
	const struct timespec wrong[2] = { { 0, 1000000000 }, { 0, 0 } };
	static const mode_t modes[] = { 0, 0400, 0111, 0644, 0777, 01777, 02777,
		04755, 06755, 07777 };
	char byte = 1;
	int fd;

	WORKS(make("f", 0644));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		WORKS(chmod("f", modes[i]));
		IS(modes[i], look("f").st_mode & 07777);
	}
	WORKS(chmod("f", 0644));
	AS_OTHER(FAILS(EPERM, chmod("f", 0777)); FAILS(EPERM, chown("f", OTHER, -1u));
	    FAILS(EACCES, open("f", O_WRONLY)); FAILS(EACCES, truncate("f", 0));
	    FAILS(EACCES, utimensat(AT_FDCWD, "f", NULL, 0));
	    FAILS(EPERM, utimensat(AT_FDCWD, "f", set, 0)));
	WORKS(chown("f", OTHER, OTHER));
	IS(OTHER, look("f").st_uid);
	IS(OTHER, look("f").st_gid);
	WORKS(chmod("f", 04755));
	AS_OTHER(WORKS(chmod("f", 06755)); FAILS(EPERM, chown("f", 0, -1u));
	    FAILS(EPERM, chown("f", -1u, 5)); WORKS(chown("f", -1u, OTHER)));
	/* Who gives a file away gives no rights. */
	IS(0755, look("f").st_mode & 07777);
	WORKS(chmod("f", 06777));
	AS_OTHER(fd = open("f", O_WRONLY); IS(1, write(fd, &byte, 1)); close(fd));
	IS(0777, look("f").st_mode & 07777);
	WORKS(utimensat(AT_FDCWD, "f", set, 0));
	IS(1000, look("f").st_atim.tv_sec);
	IS(2000, look("f").st_mtim.tv_sec);
	IS(7, look("f").st_mtim.tv_nsec);
	WORKS(utimensat(AT_FDCWD, "f", omit, 0));
	IS(1000, look("f").st_atim.tv_sec);
	IS(3000, look("f").st_mtim.tv_sec);
	FAILS(EINVAL, utimensat(AT_FDCWD, "f", wrong, 0));
	WORKS(symlink("f", "s"));
	WORKS(utimensat(AT_FDCWD, "s", set, AT_SYMLINK_NOFOLLOW));
	IS(2000, look("s").st_mtim.tv_sec);
	IS(3000, look("f").st_mtim.tv_sec);
	WORKS(lchown("s", 5, 6));
	IS(5, look("s").st_uid);
	IS(OTHER, look("f").st_uid);
	WORKS(unlink("s"));
	WORKS(unlink("f"));
}

static void
names(bool devices)
{
	char text[PATH_MAX];

	WORKS(make(most_name, 0644));
	FAILS(EEXIST, make(most_name, 0644));
	WORKS(unlink(most_name));
	WORKS(link("file", "hard"));
	IS(2, look("file").st_nlink);
	IS(look("file").st_ino, look("hard").st_ino);
	FAILS(EEXIST, link("file", "hard"));
	FAILS(EPERM, link("closed", "hard2"));
	WORKS(unlink("hard"));
	IS(1, look("file").st_nlink);
	FAILS(EEXIST, symlink("x", "file"));
	FAILS(ENOENT, symlink("", "empty"));
	WORKS(symlink("../../../../../../etc/passwd", "up"));
	IS(28, readlink("up", text, sizeof(text)));
	IS(0, memcmp(text, "../../../../../../etc/passwd", 28));
	FAILS(EINVAL, readlink("file", text, sizeof(text)));
	WORKS(unlink("up"));
	FAILS(EEXIST, mkdir("file", 0755));
	FAILS(EEXIST, mkdir("loop", 0755));
	WORKS(mkdir("d", 0751));
	IS(0751, look("d").st_mode & 07777);
	IS(2, look("d").st_nlink);
	FAILS(EISDIR, unlink("d"));
	FAILS(ENOTDIR, rmdir("file"));
	FAILS(EINVAL, rmdir("d/."));
	WORKS(make("d/x", 0600));
	FAILS(ENOTEMPTY, rmdir("d"));
	FAILS(ENOTEMPTY, rmdir("d/.."));
	WORKS(mkfifo("pipe", 0600));
	IS(S_IFIFO, look("pipe").st_mode & S_IFMT);
	FAILS(EEXIST, mkfifo("pipe", 0600));
	FAILS(ENXIO, open("pipe", O_WRONLY | O_NONBLOCK));
	WORKS(unlink("pipe"));
	FAILS(devices ? 0 : EPERM, mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	FAILS(devices ? 0 : EPERM, mknod("disk", S_IFBLK | 0666, makedev(254, 0)));
	(void)unlink("null");
	(void)unlink("disk");
	AS_OTHER(FAILS(EPERM, mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	    FAILS(EACCES, mkdir("d/no", 0755)); FAILS(EACCES, unlink("d/x")));
	/* In a sticky directory only the owner removes. */
	WORKS(chmod("d", 01777));
	AS_OTHER(FAILS(EPERM, unlink("d/x")); FAILS(EPERM, rename("d/x", "d/y"));
	    WORKS(make("d/mine", 0600)); WORKS(unlink("d/mine")));
	WORKS(unlink("d/x"));
	/* A directory's group goes on to what is made in it. */
	WORKS(chown("d", 0, 77));
	WORKS(chmod("d", 02777));
	AS_OTHER(WORKS(make("d/x", 0640)); WORKS(mkdir("d/sub", 0755)));
	IS(77, look("d/x").st_gid);
	IS(OTHER, look("d/x").st_uid);
	IS(02755, look("d/sub").st_mode & 07777);
	WORKS(rmdir("d/sub"));
	WORKS(unlink("d/x"));
	WORKS(rmdir("d"));
}

static void
renames(void)
{
	ino_t ino;
	int fd;

	WORKS(make("a", 0644));
	WORKS(make("b", 0600));
	ino = look("a").st_ino;
	WORKS(rename("a", "b"));
	IS(ino, look("b").st_ino);
	FAILS(ENOENT, rename("a", "b"));
	WORKS(mkdir("d", 0755));
	WORKS(mkdir("e", 0755));
	FAILS(EISDIR, rename("b", "d"));
	FAILS(ENOTDIR, rename("d", "b"));
	FAILS(EINVAL, rename("d", "d/in"));
	WORKS(mkdir("d/in", 0755));
	FAILS(ENOTEMPTY, rename("e", "d"));
	WORKS(rename("d", "e"));
	FAILS(ENOENT, access("d", F_OK));
	WORKS(access("e/in", F_OK));
	WORKS(rename("e/in", "in"));
	IS(2, look("e").st_nlink);
	/* What is open stays, whatever becomes of its name. */
	fd = open("b", O_RDWR);
	WORKS(fd);
	WORKS(rename("b", "e/b"));
	IS(3, write(fd, "abc", 3));
	IS(3, look("e/b").st_size);
	WORKS(unlink("e/b"));
	IS(3, pwrite(fd, "def", 3, 3));
	IS(6, lseek(fd, 0, SEEK_END));
	close(fd);
	WORKS(link("file", "hard"));
	WORKS(rename("hard", "file"));	/* two names of one: nothing happens */
	WORKS(access("hard", F_OK));
	WORKS(unlink("hard"));
	WORKS(rmdir("in"));
	WORKS(rmdir("e"));
}

static void
opens(void)
{
	char text[8] = "";
	int fd;

	FAILS(EEXIST, open("file", O_WRONLY | O_CREAT | O_EXCL, 0644));
	FAILS(EEXIST, open("loop", O_WRONLY | O_CREAT | O_EXCL, 0644));
	FAILS(ENOTDIR, open("file", O_RDONLY | O_DIRECTORY));
	FAILS(ELOOP, open("loop", O_RDONLY | O_NOFOLLOW));
	FAILS(EISDIR, open("closed", O_WRONLY));
	FAILS(EISDIR, truncate("closed", 0));
	FAILS(EINVAL, truncate("file", -1));
	WORKS(make("f", 0644));
	WORKS(truncate("f", 5000));
	IS(5000, look("f").st_size);
	fd = open("f", O_RDWR | O_APPEND);
	IS(2, write(fd, "xy", 2));
	IS(1, pread(fd, text, 1, 4999));
	IS(0, text[0]);
	IS(2, pread(fd, text, 8, 5000));
	IS(0, memcmp(text, "xy", 2));
	close(fd);
	fd = open("f", O_WRONLY | O_TRUNC);
	IS(0, look("f").st_size);
	FAILS(EBADF, read(fd, text, 1));
	close(fd);
	fd = open("f", O_RDONLY);
	FAILS(EBADF, write(fd, text, 1));
	FAILS(EINVAL, ftruncate(fd, 1));
	close(fd);
	WORKS(chmod("f", 0200));
	WORKS(chown("f", OTHER, OTHER));
	AS_OTHER(FAILS(EACCES, open("f", O_RDONLY)));
	WORKS(unlink("f"));
	(void)umask(027);
	WORKS(make("f", 0666));
	IS(0640, look("f").st_mode & 07777);
	(void)umask(0);
	WORKS(unlink("f"));
}

/* ---- one file, changed at random ---------------------------------------------------- */

static uint8_t memory[FILE_MAX], buf[FILE_MAX];

static uint32_t
next(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 11);
}

static void
by_mapping(int fd, size_t at, size_t len)
{
	uint8_t *map = mmap(NULL, at + len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	IS(true, map != MAP_FAILED);
	if (map == MAP_FAILED)
		return;
	IS(0, memcmp(map, memory, at));
	memset(map + at, (int)(len & 0xff), len);
	memset(memory + at, (int)(len & 0xff), len);
	WORKS(munmap(map, at + len));
}

static void
step(int fd, size_t *size)
{
	size_t at = next() % FILE_MAX, len = next() % 20000;

	if (len > FILE_MAX - at)
		len = FILE_MAX - at;
	switch (next() % 8) {
	case 0:
	case 1:
		for (size_t i = 0; i < len; i++)
			memory[at + i] = buf[i] = (uint8_t)next();
		IS(len, pwrite(fd, buf, len, (off_t)at));
		*size = len > 0 && at + len > *size ? at + len : *size;
		break;
	case 2:
		WORKS(ftruncate(fd, (off_t)at));
		if (at < *size)
			memset(memory + at, 0, *size - at);
		*size = at;
		break;
	case 3:
		if (len == 0 || fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    (off_t)at, (off_t)len) != 0)
			break;
		memset(memory + at, 0, len);
		break;
	case 4:
		if (at < *size && len > 0 && at + len <= *size)
			by_mapping(fd, at, len);
		break;
	default:
		IS(at >= *size ? 0 : len < *size - at ? len : *size - at,
		    pread(fd, buf, len, (off_t)at));
		if (at < *size)
			IS(0, memcmp(buf, memory + at, len < *size - at ? len :
			    *size - at));
		break;
	}
}

static void
random_changes(unsigned int rounds)
{
	int fd = open("random", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	size_t size = 0;

	WORKS(fd);
	for (unsigned int i = 0; i < rounds; i++) {
		step(fd, &size);
		if (i % 50 == 49) {
			close(fd);
			fd = open("random", O_RDWR | O_CLOEXEC);
			IS(size, lseek(fd, 0, SEEK_END));
		}
	}
	IS(size, pread(fd, buf, sizeof(buf), 0));
	IS(0, memcmp(buf, memory, size));
	close(fd);
	WORKS(unlink("random"));
}

int
main(int argc, char **argv)
{
	bool devices = true;
	unsigned int rounds = 300;

	if (argc < 2 || chdir(argv[1]) != 0)
		return 2;
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--no-devices") == 0)
			devices = false;
		else
			rounds = (unsigned int)strtoul(argv[i], NULL, 10);
	(void)umask(0);
	memset(long_name, 'n', sizeof(long_name) - 1);
	memset(most_name, 'm', sizeof(most_name) - 1);
	for (size_t i = 0; i < sizeof(long_path) - 1; i++)
		long_path[i] = i % 2 != 0 ? '/' : '.';
	if (mkdir("posix", 0777) != 0 || chdir("posix") != 0 ||
	    make("file", 0644) != 0 || mkdir("closed", 0700) != 0 ||
	    make("closed/x", 0600) != 0 || symlink("loop", "loop") != 0) {
		perror("posix");
		return 2;
	}
	paths();
	attributes();
	names(devices);
	renames();
	opens();
	random_changes(rounds);
	WORKS(unlink("closed/x"));
	WORKS(rmdir("closed"));
	WORKS(unlink("loop"));
	WORKS(unlink("file"));
	WORKS(chdir(".."));
	WORKS(rmdir("posix"));
	printf("%u good, %u bad\n", good, bad);
	return bad != 0;
}
