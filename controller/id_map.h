/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ids of a guest are which of the host, for a shared directory: as the user
 * writes it. A pure function, called by the option parser.
 */
#ifndef BULKHEAD_CONTROLLER_ID_MAP_H
#define BULKHEAD_CONTROLLER_ID_MAP_H

#include "controller/spec.h"
#include "controller/values.h"

/* No range reaches it: the worker's own id in its user namespace. */
#define ID_MAP_END 4294967294u

/*
 * "[0:100000:65536,70000:1000:1]": the guest's first id, the host's, how many. None is
 * in two ranges, on either side. NULL, or what is wrong.
 */
const char *id_map_parse(struct span value, struct id_map_spec *map);

#endif
