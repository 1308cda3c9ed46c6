// SPDX-License-Identifier: Apache-2.0
//
// Maps of ids, see id_map.h.
#include "controller/id_map.h"

#include <errno.h>

static int
parse_range(struct span item, struct id_range_spec *range)
{
	uint32_t *const part[] = { &range->guest, &range->host, &range->count };
	struct span number;
	uint64_t n;

	for (size_t i = 0; i < 3; i++) {
		if (value_next(&item, ':', &number) != 1 ||
		    value_u64(number, &n) != 0 || n > ID_MAP_END)
			return -EINVAL;
		*part[i] = (uint32_t)n;
	}
	return item.at != NULL ? -EINVAL : 0;
}

static bool
overlap(uint64_t a, uint64_t na, uint64_t b, uint64_t nb)
{
	return a < b + nb && b < a + na;
}

const char *
id_map_parse(struct span value, struct id_map_spec *map)
{
	struct span item;
	int got;

	map->n = 0;
	(void)value_list(value, &value);
	while ((got = value_next(&value, ',', &item)) == 1) {
		struct id_range_spec r;

		if (parse_range(item, &r) != 0)
			return "not ranges of ids; write "
			    "[<guest>:<host>:<count>], as [0:100000:65536]";
		if (r.count == 0 || (uint64_t)r.guest + r.count > ID_MAP_END ||
		    (uint64_t)r.host + r.count > ID_MAP_END)
			return "a range has 1 id or more, of 0 to 4294967293";
		for (uint32_t i = 0; i < map->n; i++)
			if (overlap(r.guest, r.count, map->range[i].guest,
			    map->range[i].count) ||
			    overlap(r.host, r.count, map->range[i].host,
			    map->range[i].count))
				return "an id is in two ranges";
		if (map->n == FS_LIMIT_ID_RANGES)
			return "too many; at most 8 ranges";
		map->range[map->n++] = r;
	}
	return got < 0 || map->n == 0 ? "no ranges of ids; write "
	    "[<guest>:<host>:<count>]" : NULL;
}
