/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a successor goes on from, should this worker die: nodes, names, handles and
 * locks lie in a memfd that the controller holds and nobody else looks into, and fds
 * that nothing can be opened again from are kept by the controller. A successor
 * checks all that it finds. Without a controller (vhost-user) it is plain memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "device-workers/fs/fs_int.h"

static bool
usable(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size >= (off_t)FS_TABLE_SIZE &&
	    (fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) != 0;
}

int
fs_table_map(struct fs *fs)
{
	bool shared = usable(FD_FS_TABLE);
	void *at = mmap(NULL, FS_TABLE_SIZE, PROT_READ | PROT_WRITE, shared ?
	    MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	    shared ? FD_FS_TABLE : -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	if (shared)
		close(FD_FS_TABLE);
	fs->table = at;
	fs->node = fs->table->node;
	fs->cell = fs->table->cell;
	fs->handle = fs->table->handle;
	fs->lock = fs->table->lock;
	return 0;
}

/* ---- fds that the controller keeps --------------------------------------------------- */

/* Numbers of kept fds: handles, then locks. */
static int *
kept_of(struct fs *fs, uint32_t id)
{
	if (id < FS_HANDLES && fs->handle[id].kind != FS_FREE && fs->handle[id].kept != 0)
		return &fs->handle[id].fd;
	if (id >= FS_HANDLES && id - FS_HANDLES < FS_LOCKS &&
	    fs->lock[id - FS_HANDLES].node != 0)
		return &fs->lock[id - FS_HANDLES].fd;
	return NULL;
}

static void
set_told(struct fs *fs, uint32_t id, bool told)
{
	if (told)
		fs->told[id / 8] |= (uint8_t)(1u << id % 8);
	else
		fs->told[id / 8] &= (uint8_t)~(1u << id % 8);
}

/* False: it cannot be told now. */
static bool
tell(struct fs *fs, uint32_t id)
{
	const int *fd = kept_of(fs, id);
	bool keep = fd != NULL && *fd >= 0;
	int rc = device_keep_file(fs->dev, id, keep ? *fd : -1);

	if (rc == -EAGAIN) {
		fs->unsent = true;
		return false;
	}
	set_told(fs, id, keep);
	return true;
}

void
fs_table_keep_handle(struct fs *fs, uint32_t i)
{
	(void)tell(fs, i);
}

void
fs_table_keep_lock(struct fs *fs, uint32_t i)
{
	(void)tell(fs, FS_HANDLES + i);
}

void
fs_table_resend(struct fs *fs)
{
	fs->unsent = false;
	for (uint32_t id = 0; id < FS_HANDLES + FS_LOCKS; id++) {
		const int *fd = kept_of(fs, id);
		bool told = (fs->told[id / 8] >> id % 8 & 1) != 0;

		if (told != (fd != NULL && *fd >= 0) && !tell(fs, id))
			return;
	}
}

void
fs_table_kept(struct device *dev, uint32_t id, int fd)
{
	struct fs *fs = dev->priv;
	int up = fcntl(fd, F_DUPFD_CLOEXEC, FD_FS_FILES);
	int *to = id < FS_HANDLES + FS_LOCKS ? kept_of(fs, id) : NULL;
	uint32_t node;
	struct stat st;

	close(fd);
	if (up < 0)
		return;
	if (id < FS_HANDLES + FS_LOCKS)
		set_told(fs, id, true);
	if (to != NULL) {
		node = id < FS_HANDLES ? fs->handle[id].node :
		    fs->lock[id - FS_HANDLES].node;
		if (fstat(up, &st) < 0 || fs_node_of_stat(fs, &st) != node)
			to = NULL;
	}
	if (to == NULL) {
		close(up);
		fs->unsent = true;
		return;
	}
	if (*to >= 0)
		close(*to);
	*to = up;
}

/* ---- requests that are done ---------------------------------------------------------- */

void
fs_table_begin(struct fs *fs, const struct fs_req *req)
{
	struct fs_begun *b = &fs->table->begun;
	struct timespec now;

	fs->again = req->chain->again && req->head.unique != 0 &&
	    b->unique == req->head.unique;
	if (fs->again)
		return;
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	b->unique = 0;
	/* Whoever dies in between has begun nothing. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	b->sec = now.tv_sec;
	b->nsec = now.tv_nsec;
	b->dev = b->ino = b->size = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	b->unique = req->head.unique;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void
fs_table_victim(struct fs *fs, uint64_t dev, uint64_t ino)
{
	fs->table->begun.dev = dev;
	fs->table->begun.ino = ino;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

bool
fs_table_since(const struct fs *fs, const struct stat *st)
{
	const struct fs_begun *b = &fs->table->begun;

	return fs->again && (st->st_ctim.tv_sec > b->sec ||
	    (st->st_ctim.tv_sec == b->sec && st->st_ctim.tv_nsec >= b->nsec));
}

bool
fs_table_was_done(struct fs *fs, uint64_t unique, int64_t *rc)
{
	for (uint32_t i = 0; i < FS_DONE; i++) {
		const struct fs_done *d = &fs->table->done[i];

		if (d->unique != unique || unique == 0)
			continue;
		*rc = d->rc;
		if (*rc > (int64_t)sizeof(d->out))
			*rc = -EIO;
		if (*rc > 0)
			memcpy(fs->out, d->out, (size_t)*rc);
		return true;
	}
	return false;
}

void
fs_table_done(struct fs *fs, uint64_t unique, int64_t rc)
{
	struct fs_done *d = &fs->table->done[fs->table->ndone++ % FS_DONE];

	d->unique = 0;
	/* Whoever dies in between has not said that it is done. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	d->rc = rc;
	if (rc > 0)
		memcpy(d->out, fs->out, (size_t)rc < sizeof(d->out) ?
		    (size_t)rc : sizeof(d->out));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	d->unique = unique;
}

/* ---- taking over ----------------------------------------------------------------------- */

/* Handles of what is there, with no fd yet; the rest is free. */
static void
adopt_handles(struct fs *fs)
{
	if (fs->table->handles > FS_HANDLES)
		fs->table->handles = FS_HANDLES;
	for (uint32_t i = 0; i < fs->table->handles; i++) {
		struct fs_handle *h = &fs->handle[i];
		uint32_t node = h->node;

		h->fd = -1;
		h->flags &= FS_OPEN_FLAGS;
		if (node != 0 && node <= fs->table->nodes &&
		    ((h->kind == FS_FILE && fs->node[node].type == S_IFREG) ||
		    (h->kind == FS_DIR && fs->node[node].type == S_IFDIR))) {
			fs->node[node].open++;
			h->kept = h->kept != 0 && fs->nkept < FS_KEPT;
			fs->nkept += h->kept;
			continue;
		}
		h->kind = FS_FREE;
		h->kept = 0;
		h->next = fs->free_handle;
		fs->free_handle = i + 1;
	}
}

static void
adopt_locks(struct fs *fs)
{
	for (uint32_t i = 0; i < FS_LOCKS; i++) {
		struct fs_lock *l = &fs->lock[i];

		l->fd = -1;
		/* With its last handle a file's locks go. */
		if (l->node == 0 || l->node > fs->table->nodes ||
		    fs->node[l->node].type != S_IFREG || fs->node[l->node].open == 0) {
			l->node = 0;
			continue;
		}
		fs->node[l->node].open++;
		fs->nlocks++;
	}
}

/* Nobody has a session: whatever a predecessor left is nothing to anybody. */
static void
clear(struct fs *fs, const struct stat *root)
{
	struct fs_table *t = fs->table;

	for (uint32_t i = 0; i < FS_HANDLES && i < t->handles; i++)
		fs->handle[i] = (struct fs_handle){ .fd = -1, .gen = fs->handle[i].gen };
	memset(fs->lock, 0, FS_LOCKS * sizeof(fs->lock[0]));
	memset(t->done, 0, sizeof(t->done));
	t->begun.unique = 0;
	t->handles = 0;
	if (t->nodes >= FS_NODES)
		t->nodes = FS_NODES - 1;
	fs_nodes_init(fs, root);
}

void
fs_table_adopt(struct fs *fs, const struct stat *root)
{
	if (fs->table->session == 0) {
		clear(fs, root);
		return;
	}
	fs->unsent = true;	/* of what has gone meanwhile */
	fs->table->session = fs->table->session != 0;
	fs->table->acl = fs->table->acl != 0;
	fs->free_handle = fs->nkept = fs->nlocks = 0;
	fs_nodes_adopt(fs, root);
	adopt_handles(fs);
	adopt_locks(fs);
	for (uint32_t i = FS_ROOT + 1; i <= fs->table->nodes; i++)
		fs_node_release(fs, i);
}
