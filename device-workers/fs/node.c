/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest has looked up and not forgotten: a table of nodes, found by id,
 * by device and inode, or by parent and name. Bounded, and not touched before it is
 * used; makes no system call.
 *
 * A node's parent and name are where it was seen last. The host may have moved it
 * since; path.c looks whether it is still there.
 */
#include <string.h>

#include "device-workers/fs/fs_int.h"

static uint32_t
mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15u ^ (b + 0x632be59bd9b4e019u) *
	    0xd6e8feb86659fd93u;

	return (uint32_t)(x ^ x >> 32) % FS_HASH;
}

static uint32_t
hash_name(uint32_t parent, const char *name, size_t len)
{
	uint64_t x = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		x = (x ^ (uint8_t)name[i]) * 0x100000001b3u;
	return mix(x, parent);
}

/* ---- names ------------------------------------------------------------------------ */

static void
cells_free(struct fs *fs, uint32_t first)
{
	while (first != 0) {
		uint32_t next = fs->cell[first].next;

		fs->cell[first].next = fs->free_cell;
		fs->free_cell = first;
		first = next;
	}
}

/* The first cell of a copy of @name; 0: no room. */
static uint32_t
cells_make(struct fs *fs, const char *name, size_t len)
{
	const size_t size = sizeof(fs->cell[0].text);
	uint32_t first = 0, *link = &first;

	for (size_t at = 0; at < len; at += size) {
		uint32_t c = fs->free_cell;

		if (c != 0) {
			fs->free_cell = fs->cell[c].next;
		} else if (fs->table->cells + 1 < FS_CELLS) {
			c = ++fs->table->cells;
		} else {
			*link = 0;
			cells_free(fs, first);
			return 0;
		}
		memcpy(fs->cell[c].text, name + at,
		    len - at < size ? len - at : size);
		*link = c;
		link = &fs->cell[c].next;
	}
	*link = 0;
	return first;
}

bool
fs_node_text(const struct fs *fs, uint32_t node, char *text)
{
	const struct fs_node *n = &fs->node[node];
	const size_t size = sizeof(fs->cell[0].text);
	size_t at = 0;

	if (n->parent == 0)
		return false;
	for (uint32_t c = n->name; c != 0; c = fs->cell[c].next) {
		size_t part = n->name_len - at < size ? n->name_len - at : size;

		memcpy(text + at, fs->cell[c].text, part);
		at += part;
	}
	text[at] = '\0';
	return true;
}

static bool
is_called(const struct fs *fs, uint32_t node, uint32_t parent, const char *name,
    size_t len)
{
	char text[FS_NAME_MAX + 1];

	return fs->node[node].parent == parent &&
	    fs->node[node].name_len == len && fs_node_text(fs, node, text) &&
	    memcmp(text, name, len) == 0;
}

uint32_t
fs_node_named(const struct fs *fs, uint32_t parent, const char *name)
{
	size_t len = strlen(name);
	uint32_t n = fs->by_name[hash_name(parent, name, len)];

	while (n != 0 && !is_called(fs, n, parent, name, len))
		n = fs->node[n].next_name;
	return n;
}

void
fs_node_unname(struct fs *fs, uint32_t node)
{
	struct fs_node *n = &fs->node[node];
	char text[FS_NAME_MAX + 1] = { 0 };
	uint32_t *link, parent = n->parent, cells;

	if (!fs_node_text(fs, node, text))
		return;
	link = &fs->by_name[hash_name(parent, text, strlen(text))];
	while (*link != node)
		link = &fs->node[*link].next_name;
	*link = n->next_name;
	cells = n->name;
	/* First: who dies in between leaves no name that goes on in the free list. */
	n->parent = 0;
	n->name = n->name_len = 0;
	cells_free(fs, cells);
	fs->node[parent].children--;
	fs_node_release(fs, parent);
}

