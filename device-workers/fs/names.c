/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that make, move and remove names. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device-workers/fs/fs_int.h"

#define MODE_BITS 07777u

/* An fd of the directory that is the request's node. */
static int
directory(struct fs *fs, const struct fs_req *req, uint32_t *node)
{
	*node = fs_node_of(fs, req->head.nodeid);
	return *node == 0 ? -ESTALE : fs_path_fd(fs, *node);
}

/* A predecessor has made @name, and died before it said so. */
static bool
was_made(const struct fs *fs, int dir, const char *name)
{
	struct stat st;
	int error = errno;
	bool made = fs->again && error == EEXIST &&
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fs_table_since(fs, &st);

	errno = error;
	return made;
}

/* What is called @name is about to be removed, or moved: it is written down. */
static void
victim(struct fs *fs, int dir, const char *name)
{
	struct stat st;

	if (!fs->again && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		fs_table_victim(fs, st.st_dev, st.st_ino);
}

/* A predecessor has removed what was @name; another may be called so by now. */
static bool
was_removed(const struct fs *fs, int dir, const char *name)
{
	const struct fs_begun *b = &fs->table->begun;
	struct stat st;

	if (!fs->again || b->ino == 0)
		return false;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? errno == ENOENT :
	    st.st_dev != b->dev || st.st_ino != b->ino;
}

/* What was made just now. */
static int64_t
answer_new(struct fs *fs, int dir, uint32_t parent, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return fs_answer_entry(fs, parent, name, &st);
}

int64_t
fs_readlink(struct fs *fs, struct fs_req *req)
{
	uint32_t node = fs_node_of(fs, req->head.nodeid);
	struct fs_at at;
	ssize_t n;
	int rc;

	if (node == 0)
		return -ESTALE;
	rc = fs_path_at(fs, node, &at);
	if (rc < 0)
		return rc;
	n = readlinkat(at.dir, at.name, (char *)fs->out, FS_TARGET_MAX + 1);
	return n < 0 ? -errno : n;
}

int64_t
fs_symlink(struct fs *fs, struct fs_req *req)
{
	uint32_t parent;
	int dir = directory(fs, req, &parent), rc;

	if (dir < 0)
		return dir;
	rc = fs_be(fs, req->head.uid, req->head.gid);
	if (rc < 0)
		return rc;
	if (symlinkat(req->name2, dir, req->name) < 0 &&
	    !was_made(fs, dir, req->name))
		return -errno;
	return answer_new(fs, dir, parent, req->name);
}

int64_t
fs_mknod(struct fs *fs, struct fs_req *req)
{
	uint32_t mode = req->in.mknod.mode, parent;
	int dir = directory(fs, req, &parent), rc;

	if (dir < 0)
		return dir;
	if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode))
		return -EPERM;
	rc = fs_be_maker(fs, req, req->in.mknod.umask);
	if (rc < 0)
		return rc;
	if (mknodat(dir, req->name, mode & (S_IFMT | MODE_BITS), 0) < 0 &&
	    !was_made(fs, dir, req->name))
		return -errno;
	return answer_new(fs, dir, parent, req->name);
}

int64_t
fs_mkdir(struct fs *fs, struct fs_req *req)
{
	uint32_t parent;
	int dir = directory(fs, req, &parent), rc;

	if (dir < 0)
		return dir;
	rc = fs_be_maker(fs, req, req->in.mkdir.umask);
	if (rc < 0)
		return rc;
	if (mkdirat(dir, req->name, req->in.mkdir.mode & MODE_BITS) < 0 &&
	    !was_made(fs, dir, req->name))
		return -errno;
	return answer_new(fs, dir, parent, req->name);
}

static int64_t
remove_name(struct fs *fs, const struct fs_req *req, int flags)
{
	uint32_t parent, node;
	int dir = directory(fs, req, &parent), rc;

	if (dir < 0)
		return dir;
	node = fs_node_named(fs, parent, req->name);
	if (node != 0)
		fs_path_keep(fs, node);
	if (node != 0)
		fs_handles_keep(fs, node);
	victim(fs, dir, req->name);
	if (!was_removed(fs, dir, req->name) && unlinkat(dir, req->name, flags) < 0) {
		rc = -errno;
		if (node != 0)
			fs_path_unkeep(fs, node);
		return rc;
	}
	if (node != 0)
		fs_node_unname(fs, node);
	return 0;
}

int64_t
fs_unlink(struct fs *fs, struct fs_req *req)
{
	return remove_name(fs, req, 0);
}

int64_t
fs_rmdir(struct fs *fs, struct fs_req *req)
{
	return remove_name(fs, req, AT_REMOVEDIR);
}

