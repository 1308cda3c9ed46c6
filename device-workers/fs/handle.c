/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest has open: a bounded table of fds, each of one node. */
#include <unistd.h>

#include "device-workers/fs/fs_int.h"

uint64_t
fs_handle_add(struct fs *fs, enum fs_handle_kind kind, int fd, uint32_t node)
{
	uint32_t i = fs->free_handle;
	struct fs_handle *h;

	if (i != 0) {
		fs->free_handle = fs->handle[i - 1].next;
	} else if (fs->handles < FS_HANDLES) {
		i = ++fs->handles;
	} else {
		close(fd);
		return 0;
	}
	h = &fs->handle[i - 1];
	*h = (struct fs_handle){
		.fd = fd, .node = node, .kind = kind, .gen = h->gen + 1,
	};
	fs->node[node].open++;
	return (uint64_t)h->gen << 32 | i;
}

struct fs_handle *
fs_handle_of(struct fs *fs, uint64_t fh, enum fs_handle_kind kind)
{
	uint32_t i = (uint32_t)fh;
	struct fs_handle *h;

	if (i == 0 || i > fs->handles)
		return NULL;
	h = &fs->handle[i - 1];
	return h->kind == kind && h->gen == fh >> 32 ? h : NULL;
}

struct fs_handle *
fs_handle_any(struct fs *fs, uint32_t node)
{
	for (uint32_t i = 0; fs->node[node].open > 0 && i < fs->handles; i++)
		if (fs->handle[i].kind != FS_FREE && fs->handle[i].node == node)
			return &fs->handle[i];
	return NULL;
}

void
fs_handle_close(struct fs *fs, struct fs_handle *h)
{
	uint32_t node = h->node;

	close(h->fd);
	h->kind = FS_FREE;
	h->fd = -1;
	h->next = fs->free_handle;
	fs->free_handle = (uint32_t)(h - fs->handle) + 1;
	fs_locks_closed(fs, node);
	fs->node[node].open--;
	fs_node_release(fs, node);
}

void
fs_handle_close_all(struct fs *fs)
{
	for (uint32_t i = 0; i < fs->handles; i++)
		if (fs->handle[i].kind != FS_FREE)
			fs_handle_close(fs, &fs->handle[i]);
}
