/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests on open directories. An answer holds the entries that fit; where the
 * guest goes on somewhere else than the fd is, that is moved there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device-workers/fs/fs_int.h"

#define ENTRY_MAX (sizeof(struct entry) + FS_NAME_MAX + 1)
#define UNKNOWN_INO 0xffffffffu	/* as fuse's own library says */

/* What the kernel gives (getdents64). */
struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

int64_t
fs_opendir(struct fs *fs, struct fs_req *req)
{
	struct fuse_open_out out = { 0 };
	uint32_t node = fs_node_of(fs, req->head.nodeid);
	int fd;

	if (node == 0)
		return -ESTALE;
	fs_handles_undo(fs, req->head.unique);
	fd = fs_path_open(fs, node, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	out.fh = fs_handle_add(fs, FS_DIR, fd, node,
	    O_RDONLY | O_DIRECTORY);
	if (out.fh == 0)
		return -ENFILE;
	if (fs->cache_mode == FS_CACHE_ALWAYS)
		out.open_flags = FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR;
	memcpy(fs->out, &out, sizeof(out));
	return sizeof(out);
}

int64_t
fs_releasedir(struct fs *fs, struct fs_req *req)
{
	struct fs_handle *h = fs_handle_raw(fs, req->in.release.fh, FS_DIR);

	if (h == NULL)
		return -EBADF;
	fs_handle_close(fs, h);
	return 0;
}

int64_t
fs_fsyncdir(struct fs *fs, struct fs_req *req)
{
	const struct fs_handle *h = fs_handle_of(fs, req->in.fsync.fh, FS_DIR);

	if (h == NULL)
		return -EBADF;
	return fsync(h->fd) < 0 ? -errno : 0;
}

static bool
is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' ||
	    (name[1] == '.' && name[2] == '\0'));
}

/* The part of READDIRPLUS' answer that LOOKUP's would be; zero: look it up. */
static void
look_up(struct fs *fs, const struct fs_handle *h, const struct entry *e,
    struct fuse_entry_out *out)
{
	struct stat st;
	uint32_t node;

	memset(out, 0, sizeof(*out));
	if (is_dots(e->name) ||
	    fstatat(h->fd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	node = fs_node_enter(fs, &st, h->node, e->name);
	if (node != 0)
		fs_fill_entry(fs, out, node, &st);
}

/* Put one entry at @at of the answer: its size, or 0: it does not fit. */
static size_t
put_entry(struct fs *fs, const struct fs_handle *h, const struct entry *e,
    bool plus, size_t at, size_t room)
{
	size_t len = strnlen(e->name, FS_NAME_MAX);
	size_t head = plus ? sizeof(struct fuse_entry_out) : 0;
	size_t size = FUSE_DIRENT_ALIGN(head + FUSE_NAME_OFFSET + len);
	struct fuse_dirent d = {
		.ino = e->name[0] == '.' && e->name[1] == '.' && len == 2 ?
		    UNKNOWN_INO : e->ino,
		.off = (uint64_t)e->off,
		.namelen = (uint32_t)len,
		.type = e->type,
	};
	struct fuse_entry_out entry;

	if (size > room - at)
		return 0;
	memset(fs->out + at, 0, size);
	if (plus) {
		look_up(fs, h, e, &entry);
		memcpy(fs->out + at, &entry, sizeof(entry));
	}
	memcpy(fs->out + at + head, &d, FUSE_NAME_OFFSET);
	memcpy(fs->out + at + head + FUSE_NAME_OFFSET, e->name, len);
	return size;
}

/* Entries as one getdents64 gives them, from where the fd is; bytes. */
static int64_t
read_entries(struct fs *fs, struct fs_handle *h, bool plus, size_t room)
{
	/*
	 * No more than will fit, even if all names are short (24 bytes of the
	 * kernel's make 32, and 160 with attributes): to go back is no way, where
	 * a position counts entries of which the guest has removed some (tmpfs).
	 */
	size_t want = plus ? room * 3 / 20 : room * 3 / 4, at = 0;
	long n, i;

	n = syscall(SYS_getdents64, h->fd, fs->entries,
	    want < ENTRY_MAX ? ENTRY_MAX : want);
	if (n < 0)
		return -errno;
	for (i = 0; i < n;) {
		const struct entry *e = (const void *)(fs->entries + i);
		size_t size = put_entry(fs, h, e, plus, at, room);

		if (size == 0)
			break;
		at += size;
		h->pos = (uint64_t)e->off;
		i += e->reclen;
	}
	if (i < n && lseek(h->fd, (off_t)h->pos, SEEK_SET) < 0)
		h->pos = UINT64_MAX;
	return i == 0 && n > 0 ? -EINVAL : (int64_t)at;
}

static int64_t
read_dir(struct fs *fs, struct fs_req *req, bool plus)
{
	const struct fuse_read_in *in = &req->in.read;
	struct fs_handle *h = fs_handle_of(fs, in->fh, FS_DIR);
	uint64_t room = in->size < req->room ? in->size : req->room;

	if (h == NULL)
		return -EBADF;
	if (in->offset != h->pos) {
		if (lseek(h->fd, (off_t)in->offset, SEEK_SET) < 0)
			return -errno;
		h->pos = in->offset;
	}
	return read_entries(fs, h, plus, room < FS_OUT ? room : FS_OUT);
}

int64_t
fs_readdir(struct fs *fs, struct fs_req *req)
{
	return read_dir(fs, req, false);
}

int64_t
fs_readdirplus(struct fs *fs, struct fs_req *req)
{
	return read_dir(fs, req, true);
}
