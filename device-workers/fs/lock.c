/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of the guest's, kept by the host: flock() on what it has open, and record
 * locks, which belong to whom the guest names, as those of an open file description
 * of the host for each owner and file. So they hold against everybody else who uses
 * the directory.
 *
 * Who waits for a lock keeps nobody: its request is laid aside, and tried again
 * when something was unlocked here, and every WAIT_NS, since the host says nothing.
 * Nobody looks for deadlocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "device-workers/fs/fs_int.h"
#include "device-workers/lib/timer.h"

#define WAIT_NS 20000000l

/* ---- what each owner has ----------------------------------------------------------- */

static struct fs_lock *
lock_of(struct fs *fs, uint32_t node, uint64_t owner)
{
	for (uint32_t i = 0; fs->nlocks > 0 && i < FS_LOCKS; i++)
		if (fs->lock[i].node == node && fs->lock[i].owner == owner)
			return &fs->lock[i];
	return NULL;
}

/* A description for the locks of @owner; NULL: no room. */
static struct fs_lock *
lock_make(struct fs *fs, const struct fs_handle *h, uint64_t owner)
{
	struct fs_lock *l = fs->lock;
	int fd;

	if (fs->nlocks == FS_LOCKS)
		return NULL;
	while (l->node != 0)
		l++;
	fd = fs_path_open(fs, h->node, fs->readonly ? O_RDONLY : O_RDWR);
	/* Without a name, or the right to it: what is open serves all its owners. */
	if (fd < 0)
		fd = fcntl(h->fd, F_DUPFD_CLOEXEC, FD_FS_FILES);
	if (fd < 0)
		return NULL;
	*l = (struct fs_lock){ .fd = fd, .node = h->node, .owner = owner };
	fs->node[h->node].open++;
	fs->nlocks++;
	fs_table_keep_lock(fs, (uint32_t)(l - fs->lock));
	return l;
}

/* Something was unlocked: try who waits, as soon as this round is over. */
static void
wake(const struct fs *fs, long ns)
{
	const struct itimerspec at = { .it_value.tv_nsec = ns };

	if (fs->nwaiting > 0)
		(void)timerfd_settime(FD_TIMER, 0, &at, NULL);
}

static void
lock_drop(struct fs *fs, struct fs_lock *l)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	uint32_t node = l->node;

	/* Where the description is a handle's, too, close() alone keeps them. */
	if (l->fd >= 0) {
		(void)fcntl(l->fd, F_OFD_SETLK, &all);
		close(l->fd);
	}
	*l = (struct fs_lock){ .fd = -1 };
	fs_table_keep_lock(fs, (uint32_t)(l - fs->lock));
	fs->nlocks--;
	fs->node[node].open--;
	fs_node_release(fs, node);
	wake(fs, 1);
}

void
fs_locks_adopt(struct device *dev)
{
	struct fs *fs = dev->priv;

	for (uint32_t i = 0; fs->nlocks > 0 && i < FS_LOCKS; i++)
		if (fs->lock[i].node != 0 && fs->lock[i].fd < 0)
			lock_drop(fs, &fs->lock[i]);
}

void
fs_locks_closed(struct fs *fs, uint32_t node)
{
	wake(fs, 1);
	if (fs->nlocks == 0 || fs_handle_any(fs, node) != NULL)
		return;
	for (uint32_t i = 0; i < FS_LOCKS; i++)
		if (fs->lock[i].node == node)
			lock_drop(fs, &fs->lock[i]);
}

/* ---- requests ---------------------------------------------------------------------- */

static int
lock_file(struct fs *fs, struct fs_handle *h, uint32_t type)
{
	int op = type == F_RDLCK ? LOCK_SH : type == F_WRLCK ? LOCK_EX : LOCK_UN;

	/* From one kind to the other it may be unlocked between. */
	if (flock(h->fd, op | LOCK_NB) < 0) {
		wake(fs, 1);
		return -errno;
	}
	if (op != LOCK_UN)
		fs_handle_keep(fs, h);
	if (op != LOCK_EX)
		wake(fs, 1);
	return 0;
}

/* The part of a file that @lk means, which ends with its last byte. */
static int
range_of(const struct fuse_file_lock *lk, struct flock *out)
{
	if (lk->start > INT64_MAX || lk->end < lk->start ||
	    (lk->type != F_RDLCK && lk->type != F_WRLCK && lk->type != F_UNLCK))
		return -EINVAL;
	*out = (struct flock){
		.l_type = (short)lk->type, .l_whence = SEEK_SET,
		.l_start = (off_t)lk->start,
		/* 0: as far as there is a file. */
		.l_len = lk->end >= INT64_MAX ? 0 :
		    (off_t)(lk->end - lk->start + 1),
	};
	return 0;
}

static int
lock_range(struct fs *fs, const struct fs_handle *h, const struct fuse_lk_in *in)
{
	struct fs_lock *l = lock_of(fs, h->node, in->owner);
	struct flock range;
	int rc = range_of(&in->lk, &range);

	if (rc < 0)
		return rc;
	if (l == NULL && in->lk.type == F_UNLCK)
		return 0;
	if (l == NULL)
		l = lock_make(fs, h, in->owner);
	if (l == NULL)
		return -ENOLCK;
	if (in->lk.type == F_UNLCK && range.l_start == 0 && range.l_len == 0) {
		lock_drop(fs, l);
		return 0;
	}
	rc = fcntl(l->fd, F_OFD_SETLK, &range) < 0 ? -errno : 0;
	/* A write lock that becomes one for reading lets others in. */
	if (rc == 0 && in->lk.type != F_WRLCK)
		wake(fs, 1);
	return rc == -EACCES ? -EAGAIN : rc;
}

