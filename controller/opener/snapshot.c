// SPDX-License-Identifier: Apache-2.0
//
// bulkhead-snapshot: an opener (opener.c) of the directory of a snapshot, and of nothing
// else. A new one is made beside its place, with all of its files, and goes there as a
// whole when these have been written: rename(2) takes the place of nothing, or of an empty
// directory. Until then it is locked by its fd: what a VMM that died left behind is not,
// and is taken over by the next one.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/migration/files.h"
#include "controller/opener/opened.h"

/* Where a snapshot is to be, and its name until then. */
struct place {
	int parent;
	char name[241], temporary[256];
};

static int
find_place(struct opened *o, const char *path, struct place *at)
{
	char folder[4097];
	size_t len = strlen(path);
	const char *slash;
	int n;

	if (len == 0 || len >= sizeof(folder))
		return len == 0 ? -ENOENT : -ENAMETOOLONG;
	memcpy(folder, path, len + 1);
	while (len > 1 && folder[len - 1] == '/')
		folder[--len] = '\0';
	slash = strrchr(folder, '/');
	n = snprintf(at->name, sizeof(at->name), "%s", slash != NULL ? slash + 1 :
	    folder);
	if (n < 0 || (size_t)n >= sizeof(at->name))
		return -ENAMETOOLONG;
	if (at->name[0] == '\0' || strcmp(at->name, ".") == 0 ||
	    strcmp(at->name, "..") == 0) {
		o->why = "not the name of a directory";
		return -EINVAL;
	}
	(void)snprintf(at->temporary, sizeof(at->temporary), ".%s.snapshot",
	    at->name);
	at->parent = open_folder(folder);
	return at->parent < 0 ? at->parent : 0;
}

/* The place is free: nothing is there, or an empty directory (rmdir would take it). */
static int
check_free(struct opened *o, const struct place *at)
{
	struct stat st;

	if (fstatat(at->parent, at->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode)) {
		o->why = "not a directory";
		return -ENOTDIR;
	}
	return 0;
}

static void
empty(int dir)
{
	for (unsigned int i = 0; i < SNAPSHOT_LIMIT_FILES; i++)
		(void)unlinkat(dir, snapshot_names[i], 0);
}

static void
take_away(const struct place *at, int dir)
{
	empty(dir);
	(void)unlinkat(at->parent, at->temporary, AT_REMOVEDIR);
}

static int
make_files(struct opened *o, int dir)
{
	for (unsigned int i = 0; i < SNAPSHOT_LIMIT_FILES; i++) {
		int fd = openat(dir, snapshot_names[i], O_RDWR | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return -errno;
		o->fds[o->nfds++] = fd;
	}
	return 0;
}

/* The directory that is there under the temporary name is @dir. */
static bool
is_there(const struct place *at, int dir)
{
	struct stat st, there;

	return dir >= 0 && fstat(dir, &st) == 0 &&
	    fstatat(at->parent, at->temporary, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == there.st_dev && st.st_ino == there.st_ino;
}

static int
make_new(struct opened *o, const struct place *at)
{
	int dir, rc = check_free(o, at);

	if (rc != 0)
		return rc;
	if (mkdirat(at->parent, at->temporary, 0700) != 0 && errno != EEXIST)
		return -errno;
	dir = openat(at->parent, at->temporary, O_RDONLY | O_DIRECTORY |
	    O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	/* Between open and lock it may have been finished, and have gone to its place. */
	if (flock(dir, LOCK_EX | LOCK_NB) != 0 || !is_there(at, dir)) {
		o->why = "another snapshot is being written there";
		close(dir);
		return -EBUSY;
	}
	o->fds[o->nfds++] = dir;
	empty(dir);
	rc = make_files(o, dir);
	if (rc != 0)
		take_away(at, dir);
	return rc;
}

static int
sync_parent(const struct place *at)
{
	int fd = openat(at->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fsync(fd) != 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int
keep(struct opened *o, const struct place *at)
{
	int rc = 0;

	if (!is_there(at, o->folder)) {
		o->why = "somebody has taken the new directory away";
		return -ENOENT;
	}
	if (fsync(o->folder) != 0 || renameat(at->parent, at->temporary,
	    at->parent, at->name) != 0) {
		rc = -errno;
		if (rc == -ENOTEMPTY || rc == -EEXIST)
			o->why = "not empty";
		return rc;
	}
	return sync_parent(at);
}

/* NEW, KEEP and DROP. */
static int
open_snapshot(struct opened *o, const Bh__Open *req)
{
	struct place at;
	int rc = find_place(o, req->path, &at);

	if (rc != 0)
		return rc;
	if (req->kind == BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_NEW) {
		rc = make_new(o, &at);
	} else if (req->kind == BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_KEEP) {
		rc = keep(o, &at);
	} else if (is_there(&at, o->folder)) {
		take_away(&at, o->folder);
	}
	/* An answer has an fd. */
	if (rc == 0 && o->nfds == 0)
		o->fds[o->nfds++] = at.parent;
	else
		close(at.parent);
	return rc;
}

static int
open_snapshot_old(struct opened *o, const Bh__Open *req)
{
	int dir = open(req->path, O_PATH | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (dir < 0) {
		o->why = errno == ENOTDIR ? "not a directory" : NULL;
		return -errno;
	}
	o->msg.files = o->files;
	for (unsigned int i = 0; rc == 0 && i < SNAPSHOT_LIMIT_FILES; i++) {
		int fd = openat(dir, snapshot_names[i], O_RDONLY | O_NONBLOCK |
		    O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
		struct stat st;

		/* What is missing, the worker names. */
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0) {
			rc = -errno;
			break;
		}
		o->files[o->msg.n_files++] = (Bh__SnapshotFile)i;
		o->fds[o->nfds++] = fd;
		if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
			o->why = "one of its files is none";
			rc = -EINVAL;
		}
	}
	close(dir);
	if (rc == 0 && o->nfds == 0) {
		o->why = "not a snapshot: none of its files is there";
		rc = -ENOENT;
	}
	return rc;
}

int
opened_prepare(void)
{
	return 0;
}

int
opened_make(struct opened *o, const Bh__Open *req)
{
	switch ((int)req->kind) {
	case BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_NEW:
	case BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_KEEP:
	case BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_DROP:
		return open_snapshot(o, req);
	case BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_OLD:
		return open_snapshot_old(o, req);
	default:
		return -EOPNOTSUPP;
	}
}
