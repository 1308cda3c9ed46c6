// SPDX-License-Identifier: Apache-2.0
//
// Files, pseudo-terminals, listening sockets and /dev/kvm. Every open is
// non-blocking, and what came of it is checked by fstat on the fd, never by a
// look at the path.
#include "controller/opener/opened.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define LOCK_TRIES 50
#define LOCK_PAUSE 20	/* ms */
#define REGULAR (1u << 0)
#define BLOCK (1u << 1)
#define CHARACTER (1u << 2)
#define FIFO (1u << 3)

static const struct {
	int flags;
	unsigned int types;	/* what it may be */
	const char *wrong;
} file_kinds[] = {
	[BH__OPEN_KIND__OPEN_KIND_READ] = {
		O_RDONLY, REGULAR, "not a regular file" },
	[BH__OPEN_KIND__OPEN_KIND_DISK] = {
		O_RDWR, REGULAR | BLOCK, "not a regular file or block device" },
	[BH__OPEN_KIND__OPEN_KIND_DISK_READONLY] = {
		O_RDONLY, REGULAR | BLOCK,
		"not a regular file or block device" },
	[BH__OPEN_KIND__OPEN_KIND_WRITE] = {
		O_WRONLY | O_CREAT | O_TRUNC, REGULAR | CHARACTER | FIFO,
		"not something to write a console to" },
	[BH__OPEN_KIND__OPEN_KIND_APPEND] = {
		O_WRONLY | O_CREAT | O_APPEND, REGULAR | CHARACTER | FIFO,
		"not something to write a log to" },
	[BH__OPEN_KIND__OPEN_KIND_RANDOM] = {
		O_RDONLY, REGULAR | CHARACTER,
		"not a regular file or character device" },
};

static int
check_type(struct opened *o, const struct stat *st, Bh__OpenKind kind)
{
	unsigned int type = S_ISREG(st->st_mode) ? REGULAR :
	    S_ISBLK(st->st_mode) ? BLOCK : S_ISCHR(st->st_mode) ? CHARACTER :
	    S_ISFIFO(st->st_mode) ? FIFO : 0;

	if (S_ISDIR(st->st_mode)) {
		o->why = "is a directory";
		return -EISDIR;
	}
	if ((file_kinds[kind].types & type) == 0) {
		o->why = file_kinds[kind].wrong;
		return -EINVAL;
	}
	return 0;
}

/* What O_DIRECT on a file wants; 6.1 and later say it. */
static void
measure_direct(struct opened *o, int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) != 0 ||
	    (sx.stx_mask & STATX_DIOALIGN) == 0)
		return;
	o->shape.memory = sx.stx_dio_mem_align;
	if (sx.stx_dio_offset_align > o->msg.block_size)
		o->msg.block_size = sx.stx_dio_offset_align;
}

/* What a block device likes: of use to the guest, no error where it is not said. */
static void
measure_shape(struct opened *o, int fd)
{
	unsigned int n;
	int offset;

	if (ioctl(fd, BLKPBSZGET, &n) == 0)
		o->shape.physical_block = n;
	if (ioctl(fd, BLKIOMIN, &n) == 0)
		o->shape.minimum_io = n;
	if (ioctl(fd, BLKIOOPT, &n) == 0)
		o->shape.optimal_io = n;
	if (ioctl(fd, BLKALIGNOFF, &offset) == 0 && offset > 0)
		o->shape.alignment = (uint32_t)offset;
}

static int
measure(struct opened *o, int fd, const struct stat *st, bool direct)
{
	int sector = 512;

	o->msg.device = st->st_dev;
	o->msg.inode = st->st_ino;
	o->msg.block_size = 512;
	o->msg.size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	o->msg.block = S_ISBLK(st->st_mode);
	bh__blk_shape__init(&o->shape);
	o->msg.shape = &o->shape;
	if (direct)
		measure_direct(o, fd);
	if (!S_ISBLK(st->st_mode))
		return 0;
	if (ioctl(fd, BLKGETSIZE64, &o->msg.size) < 0 ||
	    ioctl(fd, BLKSSZGET, &sector) < 0)
		return -errno;
	o->msg.block_size = (uint32_t)sector;
	measure_shape(o, fd);
	return 0;
}

/*
 * A VM that was killed holds its disk for some milliseconds more, by its worker's
 * io_uring: give it a second before the controller finds the disk locked.
 */
