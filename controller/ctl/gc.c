/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bulkheadctl gc`: takes away what VMs have left of which controller and spawner were
 * both killed. (Sockets and locks are taken over by the next start at their path.)
 */
#include "controller/ctl/gc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/cgroup.h"

static int
collect(const char *path)
{
	int fd = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
	    cgroup_own();

	if (fd < 0) {
		(void)fprintf(stderr, "bulkheadctl: gc %s: %s\n", path != NULL ?
		    path : "", path != NULL ? strerror(errno) :
		    "no cgroup v2 is mounted");
		return 1;
	}
	(void)printf("%u cgroups removed%s%s\n", cgroup_collect(fd),
	    path != NULL ? " from " : "", path != NULL ? path : "");
	close(fd);
	return 0;
}

int
gc_main(int argc, char **argv)
{
	int status = argc == 0 ? collect(NULL) : 0;

	for (int i = 0; i < argc; i++)
		if (collect(argv[i]) != 0)
			status = 1;
	return status;
}
