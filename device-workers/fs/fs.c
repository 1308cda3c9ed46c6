/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-fs (virtio 1.2, 5.11): a shared directory, served by FUSE requests that
 * arrive in chains of descriptors. Called by the worker library. This file has the
 * device, the table of requests and the session; the requests are in the files
 * that fs_int.h names.
 *
 * One request at a time, each done when it is answered: nothing is ever in flight
 * but who waits for a lock, and an interrupt of anything else comes too late.
 */
#include "device-workers/fs/fs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/log.h"

#define BATCH_REQUESTS 64u	/* a call, then others get their turn */
#define FUSE_MAJOR 7u
#define FUSE_MINOR 39u		/* what is later does not concern us */
#define FUSE_MINOR_LEAST 27u	/* virtio-fs is as old as 31 */
#define INIT_OUT_SIZE 64u

static struct fs the_fs;

/* ---- the session --------------------------------------------------------------- */

void
fs_forget_all(struct fs *fs)
{
	struct stat st;

	fs_handle_close_all(fs);
	fs_path_drop_all(fs);
	if (fstat(FD_SHARE, &st) < 0)
		memset(&st, 0, sizeof(st));
	fs_nodes_init(fs, &st);
	fs->table->session = fs->table->acl = 0;
	memset(fs->table->done, 0, sizeof(fs->table->done));
}

static int64_t
run_init(struct fs *fs, struct fs_req *req)
{
	const struct fuse_init_in *in = &req->in.init;
	uint32_t can = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
	    FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO |
	    FUSE_PARALLEL_DIROPS | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_MAX_PAGES |
	    (fs->writeback ? FUSE_WRITEBACK_CACHE : 0u) |
	    (fs->posix_acl ? FUSE_POSIX_ACL | FUSE_DONT_MASK : 0u) |
	    (fs->cache_mode == FS_CACHE_ALWAYS ? FUSE_CACHE_SYMLINKS : 0u);
	struct fuse_init_out out = { .major = FUSE_MAJOR, .minor = FUSE_MINOR };

	_Static_assert(sizeof(out) == INIT_OUT_SIZE, "7.23 and later");
	if (in->major < FUSE_MAJOR ||
	    (in->major == FUSE_MAJOR && in->minor < FUSE_MINOR_LEAST))
		return -EPROTO;
	memcpy(fs->out, &out, sizeof(out));
	if (in->major > FUSE_MAJOR)
		return sizeof(out);	/* it comes again, as 7 */
	fs_forget_all(fs);
	fs->table->session = 1;
	out.flags = in->flags & can;
	/* One without the other would let an umask be applied twice, or never. */
	fs->table->acl = (~out.flags & (FUSE_POSIX_ACL | FUSE_DONT_MASK)) == 0;
	if (!fs->table->acl)
		out.flags &= ~(uint32_t)(FUSE_POSIX_ACL | FUSE_DONT_MASK);
	out.max_readahead = in->max_readahead;
	out.max_background = UINT16_MAX;
	out.congestion_threshold = UINT16_MAX / 4 * 3;
	out.max_write = FS_PAGES * 4096;
	out.max_pages = FS_PAGES;
	out.time_gran = 1;
	memcpy(fs->out, &out, sizeof(out));
	return sizeof(out);
}

static int64_t
run_destroy(struct fs *fs, struct fs_req *req)
{
	(void)req;
	fs_forget_all(fs);
	return 0;
}

static int64_t
run_interrupt(struct fs *fs, struct fs_req *req)
{
	fs_locks_interrupt(fs->dev, req->in.interrupt.unique);
	return 0;
}

/*
 * What is not here is answered ENOSYS, which the guest's kernel remembers: it
 * checks access by itself, for one.
 */
#define OP(n, s, t, r) [n] = { .size = s, .tail = t, .run = r }
#define CHANGE(n, s, t, r) [n] = { .size = s, .tail = t, .changes = true, .run = r }
#define SILENT(n, s, t, r) [n] = { .size = s, .tail = t, .silent = true, .run = r }
/* What was carried out is not carried out again by a successor, table.c. */
#define ONCE(n, s, t, r) [n] = { .size = s, .tail = t, .once = true, .run = r }
#define CHANGE_ONCE(n, s, t, r)						\
	[n] = { .size = s, .tail = t, .changes = true, .once = true, .run = r }
#define SILENT_ONCE(n, s, t, r)						\
	[n] = { .size = s, .tail = t, .silent = true, .once = true, .run = r }