void
fs_node_name(struct fs *fs, uint32_t node, uint32_t parent, const char *name)
{
	size_t len = strlen(name);
	struct fs_node *n = &fs->node[node];
	uint32_t other, cells, hash;

	/* A directory that is mounted in itself is reached from above. */
	if (node == FS_ROOT || node == parent ||
	    is_called(fs, node, parent, name, len))
		return;
	/* What was called so is no longer: the host has changed it, or a rename. */
	fs->node[parent].children++;
	fs_node_unname(fs, node);
	other = fs_node_named(fs, parent, name);
	if (other != 0)
		fs_node_unname(fs, other);
	cells = cells_make(fs, name, len);
	if (cells == 0) {
		fs->node[parent].children--;
		return;		/* it is reached by its fd, or not at all */
	}
	hash = hash_name(parent, name, len);
	n->parent = parent;
	n->name = cells;
	n->name_len = (uint16_t)len;
	n->next_name = fs->by_name[hash];
	fs->by_name[hash] = node;
}

/* ---- ids -------------------------------------------------------------------------- */

uint32_t
fs_node_of(const struct fs *fs, uint64_t id)
{
	uint32_t n = (uint32_t)id;

	return n != 0 && n <= fs->table->nodes && fs->node[n].type != 0 &&
	    fs->node[n].gen == id >> 32 && fs->node[n].lookups > 0 ? n : 0;
}

uint64_t
fs_node_id(const struct fs *fs, uint32_t node)
{
	return (uint64_t)fs->node[node].gen << 32 | node;
}

static void
unhash_id(struct fs *fs, uint32_t node)
{
	const struct fs_node *n = &fs->node[node];
	uint32_t *link = &fs->by_id[mix(n->dev, n->ino)];

	while (*link != 0 && *link != node)
		link = &fs->node[*link].next_id;
	if (*link == node)
		*link = n->next_id;
}

uint32_t
fs_node_of_stat(const struct fs *fs, const struct stat *st)
{
	uint32_t n = fs->by_id[mix(st->st_dev, st->st_ino)];

	while (n != 0 && (fs->node[n].dev != st->st_dev ||
	    fs->node[n].ino != st->st_ino))
		n = fs->node[n].next_id;
	return n;
}

static uint32_t
make(struct fs *fs, const struct stat *st)
{
	uint32_t node = fs->free_node, *head;
	struct fs_node *n;

	if (node != 0)
		fs->free_node = fs->node[node].next_id;
	else if (fs->table->nodes + 1 < FS_NODES)
		node = ++fs->table->nodes;
	else
		return 0;
	n = &fs->node[node];
	*n = (struct fs_node){
		.dev = st->st_dev, .ino = st->st_ino, .gen = n->gen,
		.type = st->st_mode & S_IFMT,
	};
	head = &fs->by_id[mix(n->dev, n->ino)];
	n->next_id = *head;
	*head = node;
	return node;
}

uint32_t
fs_node_enter(struct fs *fs, const struct stat *st, uint32_t parent,
    const char *name)
{
	uint32_t node = fs_node_of_stat(fs, st);

	/* The inode's number has gone to another kind of file meanwhile. */
	if (node != 0 && fs->node[node].type != (st->st_mode & S_IFMT)) {
		unhash_id(fs, node);
		fs->node[node].dev = fs->node[node].ino = 0;
		fs_path_drop(fs, node);
		node = 0;
	}
	if (node == 0)
		node = make(fs, st);
	if (node == 0)
		return 0;
	fs->node[node].lookups++;
	fs_node_name(fs, node, parent, name);
	return node;
}

void
fs_node_release(struct fs *fs, uint32_t node)
{
	while (node > FS_ROOT && node < FS_NODES) {
		struct fs_node *n = &fs->node[node];
		uint32_t parent = n->parent;

		if (n->type == 0 || n->lookups > 0 || n->children > 0 ||
		    n->open > 0)
			return;
		fs_path_drop(fs, node);
		unhash_id(fs, node);
		/* Not by that alone, which would come back here. */
		if (parent != 0) {
			fs->node[parent].children++;
			fs_node_unname(fs, node);
			fs->node[parent].children--;
		}
		n->type = 0;
		n->gen++;
		n->next_id = fs->free_node;
		fs->free_node = node;
		node = parent;
	}
}

void
fs_node_forget(struct fs *fs, uint32_t node, uint64_t times)
{
	struct fs_node *n = &fs->node[node];

	if (node == FS_ROOT)
		return;
	n->lookups -= times < n->lookups ? times : n->lookups;
	fs_node_release(fs, node);
}

