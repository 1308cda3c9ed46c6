// SPDX-License-Identifier: Apache-2.0
//
// Ids of a child, see maps.h.
#include "controller/spawner/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where no range of an option reaches (controller/id_map.h). */
#define OWN_INSIDE 4294967294u
#define ALL_IDS 4294967295u

static void
make(struct id_map *map, Bh__IdRange *const *given, size_t n, bool shared,
    bool rootless, uint32_t own)
{
	*map = (struct id_map){ .range = { { 0, own, 1 } }, .n = 1 };
	if (!shared)
		return;
	if (rootless) {
		if (n == 1)	/* the controller has seen that it is the user's */
			map->own = map->range[0].inside = given[0]->inside;
		return;
	}
	map->own = own;
	map->range[0] = (struct id_range){ 0, 0, ALL_IDS };
	if (n == 0 || n > FS_LIMIT_ID_RANGES)
		return;
	for (size_t i = 0; i < n; i++)
		map->range[i] = (struct id_range){ given[i]->inside,
		    given[i]->outside, given[i]->count };
	map->own = OWN_INSIDE;
	map->range[n] = (struct id_range){ OWN_INSIDE, own, 1 };
	map->n = (uint32_t)n + 1;
}

void
maps_make(struct child_maps *maps, const Bh__Spawn *spawn, bool shared, bool rootless,
    uint32_t own)
{
	make(&maps->uids, spawn->uid_map, spawn->n_uid_map, shared, rootless, own);
	make(&maps->gids, spawn->gid_map, spawn->n_gid_map, shared, rootless, own);
}

/* The whole of it in one write. */
static int
write_map(const struct id_map *map, int proc, uint32_t pid, const char *name)
{
	char path[64], text[(FS_LIMIT_ID_RANGES + 1) * 36] = "";
	size_t len = 0;
	int fd, rc = 0;

	for (uint32_t i = 0; i < map->n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u %u %u\n",
		    map->range[i].inside, map->range[i].outside,
		    map->range[i].count);
	(void)snprintf(path, sizeof(path), "%u/%s", pid, name);
	fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int
maps_write(const struct child_maps *maps, int proc, uint32_t pid)
{
	int rc = write_map(&maps->uids, proc, pid, "uid_map");

	return rc != 0 ? rc : write_map(&maps->gids, proc, pid, "gid_map");
}