/* The table follows what the host has done. */
static void
renamed(struct fs *fs, uint32_t from, const char *name, uint32_t to,
    const char *name2, unsigned int flags, uint32_t old)
{
	uint32_t node = fs_node_named(fs, from, name);

	if (old == node && old != 0)
		return;		/* two names of one file: nothing happened */
	if (old != 0)
		fs_node_unname(fs, old);
	if (node != 0)
		fs_node_name(fs, node, to, name2);
	if ((flags & RENAME_EXCHANGE) != 0 && old != 0)
		fs_node_name(fs, old, from, name);
}

/*
 * A predecessor has moved it, and it is @name2 of @to, which is @dir2: then the table,
 * which may be as it was at any point in between, follows.
 */
static bool
was_moved(struct fs *fs, uint32_t to, int dir2, const char *name2)
{
	const struct fs_begun *b = &fs->table->begun;
	struct stat st;
	uint32_t node;

	if (!fs->again || b->ino == 0 ||
	    fstatat(dir2, name2, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_dev != b->dev || st.st_ino != b->ino)
		return false;
	node = fs_node_of_stat(fs, &st);
	if (node != 0)
		fs_node_name(fs, node, to, name2);
	return true;
}

/* ... and, exchanged for it, what was there is @name of @from. */
static void
follow(struct fs *fs, uint32_t from, int dir, const char *name)
{
	struct stat st;
	uint32_t node;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	node = fs_node_of_stat(fs, &st);
	if (node != 0)
		fs_node_name(fs, node, from, name);
}

static int64_t
move(struct fs *fs, const struct fs_req *req, uint64_t newdir,
    unsigned int flags)
{
	uint32_t from, to = fs_node_of(fs, newdir), old;
	int dir = directory(fs, req, &from), dir2, rc;

	if (dir < 0)
		return dir;
	if (to == 0)
		return -ESTALE;
	if ((flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0)
		return -EINVAL;
	dir2 = fs_path_fd(fs, to);
	if (dir2 < 0)
		return dir2;
	old = (flags & RENAME_NOREPLACE) != 0 ? 0 :
	    fs_node_named(fs, to, req->name2);
	if (old != 0 && flags == 0)
		fs_path_keep(fs, old);
	if (old != 0)
		fs_handles_keep(fs, old);
	victim(fs, dir, req->name);
	if (was_moved(fs, to, dir2, req->name2)) {
		if ((flags & RENAME_EXCHANGE) != 0)
			follow(fs, from, dir, req->name);
		return 0;
	}
	if (syscall(SYS_renameat2, dir, req->name, dir2, req->name2, flags) < 0) {
		rc = -errno;
		if (old != 0 && flags == 0)
			fs_path_unkeep(fs, old);
		return rc;
	}
	renamed(fs, from, req->name, to, req->name2, flags, old);
	return 0;
}

int64_t
fs_rename(struct fs *fs, struct fs_req *req)
{
	return move(fs, req, req->in.rename.newdir, 0);
}

int64_t
fs_rename2(struct fs *fs, struct fs_req *req)
{
	return move(fs, req, req->in.rename2.newdir, req->in.rename2.flags);
}

/* The host may have given the name to another file. */
static int
still_named(const struct fs_at *at, const struct stat *st)
{
	struct stat now;

	if (fstatat(at->dir, at->name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ESTALE : -errno;
	return now.st_dev == st->st_dev && now.st_ino == st->st_ino ? 0 : -ESTALE;
}

int64_t
fs_link(struct fs *fs, struct fs_req *req)
{
	uint32_t parent, node = fs_node_of(fs, req->in.link.oldnodeid);
	int dir = directory(fs, req, &parent), rc;
	struct fs_at at;
	struct stat st;

	if (dir < 0)
		return dir;
	if (node == 0)
		return -ESTALE;
	rc = fs_path_stat(fs, node, &at, &st);
	/*
	 * By its name: a link to an fd takes rights over the whole host. Of several
	 * names one is known here; when that is gone the guest looks again.
	 */
	if (rc == 0 && at.name[0] == '\0') {
		if (!fs_node_text(fs, node, at.name))
			return -ESTALE;
		at.dir = fs_path_fd(fs, fs->node[node].parent);
		rc = at.dir < 0 ? at.dir : still_named(&at, &st);
	}
	if (rc < 0)
		return rc;
	(void)fs_be(fs, req->head.uid, req->head.gid);
	if (linkat(at.dir, at.name, dir, req->name, 0) < 0 &&
	    !was_made(fs, dir, req->name))
		return -errno;
	return answer_new(fs, dir, parent, req->name);
}