void
fs_nodes_init(struct fs *fs, const struct stat *root)
{
	/* What was never used is zero, and not touched. */
	if (fs->table->nodes > 0) {
		memset(fs->by_id, 0, sizeof(fs->by_id));
		memset(fs->by_name, 0, sizeof(fs->by_name));
	}
	for (uint32_t i = 1; i <= fs->table->nodes; i++)
		fs->node[i] = (struct fs_node){ .gen = fs->node[i].gen + 1 };
	fs->free_node = fs->table->nodes = 0;
	fs->free_cell = fs->table->cells = 0;
	(void)make(fs, root);
	fs->node[FS_ROOT].gen = 0;	/* its id is 1 */
	fs->node[FS_ROOT].lookups = 1;
}

/* ---- taking over -------------------------------------------------------------------- */

/* Names that the table's text may be: found in a directory, and nothing else. */
static bool
is_name(const char *text, size_t len)
{
	return len > 0 && strlen(text) == len && strchr(text, '/') == NULL &&
	    strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

/* Take the cells of @node's name, each once. False: that is no name. */
static bool
claim_cells(struct fs *fs, uint32_t node, uint8_t *taken)
{
	struct fs_node *n = &fs->node[node];
	const size_t size = sizeof(fs->cell[0].text);
	char text[FS_NAME_MAX + 1];
	uint32_t c = n->name, *link = &n->name;

	if (n->name_len > FS_NAME_MAX)
		return false;
	for (size_t at = 0; at < n->name_len; at += size) {
		if (c == 0 || c > fs->table->cells || (taken[c / 8] >> c % 8 & 1) != 0)
			return false;
		taken[c / 8] |= (uint8_t)(1u << c % 8);
		link = &fs->cell[c].next;
		c = *link;
	}
	*link = 0;
	return fs_node_text(fs, node, text) && is_name(text, n->name_len);
}

static bool
is_type(uint32_t type)
{
	return type == S_IFREG || type == S_IFDIR || type == S_IFLNK ||
	    type == S_IFIFO || type == S_IFSOCK || type == S_IFCHR ||
	    type == S_IFBLK;
}

static void
adopt_node(struct fs *fs, uint32_t node, uint8_t *taken)
{
	struct fs_node *n = &fs->node[node];
	char text[FS_NAME_MAX + 1] = { 0 };
	uint32_t *head, p = n->parent;

	if (!is_type(n->type)) {
		n->type = 0;
		n->next_id = fs->free_node;
		fs->free_node = node;
		return;
	}
	head = &fs->by_id[mix(n->dev, n->ino)];
	n->next_id = *head;
	*head = node;
	if (p == 0 || p == node || p > fs->table->nodes || node == FS_ROOT ||
	    fs->node[p].type != S_IFDIR || !claim_cells(fs, node, taken)) {
		n->parent = n->name = n->name_len = 0;
		return;
	}
	(void)fs_node_text(fs, node, text);
	fs->node[p].children++;
	head = &fs->by_name[hash_name(p, text, n->name_len)];
	n->next_name = *head;
	*head = node;
}

void
fs_nodes_adopt(struct fs *fs, const struct stat *root)
{
	static uint8_t taken[FS_CELLS / 8 + 1];
	struct fs_table *t = fs->table;

	if (t->nodes >= FS_NODES)
		t->nodes = FS_NODES - 1;
	if (t->nodes < FS_ROOT)
		t->nodes = FS_ROOT;
	if (t->cells >= FS_CELLS)
		t->cells = FS_CELLS - 1;
	memset(taken, 0, sizeof(taken));
	for (uint32_t i = 1; i <= t->nodes; i++) {
		struct fs_node *n = &fs->node[i];

		n->children = n->open = n->next_id = n->next_name = 0;
		n->cache = 0;
	}
	/* It is what it is now; whoever else says so is somebody else. */
	fs->node[FS_ROOT] = (struct fs_node){ .dev = root->st_dev,
	    .ino = root->st_ino, .type = S_IFDIR, .lookups = 1 };
	for (uint32_t i = 1; i <= t->nodes; i++)
		adopt_node(fs, i, taken);
	for (uint32_t c = 1; c <= t->cells; c++)
		if ((taken[c / 8] >> c % 8 & 1) == 0) {
			fs->cell[c].next = fs->free_cell;
			fs->free_cell = c;
		}
}