static void
await_lock(int fd, bool readonly)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		struct flock lock = { .l_type = readonly ? F_RDLCK : F_WRLCK,
				      .l_whence = SEEK_SET };

		if (fcntl(fd, F_OFD_GETLK, &lock) != 0 ||
		    lock.l_type == F_UNLCK)
			return;
		(void)poll(NULL, 0, LOCK_PAUSE);
	}
}

/* The file of @fd once more, whatever its path is by now. */
static int
open_again(int fd, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

int
open_file(struct opened *o, const Bh__Open *req)
{
	int flags = file_kinds[req->kind].flags | O_NONBLOCK | O_NOCTTY |
	    O_CLOEXEC | (req->direct ? O_DIRECT : 0);
	struct stat st;
	int fd, rc;

	if (req->own && o->folder >= 0) {
		o->fds[0] = open_again(o->folder, flags);
		o->nfds = o->fds[0] >= 0;
		return o->fds[0] < 0 ? o->fds[0] : 0;
	}
	fd = req->below ? open_below(o, req->path, flags) :
	    open(req->path, flags, 0666);
	if (fd < 0 && req->below)
		return fd;
	/* A FIFO that nobody reads yet, as libvirt makes one for the events. */
	if (fd < 0 && errno == ENXIO &&
	    req->kind == BH__OPEN_KIND__OPEN_KIND_APPEND)
		fd = open(req->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		if (errno == EINVAL && req->direct)
			o->why = "this file system cannot do direct I/O";
		return -errno;
	}
	rc = fstat(fd, &st) < 0 ? -errno : check_type(o, &st, req->kind);
	if (rc == 0)
		rc = measure(o, fd, &st, req->direct);
	if (rc == 0 && (req->kind == BH__OPEN_KIND__OPEN_KIND_DISK ||
	    req->kind == BH__OPEN_KIND__OPEN_KIND_DISK_READONLY))
		await_lock(fd, req->kind != BH__OPEN_KIND__OPEN_KIND_DISK);
	if (rc == 0 && req->folder) {
		o->fds[1] = open_folder(req->path);
		rc = o->fds[1] < 0 ? o->fds[1] : 0;
	}
	if (rc != 0) {
		close(fd);
		return rc;
	}
	o->fds[0] = fd;
	o->nfds = req->folder ? 2 : 1;
	if (!req->own)
		return 0;
	rc = open_again(fd, flags);
	if (rc >= 0)
		o->fds[o->nfds++] = rc;
	return rc < 0 ? rc : 0;
}

int
open_place(struct opened *o, const Bh__Open *req)
{
	int fd = open(req->path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	o->fds[o->nfds++] = fd;
	return 0;
}

int
open_share(struct opened *o, const Bh__Open *req)
{
	int fd = open(req->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		o->why = errno == ENOTDIR ? "not a directory" : NULL;
		return -errno;
	}
	o->fds[o->nfds++] = fd;
	return 0;
}

int
open_pty(struct opened *o, const Bh__Open *req)
{
	int fd, number, unlock = 0;
	struct termios t;

	(void)req;
	fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, TIOCSPTLCK, &unlock) < 0 ||
	    ioctl(fd, TIOCGPTN, &number) < 0 || tcgetattr(fd, &t) < 0)
		goto fail;
	cfmakeraw(&t);
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		goto fail;
	(void)snprintf(o->name, sizeof(o->name), "/dev/pts/%d", number);
	o->fds[o->nfds++] = fd;
	return 0;
fail:
	number = -errno;
	close(fd);
	return number;
}

int
open_kvm(struct opened *o, const Bh__Open *req)
{
	int fd, version;

	(void)req;
	fd = open("/dev/kvm", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		close(fd);
		o->why = "not KVM, or of another API version";
		return -ENODEV;
	}
	o->fds[o->nfds++] = fd;
	return 0;
}

/* ---- listening sockets ------------------------------------------------------------ */

/* Does somebody listen behind this file? */
static int
is_stale(const struct sockaddr_un *addr, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int stale;

	if (fd < 0)
		return 0;
	stale = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
	    errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int
bind_socket(struct opened *o, int fd, int dir, const char *name, int type,
    int backlog)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int n, rc;

	/* By way of the directory's fd: a path of any length fits. */
	n = snprintf(addr.sun_path, sizeof(addr.sun_path),
	    "/proc/self/fd/%d/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path)) {
		o->why = "the socket's file name is too long";
		return -ENAMETOOLONG;
	}
	rc = bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	if (rc < 0 && errno == EADDRINUSE && is_stale(&addr, type) &&
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(st.st_mode) && unlinkat(dir, name, 0) == 0)
		rc = bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	if (rc < 0)
		return -errno;
	if (listen(fd, backlog) < 0 ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		rc = -errno;
		(void)unlinkat(dir, name, 0);
		return rc;
	}
	o->msg.device = st.st_dev;
	o->msg.inode = st.st_ino;
	return 0;
}