static const struct fs_op ops[] = {
	ONCE(FUSE_LOOKUP, 0, FS_TAIL_NAME, fs_lookup),
	SILENT_ONCE(FUSE_FORGET, sizeof(struct fuse_forget_in), FS_TAIL_NONE, fs_forget),
	OP(FUSE_GETATTR, sizeof(struct fuse_getattr_in), FS_TAIL_NONE, fs_getattr),
	CHANGE(FUSE_SETATTR, sizeof(struct fuse_setattr_in), FS_TAIL_NONE,
	    fs_setattr),
	OP(FUSE_READLINK, 0, FS_TAIL_NONE, fs_readlink),
	CHANGE_ONCE(FUSE_SYMLINK, 0, FS_TAIL_LINK, fs_symlink),
	CHANGE_ONCE(FUSE_MKNOD, sizeof(struct fuse_mknod_in), FS_TAIL_NAME, fs_mknod),
	CHANGE_ONCE(FUSE_MKDIR, sizeof(struct fuse_mkdir_in), FS_TAIL_NAME, fs_mkdir),
	CHANGE_ONCE(FUSE_UNLINK, 0, FS_TAIL_NAME, fs_unlink),
	CHANGE_ONCE(FUSE_RMDIR, 0, FS_TAIL_NAME, fs_rmdir),
	CHANGE_ONCE(FUSE_RENAME, sizeof(struct fuse_rename_in), FS_TAIL_TWO_NAMES,
	    fs_rename),
	CHANGE_ONCE(FUSE_LINK, sizeof(struct fuse_link_in), FS_TAIL_NAME, fs_link),
	ONCE(FUSE_OPEN, sizeof(struct fuse_open_in), FS_TAIL_NONE, fs_open),
	OP(FUSE_READ, sizeof(struct fuse_read_in), FS_TAIL_NONE, fs_read),
	CHANGE(FUSE_WRITE, sizeof(struct fuse_write_in), FS_TAIL_DATA, fs_write),
	OP(FUSE_STATFS, 0, FS_TAIL_NONE, fs_statfs),
	ONCE(FUSE_RELEASE, sizeof(struct fuse_release_in), FS_TAIL_NONE, fs_release),
	OP(FUSE_FSYNC, sizeof(struct fuse_fsync_in), FS_TAIL_NONE, fs_fsync),
	CHANGE_ONCE(FUSE_SETXATTR, FUSE_COMPAT_SETXATTR_IN_SIZE, FS_TAIL_VALUE,
	    fs_setxattr),
	OP(FUSE_GETXATTR, sizeof(struct fuse_getxattr_in), FS_TAIL_XATTR,
	    fs_getxattr),
	OP(FUSE_LISTXATTR, sizeof(struct fuse_getxattr_in), FS_TAIL_NONE,
	    fs_listxattr),
	CHANGE_ONCE(FUSE_REMOVEXATTR, 0, FS_TAIL_XATTR, fs_removexattr),
	OP(FUSE_INIT, 16, FS_TAIL_NONE, run_init),
	ONCE(FUSE_OPENDIR, sizeof(struct fuse_open_in), FS_TAIL_NONE, fs_opendir),
	OP(FUSE_READDIR, sizeof(struct fuse_read_in), FS_TAIL_NONE, fs_readdir),
	ONCE(FUSE_RELEASEDIR, sizeof(struct fuse_release_in), FS_TAIL_NONE,
	    fs_releasedir),
	OP(FUSE_FSYNCDIR, sizeof(struct fuse_fsync_in), FS_TAIL_NONE, fs_fsyncdir),
	CHANGE_ONCE(FUSE_CREATE, sizeof(struct fuse_create_in), FS_TAIL_NAME, fs_create),
	SILENT(FUSE_INTERRUPT, sizeof(struct fuse_interrupt_in), FS_TAIL_NONE,
	    run_interrupt),
	OP(FUSE_DESTROY, 0, FS_TAIL_NONE, run_destroy),
	SILENT_ONCE(FUSE_BATCH_FORGET, sizeof(struct fuse_batch_forget_in),
	    FS_TAIL_FORGETS, fs_batch_forget),
	OP(FUSE_FLUSH, sizeof(struct fuse_flush_in), FS_TAIL_NONE, fs_flush),
	OP(FUSE_GETLK, sizeof(struct fuse_lk_in), FS_TAIL_NONE, fs_getlk),
	OP(FUSE_SETLK, sizeof(struct fuse_lk_in), FS_TAIL_NONE, fs_setlk),
	OP(FUSE_SETLKW, sizeof(struct fuse_lk_in), FS_TAIL_NONE, fs_setlkw),
	CHANGE(FUSE_FALLOCATE, sizeof(struct fuse_fallocate_in), FS_TAIL_NONE,
	    fs_fallocate),
	OP(FUSE_READDIRPLUS, sizeof(struct fuse_read_in), FS_TAIL_NONE,
	    fs_readdirplus),
	CHANGE_ONCE(FUSE_RENAME2, sizeof(struct fuse_rename2_in), FS_TAIL_TWO_NAMES,
	    fs_rename2),
	OP(FUSE_LSEEK, sizeof(struct fuse_lseek_in), FS_TAIL_NONE, fs_lseek),
	OP(FS_OP_SYNCFS, sizeof(struct fs_syncfs_in), FS_TAIL_NONE, fs_syncfs),
	OP(FS_OP_STATX, sizeof(struct fs_statx_in), FS_TAIL_NONE, fs_statx),
	CHANGE(FUSE_COPY_FILE_RANGE, sizeof(struct fuse_copy_file_range_in),
	    FS_TAIL_NONE, fs_copy),
};

