// SPDX-License-Identifier: Apache-2.0
//
// Shared directories, see share.h.
#include "controller/share.h"

#include <errno.h>

#include "controller/usage.h"
#include "controller/values.h"

static size_t
fill_map(const struct id_map_spec *map, Bh__IdRange *ranges, Bh__IdRange **pointers)
{
	for (uint32_t i = 0; i < map->n; i++) {
		bh__id_range__init(&ranges[i]);
		ranges[i].inside = map->range[i].guest;
		ranges[i].outside = map->range[i].host;
		ranges[i].count = map->range[i].count;
		pointers[i] = &ranges[i];
	}
	return map->n;
}

void
share_fill(const struct fs_spec *fs, Bh__Spawn *spawn, struct share_message *m)
{
	const size_t half = FS_LIMIT_ID_RANGES;

	spawn->share_readonly = fs->readonly;
	spawn->uid_map = m->pointers;
	spawn->n_uid_map = fill_map(&fs->uid_map, m->ranges, m->pointers);
	spawn->gid_map = m->pointers + half;
	spawn->n_gid_map = fill_map(&fs->gid_map, m->ranges + half, m->pointers + half);
}

static int
check_map(const struct fs_spec *fs, const char *name, const struct id_map_spec *map,
    const struct plan_host *host, uint32_t own, uint32_t first, uint32_t count,
    struct spec_error *err)
{
	struct span tag = span_of(fs->tag);

	if (!host->root && map->n != 0 && (map->n != 1 || map->range[0].count != 1 ||
	    map->range[0].host != own)) {
		(void)usage(err, "--fs tag=%S,%s: without root there is one id of the "
		    "host, your own; write [0:%u:1], or another for 0", &tag, name, own);
		return -EPERM;
	}
	for (uint32_t i = 0; host->root && i < map->n; i++) {
		const struct id_range_spec *r = &map->range[i];

		if (r->host < (uint64_t)first + count &&
		    first < (uint64_t)r->host + r->count) {
			(void)usage(err, "--fs tag=%S,%s: the host's ids from %u to %u are "
			    "those of VMs; take others", &tag, name, first,
			    first + (count - 1));
			return -EPERM;
		}
	}
	return 0;
}

int
share_check(const struct vm_spec *spec, const struct plan_host *host, uint32_t first,
    uint32_t count, struct spec_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < spec->nfs; i++) {
		const struct fs_spec *fs = &spec->fs[i];

		rc = check_map(fs, "uid_map", &fs->uid_map, host, host->uid, first,
		    count, err);
		if (rc == 0)
			rc = check_map(fs, "gid_map", &fs->gid_map, host, host->gid,
			    first, count, err);
	}
	return rc;
}
