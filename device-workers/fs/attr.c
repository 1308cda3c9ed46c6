/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests about what a file is: LOOKUP and the forgetting of it, GETATTR, SETATTR,
 * STATFS; and what other requests say of a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device-workers/fs/fs_int.h"

#define AUTO_SECONDS 1u		/* as virtiofsd's */
#define ALWAYS_SECONDS 86400u
#define MODE_BITS 07777u
#define WORKER_ID 4294967294u	/* in a map: controller/spawner/maps.c */
#define TIMES (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)

/*
 * With an id that this process' user namespace does not have the file is this process'
 * own, and no one's who came before: what a start by an ordinary user can do. Where the
 * user has said which ids there are, it is no one's: a setuid file of such an id would
 * be that of another. No id is -1: asked for that, the kernel says what it is.
 */
int
fs_be(struct fs *fs, uint32_t uid, uint32_t gid)
{
	if (gid != fs->gid) {
		(void)setfsgid(gid);
		fs->no_gid = (uint32_t)setfsgid((gid_t)-1) != gid ||
		    gid == WORKER_ID;
		if (fs->no_gid)
			(void)setfsgid(fs->own_gid);
		fs->gid = gid;
	}
	if (uid != fs->uid) {
		(void)setfsuid(uid);
		fs->no_uid = (uint32_t)setfsuid((uid_t)-1) != uid ||
		    uid == WORKER_ID;
		if (fs->no_uid)
			(void)setfsuid(fs->own_uid);
		fs->uid = uid;
	}
	return (fs->no_uid && fs->only_uids) || (fs->no_gid && fs->only_gids) ?
	    -EOVERFLOW : 0;
}

int
fs_be_maker(struct fs *fs, const struct fs_req *req, uint32_t mask)
{
	/* Without ACLs the guest's kernel has applied it. */
	mask = fs->table->acl ? mask & 0777 : 0;
	if (mask != fs->umask) {
		(void)umask(mask);
		fs->umask = mask;
	}
	return fs_be(fs, req->head.uid, req->head.gid);
}

static uint64_t
seconds_of(const struct fs *fs)
{
	return fs->cache_mode == FS_CACHE_NEVER ? 0 :
	    fs->cache_mode == FS_CACHE_AUTO ? AUTO_SECONDS : ALWAYS_SECONDS;
}

void
fs_fill_attr(struct fuse_attr *attr, const struct stat *st)
{
	*attr = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		/* The kernel's 32 bit form of a device's number. */
		.rdev = (uint32_t)((minor(st->st_rdev) & 0xff) |
		    major(st->st_rdev) << 8 |
		    (minor(st->st_rdev) & ~0xffu) << 12),
		.blksize = (uint32_t)st->st_blksize,
	};
}

void
fs_fill_entry(const struct fs *fs, struct fuse_entry_out *e, uint32_t node,
    const struct stat *st)
{
	memset(e, 0, sizeof(*e));
	e->nodeid = fs_node_id(fs, node);
	e->entry_valid = e->attr_valid = seconds_of(fs);
	fs_fill_attr(&e->attr, st);
}

int64_t
fs_answer_entry(struct fs *fs, uint32_t parent, const char *name,
    const struct stat *st)
{
	struct fuse_entry_out e;
	uint32_t node = fs_node_enter(fs, st, parent, name);

	if (node == 0)
		return -ENFILE;
	fs_fill_entry(fs, &e, node, st);
	memcpy(fs->out, &e, sizeof(e));
	return sizeof(e);
}

