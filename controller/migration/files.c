/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of a snapshot's files, see files.h.
 */
#include "controller/migration/files.h"

#include "bulkhead.pb-c.h"

#define NAME(file, name) [BH__SNAPSHOT_FILE__SNAPSHOT_FILE_##file] = (name)

const char *const snapshot_names[] = {
	NAME(MANIFEST, "manifest"), NAME(CONFIG, "config"), NAME(VCPU, "vcpu"),
	NAME(MEMORY, "memory"), NAME(MEMORY_RANGES, "memory-ranges"),
	NAME(BLK, "blk"), NAME(NET, "net"), NAME(RNG, "rng"),
	NAME(CONSOLE, "console"), NAME(BALLOON, "balloon"),
	NAME(WATCHDOG, "watchdog"), NAME(RTC, "rtc"), NAME(VSOCK, "vsock"),
};

_Static_assert(sizeof(snapshot_names) / sizeof(snapshot_names[0]) ==
    SNAPSHOT_LIMIT_FILES, "a file has no name");
