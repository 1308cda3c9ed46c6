/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests on open files. Data goes between the file and the guest's memory, by the
 * segments of the request's descriptors; no byte of it is copied or looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device-workers/fs/fs_int.h"

#define COPY_MAX (16ull << 20)	/* a request: nobody else is served meanwhile */
#define KEPT_FLAGS (O_ACCMODE | O_APPEND | O_TRUNC | O_DSYNC | O_SYNC)

/* What of the guest's flags is the host's business. */
static int
flags_of(const struct fs *fs, uint32_t flags)
{
	int own = (int)flags & KEPT_FLAGS;

	if (fs->writeback) {
		/* The guest's cache reads what it writes a part of, and knows
		 * where the end is. */
		if ((own & O_ACCMODE) == O_WRONLY)
			own = (own & ~O_ACCMODE) | O_RDWR;
		own &= ~O_APPEND;
	}
	return own;
}

static uint32_t
answer_flags(const struct fs *fs)
{
	return fs->cache_mode == FS_CACHE_NEVER ? FOPEN_DIRECT_IO :
	    fs->cache_mode == FS_CACHE_ALWAYS ? FOPEN_KEEP_CACHE : 0;
}

static bool
changes(uint32_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

int64_t
fs_open(struct fs *fs, struct fs_req *req)
{
	struct fuse_open_out out = { .open_flags = answer_flags(fs) };
	uint32_t node = fs_node_of(fs, req->head.nodeid);
	int flags = flags_of(fs, req->in.open.flags), fd;

	if (node == 0)
		return -ESTALE;
	if (fs->node[node].type != S_IFREG)
		return -EOPNOTSUPP;
	if (fs->readonly && changes(req->in.open.flags))
		return -EROFS;
	fs_handles_undo(fs, req->head.unique);
	fd = fs_path_open(fs, node, flags);
	if (fd < 0)
		return fd;
	out.fh = fs_handle_add(fs, FS_FILE, fd, node,
	    flags);
	if (out.fh == 0)
		return -ENFILE;
	memcpy(fs->out, &out, sizeof(out));
	return sizeof(out);
}

int64_t
fs_create(struct fs *fs, struct fs_req *req)
{
	struct fuse_open_out out = { .open_flags = answer_flags(fs) };
	uint32_t parent = fs_node_of(fs, req->head.nodeid), node;
	int flags = flags_of(fs, req->in.create.flags) | O_CREAT |
	    ((int)req->in.create.flags & O_EXCL);
	int dir = parent == 0 ? -ESTALE : fs_path_fd(fs, parent), fd, rc;
	struct fuse_entry_out entry;
	struct stat st;

	if (dir < 0)
		return dir;
	if (req->room < sizeof(struct fuse_entry_out) + sizeof(out))
		return -EINVAL;
	rc = fs_be_maker(fs, req, req->in.create.umask);
	if (rc < 0)
		return rc;
	fs_handles_undo(fs, req->head.unique);
	fd = fs_path_open_at(fs, dir, req->name, flags,
	    req->in.create.mode & 07777);
	/* A predecessor may have made it. */
	if (fd == -EEXIST && fs->again &&
	    fstatat(dir, req->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fs_table_since(fs, &st))
		fd = fs_path_open_at(fs, dir, req->name, flags & ~(O_EXCL | O_CREAT),
		    0);
	if (fd < 0)
		return fd;
	rc = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EEXIST;
	node = rc < 0 ? 0 : fs_node_enter(fs, &st, parent, req->name);
	if (node == 0) {
		close(fd);
		return rc < 0 ? rc : -ENFILE;
	}
	out.fh = fs_handle_add(fs, FS_FILE, fd, node,
	    flags);
	if (out.fh == 0) {
		fs_node_forget(fs, node, 1);
		return -ENFILE;
	}
	fs_fill_entry(fs, &entry, node, &st);
	memcpy(fs->out, &entry, sizeof(entry));
	memcpy(fs->out + sizeof(entry), &out, sizeof(out));
	return sizeof(entry) + sizeof(out);
}

int64_t
fs_read(struct fs *fs, struct fs_req *req)
{
	const struct fuse_read_in *in = &req->in.read;
	const struct fs_handle *h = fs_handle_of(fs, in->fh, FS_FILE);
	uint64_t len = in->size < req->room ? in->size : req->room;
	ssize_t n;
	int niov;

	if (h == NULL)
		return -EBADF;
	niov = fs_door_span(req->chain, true, sizeof(struct fuse_out_header), len,
	    fs->iov);
	n = niov == 0 ? 0 : preadv(h->fd, fs->iov, niov, (off_t)in->offset);
	if (n < 0)
		return -errno;
	req->placed = true;
	return n;
}

/*
 * Of a file that is appended to: a predecessor may have done so, and died before it
 * said so. Then the file has grown.
 */
static bool
was_appended(struct fs *fs, const struct fs_req *req, const struct fs_handle *h)
{
	struct stat st;

	fs_table_begin(fs, req);
	if (fstat(h->fd, &st) < 0)
		return false;
	if (fs->again)
		return (uint64_t)st.st_size > fs->table->begun.size;
	fs->table->begun.size = (uint64_t)st.st_size;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return false;
}

int64_t
fs_write(struct fs *fs, struct fs_req *req)
{
	const struct fuse_write_in *in = &req->in.write;
	const struct fs_handle *h = fs_handle_of(fs, in->fh, FS_FILE);
	struct fuse_write_out out = { 0 };
	ssize_t n;
	int niov;

	if (h == NULL)
		return -EBADF;
	niov = fs_door_span(req->chain, false, sizeof(req->head) + sizeof(*in),
	    in->size, fs->iov);
	if ((h->flags & O_APPEND) != 0 && was_appended(fs, req, h))
		n = in->size;
	else
		n = niov == 0 ? 0 : pwritev(h->fd, fs->iov, niov,
		    (off_t)in->offset);
	if (n < 0)
		return -errno;
	out.size = (uint32_t)n;
	memcpy(fs->out, &out, sizeof(out));
	return sizeof(out);
}

int64_t
fs_release(struct fs *fs, struct fs_req *req)
{
	struct fs_handle *h = fs_handle_raw(fs, req->in.release.fh, FS_FILE);

	if (h == NULL)
		return fs->again ? 0 : -EBADF;
	fs_handle_close(fs, h);
	return 0;
}

int64_t
fs_fsync(struct fs *fs, struct fs_req *req)
{
	const struct fs_handle *h = fs_handle_of(fs, req->in.fsync.fh, FS_FILE);
	int rc;

	if (h == NULL)
		return -EBADF;
	rc = (req->in.fsync.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0 ?
	    fdatasync(h->fd) : fsync(h->fd);
	return rc < 0 ? -errno : 0;
}

int64_t
fs_fallocate(struct fs *fs, struct fs_req *req)
{
	const struct fuse_fallocate_in *in = &req->in.fallocate;
	const struct fs_handle *h = fs_handle_of(fs, in->fh, FS_FILE);
	const uint32_t known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
	    FALLOC_FL_ZERO_RANGE;

	if (h == NULL)
		return -EBADF;
	if ((in->mode & ~known) != 0)
		return -EOPNOTSUPP;
	return fallocate(h->fd, (int)in->mode, (off_t)in->offset,
	    (off_t)in->length) < 0 ? -errno : 0;
}

int64_t
fs_lseek(struct fs *fs, struct fs_req *req)
{
	const struct fs_handle *h = fs_handle_of(fs, req->in.lseek.fh, FS_FILE);
	struct fuse_lseek_out out;
	off_t at;

	if (h == NULL)
		return -EBADF;
	if (req->in.lseek.whence != SEEK_DATA && req->in.lseek.whence != SEEK_HOLE)
		return -EINVAL;
	at = lseek(h->fd, (off_t)req->in.lseek.offset,
	    (int)req->in.lseek.whence);
	if (at < 0)
		return -errno;
	out.offset = (uint64_t)at;
	memcpy(fs->out, &out, sizeof(out));
	return sizeof(out);
}

int64_t
fs_copy(struct fs *fs, struct fs_req *req)
{
	const struct fuse_copy_file_range_in *in = &req->in.copy;
	const struct fs_handle *from = fs_handle_of(fs, in->fh_in, FS_FILE);
	const struct fs_handle *to = fs_handle_of(fs, in->fh_out, FS_FILE);
	uint64_t len = in->len < COPY_MAX ? in->len : COPY_MAX;
	off_t off = (off_t)in->off_in, off2 = (off_t)in->off_out;
	struct fuse_write_out out = { 0 };
	ssize_t n;

	if (from == NULL || to == NULL)
		return -EBADF;
	if (in->flags != 0)
		return -EINVAL;
	n = copy_file_range(from->fd, &off, to->fd, &off2, len, 0);
	if (n < 0)
		return -errno;
	out.size = (uint32_t)n;
	memcpy(fs->out, &out, sizeof(out));
	return sizeof(out);
}