int64_t
fs_lookup(struct fs *fs, struct fs_req *req)
{
	uint32_t parent = fs_node_of(fs, req->head.nodeid);
	struct stat st;
	int dir;

	if (parent == 0)
		return -ESTALE;
	if (req->room < sizeof(struct fuse_entry_out))
		return -EINVAL;
	dir = fs_path_fd(fs, parent);
	if (dir < 0)
		return dir;
	if (fstatat(dir, req->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return fs_answer_entry(fs, parent, req->name, &st);
}

int64_t
fs_forget(struct fs *fs, struct fs_req *req)
{
	uint32_t node = fs_node_of(fs, req->head.nodeid);

	/* Half of it may be done: too many counts cost memory, too few the file. */
	if (node != 0 && !fs->again)
		fs_node_forget(fs, node, req->in.forget.nlookup);
	return 0;
}

int64_t
fs_batch_forget(struct fs *fs, struct fs_req *req)
{
	for (uint32_t i = 0; i < req->in.batch.count && !fs->again; i++) {
		struct fuse_forget_one one;
		uint32_t node;

		memcpy(&one, req->tail + i * sizeof(one), sizeof(one));
		node = fs_node_of(fs, one.nodeid);
		if (node != 0)
			fs_node_forget(fs, node, one.nlookup);
	}
	return 0;
}

static int64_t
answer_attr(struct fs *fs, const struct stat *st)
{
	struct fuse_attr_out a = { .attr_valid = seconds_of(fs) };

	fs_fill_attr(&a.attr, st);
	memcpy(fs->out, &a, sizeof(a));
	return sizeof(a);
}

int64_t
fs_getattr(struct fs *fs, struct fs_req *req)
{
	uint32_t node = fs_node_of(fs, req->head.nodeid);
	struct fs_handle *h;
	struct fs_at at;
	struct stat st;
	int rc;

	if (node == 0)
		return -ESTALE;
	h = (req->in.getattr.getattr_flags & FUSE_GETATTR_FH) == 0 ? NULL :
	    fs_handle_of(fs, req->in.getattr.fh, FS_FILE);
	if (h != NULL)
		rc = fstat(h->fd, &st) < 0 ? -errno : 0;
	else
		rc = fs_path_stat(fs, node, &at, &st);
	return rc < 0 ? rc : answer_attr(fs, &st);
}

/* What GETATTR cannot say: when the file was made. */
int64_t
fs_statx(struct fs *fs, struct fs_req *req)
{
	uint32_t node = fs_node_of(fs, req->head.nodeid);
	struct fs_statx_out out = { .attr_valid = seconds_of(fs) };
	struct fs_at at;
	struct statx stx;
	struct stat st;
	int rc;

	_Static_assert(sizeof(stx) == sizeof(out.stat), "they are the same");
	if (node == 0)
		return -ESTALE;
	rc = fs_path_stat(fs, node, &at, &st);
	if (rc < 0)
		return rc;
	if (statx(at.dir, at.name, at.flags, STATX_BASIC_STATS | STATX_BTIME,
	    &stx) < 0)
		return -errno;
	if (stx.stx_ino != st.st_ino ||
	    makedev(stx.stx_dev_major, stx.stx_dev_minor) != st.st_dev)
		return -ESTALE;
	/* The host's mounts and ways of storage are its own business. */
	stx.stx_attributes = stx.stx_attributes_mask = 0;
	stx.stx_mask &= STATX_BASIC_STATS | STATX_BTIME;
	memcpy(out.stat, &stx, offsetof(struct statx, stx_mnt_id));
	memcpy(fs->out, &out, sizeof(out));
	return sizeof(out);
}

/* ---- SETATTR ----------------------------------------------------------------------- */

static int
set_size(struct fs *fs, uint32_t node, const struct fs_handle *h, uint64_t size)
{
	int fd = h != NULL ? h->fd : fs_path_open(fs, node, O_WRONLY), rc;

	if (fd < 0)
		return fd;
	rc = size > INT64_MAX ? -EFBIG :
	    ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
	if (h == NULL)
		close(fd);
	return rc;
}

/*
 * A name that leads to the node, which is no symbolic link, and would lead nowhere
 * but into the share if it had become one just now.
 */
static int
set_mode(struct fs *fs, uint32_t node, const struct fs_at *at,
    const struct stat *st, uint32_t mode)
{
	const struct fs_handle *h = fs_handle_any(fs, node);
	char name[FS_NAME_MAX + 1] = ".";
	int dir = FD_SHARE;

	if (S_ISLNK(st->st_mode))
		return -EOPNOTSUPP;
	/* Without CAP_FSETID the bit stays only for one of the group. */
	if ((mode & S_ISGID) != 0)
		(void)fs_be(fs, fs->uid, st->st_gid);
	if (node != FS_ROOT && !fs_node_text(fs, node, name)) {
		if (h == NULL)
			return -ESTALE;
		return fchmod(h->fd, mode & MODE_BITS) < 0 ? -errno : 0;
	}
	if (node != FS_ROOT && at->name[0] != '\0')
		dir = at->dir;
	else if (node != FS_ROOT)
		dir = fs_path_fd(fs, fs->node[node].parent);
	if (dir < 0)
		return dir;
	return fchmodat(dir, name, mode & MODE_BITS, 0) < 0 ? -errno : 0;
}

static int
set_owner(const struct fs *fs, const struct fs_at *at, const struct fuse_setattr_in *in)
{
	uid_t uid = (in->valid & FATTR_UID) != 0 ? in->uid : (uid_t)-1;
	gid_t gid = (in->valid & FATTR_GID) != 0 ? in->gid : (gid_t)-1;

	if ((fs->only_uids && uid == WORKER_ID) || (fs->only_gids && gid == WORKER_ID))
		return -EPERM;
	if (fchownat(at->dir, at->name, uid, gid, at->flags) == 0)
		return 0;
	/* An id that is not mapped here. */
	return errno == EINVAL ? -EPERM : -errno;
}

static struct timespec
time_of(uint32_t valid, uint32_t set, uint32_t now, uint64_t s, uint32_t ns)
{
	struct timespec t = { .tv_nsec = UTIME_OMIT };

	if ((valid & now) != 0)
		t.tv_nsec = UTIME_NOW;
	else if ((valid & set) != 0)
		t = (struct timespec){ .tv_sec = (time_t)s,
				       .tv_nsec = ns < 1000000000u ? (long)ns : 0 };
	return t;
}

static int
set_times(const struct fs_at *at, const struct fuse_setattr_in *in)
{
	const struct timespec t[2] = {
		time_of(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime,
		    in->atimensec),
		time_of(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime,
		    in->mtimensec),
	};

	return utimensat(at->dir, at->name, t, at->flags) < 0 ? -errno : 0;
}

int64_t
fs_setattr(struct fs *fs, struct fs_req *req)
{
	const struct fuse_setattr_in *in = &req->in.setattr;
	uint32_t node = fs_node_of(fs, req->head.nodeid);
	struct fs_handle *h = (in->valid & FATTR_FH) == 0 ? NULL :
	    fs_handle_of(fs, in->fh, FS_FILE);
	struct fs_at at;
	struct stat st;
	int rc;

	if (node == 0)
		return -ESTALE;
	if (h != NULL && h->node != node)
		return -EBADF;
	rc = fs_path_stat(fs, node, &at, &st);
	if (rc == 0 && (in->valid & (FATTR_UID | FATTR_GID)) != 0)
		rc = set_owner(fs, &at, in);
	if (rc == 0 && (in->valid & FATTR_MODE) != 0)
		rc = set_mode(fs, node, &at, &st, in->mode);
	if (rc == 0 && (in->valid & FATTR_SIZE) != 0)
		rc = set_size(fs, node, h, in->size);
	if (rc == 0 && (in->valid & TIMES) != 0)
		rc = set_times(&at, in);
	if (rc == 0)
		rc = fs_path_stat(fs, node, &at, &st);
	return rc < 0 ? rc : answer_attr(fs, &st);
}

/* What the guest has written is to be on the disk: all of it, open or not. */
int64_t
fs_syncfs(struct fs *fs, struct fs_req *req)
{
	int fd = fs_path_open(fs, FS_ROOT, O_RDONLY | O_DIRECTORY), rc;

	(void)req;
	if (fd < 0)
		return fd;
	rc = syncfs(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

int64_t
fs_statfs(struct fs *fs, struct fs_req *req)
{
	struct fuse_statfs_out out = { 0 };
	struct statfs s;

	(void)req;
	if (fstatfs(FD_SHARE, &s) < 0)
		return -errno;
	out.st.blocks = s.f_blocks;
	out.st.bfree = s.f_bfree;
	out.st.bavail = s.f_bavail;
	out.st.files = s.f_files;
	out.st.ffree = s.f_ffree;
	out.st.bsize = (uint32_t)s.f_bsize;
	out.st.namelen = (uint32_t)s.f_namelen;
	out.st.frsize = (uint32_t)s.f_frsize;
	memcpy(fs->out, &out, sizeof(out));
	return sizeof(out);
}
