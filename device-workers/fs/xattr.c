/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes, of the namespace "user" alone: what others mean is the
 * host's business (security, trusted), and a guest's word must not count there. Beside
 * them ACLs, if they are wanted, which the host and the guest's kernel both heed.
 *
 * The calls want a path, and an O_PATH fd is none: the directory becomes this
 * process' own, and the file's name is the path. Symbolic links are not followed.
 */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "device-workers/fs/fs_int.h"

#define OURS "user."

static bool
is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 ||
	    strcmp(name, "system.posix_acl_default") == 0;
}

static bool
is_ours(const struct fs *fs, const char *name)
{
	if (fs->table->acl && is_acl(name))
		return true;
	return strncmp(name, OURS, sizeof(OURS) - 1) == 0 &&
	    name[sizeof(OURS) - 1] != '\0';
}

/* Go where the request's file is, and put its name there into @name. */
static int
go_to(struct fs *fs, const struct fs_req *req, char *name)
{
	uint32_t node = fs_node_of(fs, req->head.nodeid);
	int dir = FD_SHARE;

	if (node == 0)
		return -ESTALE;
	if (node == FS_ROOT)
		memcpy(name, ".", 2);
	else if (!fs_node_text(fs, node, name))
		return -ESTALE;
	else
		dir = fs_path_fd(fs, fs->node[node].parent);
	if (dir < 0)
		return dir;
	return fchdir(dir) < 0 ? -errno : 0;
}

/*
 * An ACL that is changed by one who is not of the file's group takes its set-group-id
 * bit. Who asks is known by one group only: for root and that group the bit stays.
 */
static int
be_of_group(struct fs *fs, const struct fs_req *req)
{
	uint32_t node = fs_node_of(fs, req->head.nodeid);
	struct fs_at at;
	struct stat st;
	int rc = fs_path_stat(fs, node, &at, &st);

	if (rc == 0)
		(void)fs_be(fs, fs->uid,
		    req->head.uid == 0 ? st.st_gid : req->head.gid);
	return rc;
}

/* An answer of @n bytes in fs->out, or only how many they would be. */
static int64_t
answer(struct fs *fs, const struct fs_req *req, ssize_t n)
{
	struct fuse_getxattr_out out = { .size = (uint32_t)n };

	if (req->in.getxattr.size == 0) {
		memcpy(fs->out, &out, sizeof(out));
		return sizeof(out);
	}
	return (uint64_t)n > req->in.getxattr.size ? -ERANGE : n;
}

int64_t
fs_getxattr(struct fs *fs, struct fs_req *req)
{
	char name[FS_NAME_MAX + 1];
	ssize_t n;
	int rc;

	if (!is_ours(fs, req->name))
		return -EOPNOTSUPP;
	rc = go_to(fs, req, name);
	if (rc < 0)
		return rc;
	n = lgetxattr(name, req->name, fs->out, FS_OUT);
	return n < 0 ? -errno : answer(fs, req, n);
}

int64_t
fs_listxattr(struct fs *fs, struct fs_req *req)
{
	char name[FS_NAME_MAX + 1];
	char *list = (char *)fs->out;
	size_t kept = 0, len;
	ssize_t n;
	int rc = go_to(fs, req, name);

	if (rc < 0)
		return rc;
	n = llistxattr(name, list, FS_OUT);
	if (n < 0)
		return -errno;
	for (size_t at = 0; at < (size_t)n; at += len) {
		len = strnlen(list + at, (size_t)n - at) + 1;
		if (len > (size_t)n - at)
			break;
		if (is_ours(fs, list + at)) {
			memmove(list + kept, list + at, len);
			kept += len;
		}
	}
	return answer(fs, req, (ssize_t)kept);
}

int64_t
fs_setxattr(struct fs *fs, struct fs_req *req)
{
	char name[FS_NAME_MAX + 1];
	int rc;

	if (!is_ours(fs, req->name))
		return -EOPNOTSUPP;
	rc = go_to(fs, req, name);
	if (rc < 0)
		return rc;
	rc = is_acl(req->name) ? be_of_group(fs, req) : 0;
	if (rc < 0)
		return rc;
	if (lsetxattr(name, req->name, req->tail, req->tail_len,
	    (int)req->in.setxattr.flags & (XATTR_CREATE | XATTR_REPLACE)) == 0)
		return 0;
	return fs->again && errno == EEXIST ? 0 : -errno;
}

int64_t
fs_removexattr(struct fs *fs, struct fs_req *req)
{
	char name[FS_NAME_MAX + 1];
	int rc;

	if (!is_ours(fs, req->name))
		return -EOPNOTSUPP;
	rc = go_to(fs, req, name);
	if (rc < 0)
		return rc;
	if (lremovexattr(name, req->name) == 0)
		return 0;
	return fs->again && errno == ENODATA ? 0 : -errno;
}