/*
 * The lock of an API socket: a file beside it, as Cloud Hypervisor's, locked as
 * long as anybody has it open. Who ends removes it, so that it may be gone from
 * its place by the time that it is locked: then again.
 */
static int
lock_socket(struct opened *o, int dir, const char *name)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st, at;
	char path[sizeof(o->name) + 8];
	int fd;

	(void)snprintf(path, sizeof(path), "%s.lock", name);
	for (int i = 0; i < 10; i++) {
		fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC |
		    O_NOFOLLOW | O_NONBLOCK, 0600);
		if (fd < 0)
			return -errno;
		if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
			int rc = errno == EACCES || errno == EAGAIN ?
			    -EADDRINUSE : -errno;

			close(fd);
			return rc;
		}
		if (fstat(fd, &st) == 0 && fstatat(dir, path, &at,
		    AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == at.st_ino &&
		    st.st_dev == at.st_dev) {
			o->fds[2] = fd;
			o->msg.lock_device = st.st_dev;
			o->msg.lock_inode = st.st_ino;
			return 0;
		}
		close(fd);
	}
	return -EADDRINUSE;
}

int
open_listen(struct opened *o, const Bh__Open *req)
{
	bool api = req->kind == BH__OPEN_KIND__OPEN_KIND_API;
	int type = req->seqpacket ? SOCK_SEQPACKET : SOCK_STREAM;
	char path[4096];
	const char *name = path, *slash;
	int dir, fd, rc;
	mode_t mask;

	if (strlen(req->path) >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, req->path, strlen(req->path) + 1);
	slash = strrchr(path, '/');
	if (slash != NULL)
		name = slash + 1;
	if (name[0] == '\0' || strlen(name) >= sizeof(o->name))
		return name[0] == '\0' ? -EISDIR : -ENAMETOOLONG;
	dir = open_folder(path);
	if (dir < 0)
		return dir;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(077);
	rc = fd < 0 ? -errno : api ? lock_socket(o, dir, name) : 0;
	if (rc == 0)
		rc = bind_socket(o, fd, dir, name, type, api ? API_BACKLOG : 1);
	umask(mask);
	if (rc != 0) {
		if (api && o->fds[2] > 0)
			close(o->fds[2]);
		close(dir);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	memcpy(o->name, name, strlen(name) + 1);
	o->fds[o->nfds++] = fd;
	o->fds[o->nfds++] = dir;
	o->nfds += api;
	return 0;
}

int
opened_prepare(void)
{
	return 0;
}

/* ---- the table ---------------------------------------------------------------------- */

int
opened_make(struct opened *o, const Bh__Open *req)
{
	static int (*const by_kind[])(struct opened *, const Bh__Open *) = {
		[BH__OPEN_KIND__OPEN_KIND_READ] = open_file,
		[BH__OPEN_KIND__OPEN_KIND_DISK] = open_file,
		[BH__OPEN_KIND__OPEN_KIND_DISK_READONLY] = open_file,
		[BH__OPEN_KIND__OPEN_KIND_WRITE] = open_file,
		[BH__OPEN_KIND__OPEN_KIND_APPEND] = open_file,
		[BH__OPEN_KIND__OPEN_KIND_RANDOM] = open_file,
		[BH__OPEN_KIND__OPEN_KIND_PTY] = open_pty,
		[BH__OPEN_KIND__OPEN_KIND_LISTEN] = open_listen,
		[BH__OPEN_KIND__OPEN_KIND_API] = open_listen,
		[BH__OPEN_KIND__OPEN_KIND_PLACE] = open_place,
		[BH__OPEN_KIND__OPEN_KIND_TAP] = open_tap,
		[BH__OPEN_KIND__OPEN_KIND_KVM] = open_kvm,
		[BH__OPEN_KIND__OPEN_KIND_CONNECT] = open_connect,
		[BH__OPEN_KIND__OPEN_KIND_SHARE] = open_share,
	};

	/* proto_check() has bounded the enum; guards and snapshots are others'. */
	if (req->kind >= sizeof(by_kind) / sizeof(by_kind[0]) ||
	    by_kind[req->kind] == NULL)
		return -EOPNOTSUPP;
	return by_kind[req->kind](o, req);
}
