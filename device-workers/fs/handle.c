/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest has open: a bounded table of fds, each of one node. */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "device-workers/fs/fs_int.h"

uint64_t
fs_handle_add(struct fs *fs, enum fs_handle_kind kind, int fd, uint32_t node,
    int flags)
{
	uint32_t i = fs->free_handle;
	struct fs_handle *h;

	if (i != 0) {
		fs->free_handle = fs->handle[i - 1].next;
	} else if (fs->table->handles < FS_HANDLES) {
		i = ++fs->table->handles;
	} else {
		close(fd);
		return 0;
	}
	h = &fs->handle[i - 1];
	*h = (struct fs_handle){
		.fd = fd, .node = node, .gen = h->gen + 1, .flags = flags,
		.unique = fs->req.head.unique,
	};
	/* Last: a successor believes those that have a kind. */
	__atomic_store_n(&h->kind, (uint32_t)kind, __ATOMIC_RELEASE);
	fs->node[node].open++;
	return (uint64_t)h->gen << 32 | i;
}

struct fs_handle *
fs_handle_of(struct fs *fs, uint64_t fh, enum fs_handle_kind kind)
{
	struct fs_handle *h = fs_handle_raw(fs, fh, kind);

	/* Where a predecessor died in a rename, the name was not right before. */
	if (h != NULL && h->fd < 0)
		h->fd = fs_path_open(fs, h->node, h->flags & ~O_TRUNC);
	return h != NULL && h->fd >= 0 ? h : NULL;
}

struct fs_handle *
fs_handle_raw(struct fs *fs, uint64_t fh, enum fs_handle_kind kind)
{
	uint32_t i = (uint32_t)fh;
	struct fs_handle *h;

	if (i == 0 || i > fs->table->handles)
		return NULL;
	h = &fs->handle[i - 1];
	return h->kind == kind && h->gen == fh >> 32 ? h : NULL;
}

struct fs_handle *
fs_handle_any(struct fs *fs, uint32_t node)
{
	for (uint32_t i = 0; fs->node[node].open > 0 && i < fs->table->handles; i++)
		if (fs->handle[i].kind != FS_FREE && fs->handle[i].node == node &&
		    fs->handle[i].fd >= 0)
			return &fs->handle[i];
	return NULL;
}

void
fs_handle_close(struct fs *fs, struct fs_handle *h)
{
	uint32_t node = h->node;

	h->kind = FS_FREE;
	/* Who keeps it is told, and may be late: nothing of it is locked by then. */
	if (h->kept != 0) {
		if (h->fd >= 0)
			(void)flock(h->fd, LOCK_UN);
		h->kept = 0;
		fs->nkept--;
		fs_table_keep_handle(fs, (uint32_t)(h - fs->handle));
	}
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
	h->next = fs->free_handle;
	fs->free_handle = (uint32_t)(h - fs->handle) + 1;
	fs_locks_closed(fs, node);
	fs->node[node].open--;
	fs_node_release(fs, node);
}

void
fs_handle_keep(struct fs *fs, struct fs_handle *h)
{
	if (h->kept != 0 || h->fd < 0 || fs->nkept >= FS_KEPT)
		return;
	h->kept = 1;
	fs->nkept++;
	fs_table_keep_handle(fs, (uint32_t)(h - fs->handle));
}

void
fs_handles_keep(struct fs *fs, uint32_t node)
{
	for (uint32_t i = 0; fs->node[node].open > 0 && i < fs->table->handles; i++)
		if (fs->handle[i].kind != FS_FREE && fs->handle[i].node == node)
			fs_handle_keep(fs, &fs->handle[i]);
}

void
fs_handles_undo(struct fs *fs, uint64_t unique)
{
	for (uint32_t i = 0; fs->again && i < fs->table->handles; i++)
		if (fs->handle[i].kind != FS_FREE && fs->handle[i].unique == unique)
			fs_handle_close(fs, &fs->handle[i]);
}

void
fs_handles_adopt(struct fs *fs)
{
	for (uint32_t i = 0; i < fs->table->handles; i++) {
		struct fs_handle *h = &fs->handle[i];

		if (h->kind != FS_FREE && h->fd < 0 && h->kept == 0)
			h->fd = fs_path_open(fs, h->node, h->flags & ~O_TRUNC);
		/* One that cannot be is there, and no request on it succeeds. */
		h->pos = h->kind == FS_DIR ? UINT64_MAX : 0;
	}
}

void
fs_handle_close_all(struct fs *fs)
{
	for (uint32_t i = 0; i < fs->table->handles; i++)
		if (fs->handle[i].kind != FS_FREE)
			fs_handle_close(fs, &fs->handle[i]);
}
