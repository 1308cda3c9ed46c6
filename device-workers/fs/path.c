/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a node to a file: by the directory that it was seen in and its name, opened
 * below the share, through no symbolic link, and only if device and inode are still
 * the same. O_PATH fds of directories are kept as long as there is room; of a file
 * one is kept when it is about to lose its name, which is its only other way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device-workers/fs/fs_int.h"
#include "ipc/log.h"

#define PATH_SIZE 4096u
#define RESOLVE (uint64_t)(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)

int
fs_path_fill(void)
{
	int fd;

	do {
		fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
	} while (fd < FD_FS_FILES);
	close(fd);
	return 0;
}

/*
 * An fd that was opened, in its range. It is elsewhere where the library has
 * closed what it had there: then that number is taken, too.
 */
static int
in_range(struct fs *fs, int fd)
{
	int up;

	if (fd >= FD_FS_FILES)
		return fd;
	if (fd < 0) {
		if ((errno == EMFILE || errno == ENFILE) && !fs->failed) {
			fs->failed = true;
			log_warn("fs: no file descriptor is left: %s",
			    log_errname(errno));
		}
		return -errno;
	}
	up = fcntl(fd, F_DUPFD_CLOEXEC, FD_FS_FILES);
	if (up < 0)
		up = -errno;
	close(fd);
	(void)fs_path_fill();
	return up;
}

int
fs_path_open_at(struct fs *fs, int dir, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint32_t)flags | O_NOFOLLOW | O_CLOEXEC |
		    ((flags & O_PATH) != 0 ? 0u : O_NONBLOCK | O_NOCTTY),
		.mode = mode,
		.resolve = RESOLVE,
	};

	return in_range(fs, (int)syscall(SYS_openat2, dir, name, &how,
	    sizeof(how)));
}

/* ---- the fds that are kept --------------------------------------------------------- */

void
fs_path_drop(struct fs *fs, uint32_t node)
{
	struct fs_cached *c;

	if (fs->node[node].cache == 0)
		return;
	c = &fs->cached[fs->node[node].cache - 1];
	fs->node[node].cache = 0;
	if (c->pinned)
		fs->npinned--;
	close(c->fd);
	*c = (struct fs_cached){ .fd = -1 };
}

void
fs_path_drop_all(struct fs *fs)
{
	for (size_t i = 0; i < FS_CACHE; i++)
		if (fs->cached[i].node != 0)
			fs_path_drop(fs, fs->cached[i].node);
}

/* An entry that is free, after a look at each twice: what was used goes last. */
static struct fs_cached *
make_room(struct fs *fs)
{
	for (uint32_t i = 0; i < 2 * FS_CACHE; i++) {
		struct fs_cached *c = &fs->cached[fs->hand++ % FS_CACHE];

		if (c->node == 0)
			return c;
		if (c->pinned || c->used == fs->request)
			continue;
		if (c->recent) {
			c->recent = false;
			continue;
		}
		fs_path_drop(fs, c->node);
		return c;
	}
	return NULL;
}

/* Keep @fd, which is the node's: it is closed where that cannot be. */
static int
keep(struct fs *fs, uint32_t node, int fd)
{
	struct fs_cached *c = make_room(fs);

	if (c == NULL) {
		close(fd);
		return -ENFILE;
	}
	*c = (struct fs_cached){
		.fd = fd, .node = node, .used = fs->request, .recent = true,
	};
	fs->node[node].cache = (uint16_t)(c - fs->cached + 1);
	return fd;
}

static bool
is_node(const struct fs *fs, uint32_t node, const struct stat *st)
{
	const struct fs_node *n = &fs->node[node];

	return n->dev == st->st_dev && n->ino == st->st_ino &&
	    n->type == (st->st_mode & S_IFMT);
}

