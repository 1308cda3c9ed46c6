/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker under test has of its own. For programs of tests/native alone. */
#ifndef BULKHEAD_TESTS_NATIVE_PRIVATE_KIB_H
#define BULKHEAD_TESTS_NATIVE_PRIVATE_KIB_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* Anonymous memory of process @pid in KiB; -1: there is none. */
static inline long
private_kib(pid_t pid)
{
	char name[64], line[200];
	long kib = -1;
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
	f = fopen(name, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = strtol(line + 8, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	return kib;
}

#endif