/* 0, -EAGAIN where somebody else has it, or another -errno. */
static int
set_lock(struct fs *fs, uint64_t nodeid, const struct fuse_lk_in *in)
{
	struct fs_handle *h = fs_handle_of(fs, in->fh, FS_FILE);

	if (h == NULL || h->node != fs_node_of(fs, nodeid))
		return -EBADF;
	if ((in->lk_flags & FUSE_LK_FLOCK) == 0)
		return lock_range(fs, h, in);
	return in->lk.type == F_RDLCK || in->lk.type == F_WRLCK ||
	    in->lk.type == F_UNLCK ? lock_file(fs, h, in->lk.type) : -EINVAL;
}

int64_t
fs_getlk(struct fs *fs, struct fs_req *req)
{
	const struct fuse_lk_in *in = &req->in.lk;
	const struct fs_handle *h = fs_handle_of(fs, in->fh, FS_FILE);
	struct fuse_lk_out out = { .lk.type = F_UNLCK };
	const struct fs_lock *l;
	struct flock range;
	int rc;

	if (h == NULL)
		return -EBADF;
	rc = range_of(&in->lk, &range);
	if (rc < 0)
		return rc;
	l = lock_of(fs, h->node, in->owner);
	if (fcntl(l != NULL ? l->fd : h->fd, F_OFD_GETLK, &range) < 0)
		return -errno;
	/* Whose it is, is the host's business: no process of the guest's. */
	if (range.l_type != F_UNLCK)
		out.lk = (struct fuse_file_lock){
			.start = (uint64_t)range.l_start,
			.end = range.l_len == 0 ? INT64_MAX :
			    (uint64_t)(range.l_start + range.l_len - 1),
			.type = (uint32_t)range.l_type,
		};
	memcpy(fs->out, &out, sizeof(out));
	return sizeof(out);
}

int64_t
fs_setlk(struct fs *fs, struct fs_req *req)
{
	return set_lock(fs, req->head.nodeid, &req->in.lk);
}

int64_t
fs_setlkw(struct fs *fs, struct fs_req *req)
{
	int rc = set_lock(fs, req->head.nodeid, &req->in.lk);
	struct fs_waiting *w;

	if (rc != -EAGAIN)
		return rc;
	if (fs->nwaiting == FS_WAITING)
		return -ENOLCK;
	w = &fs->waiting[fs->nwaiting++];
	w->queue = fs->queue;
	w->unique = req->head.unique;
	w->nodeid = req->head.nodeid;
	w->lk = req->in.lk;
	w->chain = *req->chain;
	req->later = true;
	/* With others there it is set; a later one must not put it off. */
	if (fs->nwaiting == 1)
		wake(fs, WAIT_NS);
	return 0;
}

/* An owner closes a file: its locks on it go, whichever handle they came by. */
int64_t
fs_flush(struct fs *fs, struct fs_req *req)
{
	const struct fs_handle *h = fs_handle_of(fs, req->in.flush.fh, FS_FILE);
	struct fs_lock *l;

	if (h == NULL)
		return -EBADF;
	l = lock_of(fs, h->node, req->in.flush.lock_owner);
	if (l != NULL)
		lock_drop(fs, l);
	return 0;
}

/* ---- who waits --------------------------------------------------------------------- */

/* Answer it; the others keep their order. */
static void
leave(struct device *dev, uint32_t i, int rc)
{
	struct fs *fs = dev->priv;
	const struct fs_waiting *w = &fs->waiting[i];

	virtq_push(&dev->vq[w->queue], &w->chain,
	    fs_answer(fs, &w->chain, w->unique, rc, false));
	fs->nwaiting--;
	memmove(&fs->waiting[i], &fs->waiting[i + 1],
	    (fs->nwaiting - i) * sizeof(*w));
}

void
fs_locks_retry(struct device *dev)
{
	struct fs *fs = dev->priv;
	uint64_t fired;

	/* EAGAIN: it was set anew meanwhile. */
	if (read(FD_TIMER, &fired, sizeof(fired)) < 0)
		return;
	for (uint32_t i = 0; i < fs->nwaiting;) {
		const struct fs_waiting *w = &fs->waiting[i];
		int rc = set_lock(fs, w->nodeid, &w->lk);

		if (rc == -EAGAIN)
			i++;
		else
			leave(dev, i, rc);
	}
	wake(fs, WAIT_NS);
}

void
fs_locks_interrupt(struct device *dev, uint64_t unique)
{
	const struct fs *fs = dev->priv;

	for (uint32_t i = 0; i < fs->nwaiting; i++)
		if (fs->waiting[i].unique == unique) {
			leave(dev, i, -EINTR);
			return;
		}
}

unsigned int
fs_locks_drain(struct device *dev)
{
	const struct fs *fs = dev->priv;

	while (fs->nwaiting > 0)
		leave(dev, fs->nwaiting - 1, -EINTR);
	return 0;
}

int
fs_locks_start(struct device *dev)
{
	int rc = timer_make(FD_TIMER);

	return rc < 0 ? rc : device_watch(dev, FD_TIMER, EPOLLIN);
}