/* @fd, if it is of the node; else it is closed. */
static int
same(const struct fs *fs, uint32_t node, int fd)
{
	struct stat st;
	int rc;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ?
		    -ESTALE : fd;
	rc = fstat(fd, &st) < 0 ? -errno : is_node(fs, node, &st) ? 0 : -ESTALE;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int
cached_fd(struct fs *fs, uint32_t node)
{
	struct fs_cached *c;

	if (node == FS_ROOT)
		return FD_SHARE;
	if (fs->node[node].cache == 0)
		return -1;
	c = &fs->cached[fs->node[node].cache - 1];
	c->recent = true;
	c->used = fs->request;
	return c->fd;
}

/*
 * The path of @node from the nearest one above it that has an fd, built from its
 * end, into @path. *start: where it begins there. That fd, or -errno.
 */
static int
path_of(struct fs *fs, uint32_t node, char path[PATH_SIZE], size_t *start)
{
	size_t at = PATH_SIZE - 1;
	int fd;

	path[at] = '\0';
	do {
		char name[FS_NAME_MAX + 1];
		size_t len;

		if (!fs_node_text(fs, node, name))
			return -ESTALE;
		len = strlen(name);
		/* A circle, which the host can make of what it moves, ends here. */
		if (len + 1 > at)
			return -ENAMETOOLONG;
		if (path[at] != '\0')
			path[--at] = '/';
		at -= len;
		memcpy(path + at, name, len);
		node = fs->node[node].parent;
		fd = cached_fd(fs, node);
	} while (fd < 0);
	*start = at;
	return fd;
}

/* Apart from fs_path_fd(): the compiler clears what is on the stack, each time. */
static __attribute__((noinline)) int
open_path(struct fs *fs, uint32_t node)
{
	char path[PATH_SIZE];
	size_t start = 0;
	int fd = path_of(fs, node, path, &start);

	if (fd < 0)
		return fd;
	fd = same(fs, node, fs_path_open_at(fs, fd, path + start, O_PATH, 0));
	return fd < 0 ? fd : keep(fs, node, fd);
}

int
fs_path_fd(struct fs *fs, uint32_t node)
{
	int fd = cached_fd(fs, node);

	return fd >= 0 ? fd : open_path(fs, node);
}

int
fs_path_at(struct fs *fs, uint32_t node, struct fs_at *at)
{
	at->dir = cached_fd(fs, node);
	at->flags = AT_EMPTY_PATH;
	at->name[0] = '\0';
	if (at->dir >= 0)
		return 0;
	if (!fs_node_text(fs, node, at->name))
		return -ESTALE;
	at->flags = AT_SYMLINK_NOFOLLOW;
	at->dir = fs_path_fd(fs, fs->node[node].parent);
	return at->dir < 0 ? at->dir : 0;
}

int
fs_path_stat(struct fs *fs, uint32_t node, struct fs_at *at, struct stat *st)
{
	int rc = fs_path_at(fs, node, at);
	struct fs_handle *h;

	/* Without a name and a path: what has it open knows it. */
	if (rc == -ESTALE && (h = fs_handle_any(fs, node)) != NULL) {
		*at = (struct fs_at){ .dir = h->fd, .flags = AT_EMPTY_PATH };
		rc = 0;
	}
	if (rc != 0)
		return rc;
	if (fstatat(at->dir, at->name, st, at->flags) < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ESTALE : -errno;
	return is_node(fs, node, st) ? 0 : -ESTALE;
}

int
fs_path_open(struct fs *fs, uint32_t node, int flags)
{
	char name[FS_NAME_MAX + 1] = ".";
	int dir = FD_SHARE;

	if (node != FS_ROOT) {
		if (!fs_node_text(fs, node, name))
			return -ESTALE;
		dir = fs_path_fd(fs, fs->node[node].parent);
	}
	return dir < 0 ? dir : same(fs, node, fs_path_open_at(fs, dir, name,
	    flags, 0));
}

void
fs_path_keep(struct fs *fs, uint32_t node)
{
	struct fs_cached *c;

	if (fs->npinned == FS_PINNED || node == FS_ROOT ||
	    fs_path_fd(fs, node) < 0)
		return;
	c = &fs->cached[fs->node[node].cache - 1];
	fs->npinned += !c->pinned;
	c->pinned = true;
}

void
fs_path_unkeep(struct fs *fs, uint32_t node)
{
	struct fs_cached *c;

	if (node == FS_ROOT || fs->node[node].cache == 0)
		return;
	c = &fs->cached[fs->node[node].cache - 1];
	fs->npinned -= c->pinned;
	c->pinned = false;
}