/* ---- a request ----------------------------------------------------------------- */

uint32_t
fs_answer(const struct fs *fs, const struct virtq_chain *chain, uint64_t unique,
    int64_t rc, bool placed)
{
	struct fuse_out_header head = {
		.len = sizeof(head), .unique = unique,
	};

	/* An answer that does not fit is none: the driver asked for too little. */
	if (rc > 0 && (uint64_t)rc > chain->write_len - sizeof(head))
		rc = -EINVAL;
	if (rc < 0)
		head.error = (int32_t)rc;
	else
		head.len += (uint32_t)rc;
	if (!placed && rc > 0)
		(void)virtq_copy_into(chain, sizeof(head), fs->out, (uint64_t)rc);
	(void)virtq_copy_into(chain, 0, &head, sizeof(head));
	return head.len;
}

/* The number of bytes written. */
static uint32_t
serve(struct fs *fs)
{
	const struct virtq_chain *chain = &fs->chain;
	struct fs_req *req = &fs->req;
	int64_t rc = fs_door(req, chain, ops, sizeof(ops) / sizeof(ops[0]),
	    fs->arg);

	if (rc == -EBADMSG)
		return 0;
	fs->request++;
	if (rc == 0 && !fs->table->session && req->head.opcode != FUSE_INIT)
		rc = -EIO;
	if (rc == 0 && req->op->changes && fs->readonly)
		rc = -EROFS;
	/* Nothing is carried out whose answer would be lost. */
	if (rc == 0 && !req->op->silent &&
	    chain->write_len < sizeof(struct fuse_out_header))
		return 0;
	fs->again = false;
	if (rc == 0 && !(req->op->once && chain->again &&
	    fs_table_was_done(fs, req->head.unique, &rc))) {
		if (req->op->once)
			fs_table_begin(fs, req);
		rc = req->op->run(fs, req);
		if (req->op->once)
			fs_table_done(fs, req->head.unique, rc);
	}
	if ((req->op != NULL && req->op->silent) ||
	    chain->write_len < sizeof(struct fuse_out_header))
		return 0;
	return fs_answer(fs, chain, req->head.unique, rc, req->placed);
}

/* Show what is done; whether that was anything. */
static bool
show(struct virtq *vq)
{
	bool some = vq->pending;

	virtq_flush(vq);
	return some;
}

static void
fs_queue_ready(struct device *dev, unsigned int q)
{
	struct fs *fs = dev->priv;
	struct virtq *vq = &dev->vq[q];
	unsigned int taken = 0;
	uint32_t written;
	int got;

	fs->queue = q;
	if (fs->unsent)
		fs_table_resend(fs);
	virtq_no_kicks(vq);
	while (taken < BATCH_REQUESTS) {
		got = virtq_pop(vq, &fs->chain);
		if (got < 0)
			return;
		if (got > 0) {
			written = serve(fs);
			if (!fs->req.later)
				virtq_push(vq, &fs->chain, written);
			taken++;
		} else if (!show(vq)) {
			/* Told first, then looked again: a driver on our CPU has
			 * made its next request by then, and needs no kick. */
			if (vq->held || !virtq_want_kicks(vq))
				return;
			virtq_no_kicks(vq);
		}
	}
	device_again(dev, q);
}

/* Whatever it asks, it has failed. */
static int64_t
fs_refuse(struct device *dev, unsigned int q, struct virtq_chain *chain)
{
	struct fuse_in_header head;

	(void)dev;
	(void)q;
	if (virtq_copy_out_of(chain, 0, &head, sizeof(head)) != sizeof(head) ||
	    chain->write_len < sizeof(struct fuse_out_header))
		return 0;
	return fs_answer(&the_fs, chain, head.unique, -EIO, false);
}

/* ---- the device ---------------------------------------------------------------- */

static int
fs_start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	const Bh__FsConfig *c = config->fs;
	size_t len = strlen(c->tag);
	struct fs *fs = &the_fs;
	struct stat st;
	int rc;

	if (fstat(FD_SHARE, &st) < 0 || !S_ISDIR(st.st_mode)) {
		*why = "no shared directory";
		return -EBADF;
	}
	/* A file too large for the limit that this was started with is EFBIG. */
	(void)signal(SIGXFSZ, SIG_IGN);
	/* That of who makes a file counts: attr.c. */
	(void)umask(0);
	fs->readonly = c->readonly;
	fs->writeback = c->writeback && !c->readonly;
	fs->posix_acl = c->posix_acl;
	fs->only_uids = c->only_uids;
	fs->only_gids = c->only_gids;
	fs->cache_mode = c->cache == BH__FS_CACHE__FS_CACHE_NEVER ? FS_CACHE_NEVER :
	    c->cache == BH__FS_CACHE__FS_CACHE_ALWAYS ? FS_CACHE_ALWAYS :
	    FS_CACHE_AUTO;
	fs->dev = dev;
	rc = fs_locks_start(dev);
	if (rc < 0) {
		*why = "no timer";
		return rc;
	}
	for (size_t i = 0; i < FS_CACHE; i++)
		fs->cached[i].fd = -1;
	*why = "no address space for what the guest looks up; raise ulimit -v";
	rc = fs_table_map(fs);
	if (rc < 0)
		return rc;
	dev->priv = fs;
	dev->virtio_id = VIRTIO_ID_FS;
	dev->nqueues = c->num_queues + 1;	/* the first has high priority */
	for (unsigned int q = 0; q < dev->nqueues; q++)
		dev->queue_max[q] = (uint16_t)c->queue_size;
	/* 5.11.4: the tag, padded with NUL, and the number of request queues. */
	memcpy(dev->config, c->tag, len < FS_TAG_SIZE ? len : FS_TAG_SIZE);
	memcpy(dev->config + FS_TAG_SIZE, &c->num_queues, sizeof(c->num_queues));
	dev->config_size = FS_TAG_SIZE + sizeof(c->num_queues);
	return 0;
}

/* The library has all its fds by now: the rest of the low ones goes away. */
static int
fs_jailed(struct device *dev, const char **why)
{
	struct fs *fs = dev->priv;
	struct stat st;
	int rc;

	fs->own_uid = fs->uid = (uint32_t)setfsuid((uid_t)-1);
	fs->own_gid = fs->gid = (uint32_t)setfsgid((gid_t)-1);
	*why = "too few file descriptors; raise the limit of open files (ulimit -n) "
	    "to 8192";
	rc = fs_path_fill();
	if (rc < 0)
		return rc;
	*why = "no shared directory";
	if (fstat(FD_SHARE, &st) < 0)
		return -errno;
	fs_table_adopt(fs, &st);
	fs_handles_adopt(fs);
	return 0;
}

static void
fs_backend_ready(struct device *dev, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	fs_locks_retry(dev);
}

static void
fs_reset(struct device *dev)
{
	struct fs *fs = dev->priv;

	fs->nwaiting = 0;
	fs_forget_all(fs);
}

const struct device_ops fs_ops = {
	.name = "fs",
	.config_case = BH__DEVICE_CONFIG__DEVICE_FS,
	.start = fs_start,
	.jailed = fs_jailed,
	.queue_ready = fs_queue_ready,
	.backend_ready = fs_backend_ready,
	.reset = fs_reset,
	.drain = fs_locks_drain,
	.activate = fs_locks_adopt,
	.kept_file = fs_table_kept,
	.refuse = fs_refuse,
};
