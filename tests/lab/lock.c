// SPDX-License-Identifier: Apache-2.0
/*
 * A lock, for stock guests and hosts, whose busybox has none:
 *	lab-lock FILE FIRST LENGTH try|wait SECONDS	of a part, by fcntl
 *	lab-lock FILE whole shared|own try|wait SECONDS	of the file, by flock
 * keeps it for so long, and ends with 0; or with 1, somebody else having it; or with
 * 2, something else being wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	bool wait;
	int fd, rc;

	if (argc != 6)
		return 2;
	wait = strcmp(argv[4], "wait") == 0;
	lock.l_start = strtol(argv[2], NULL, 10);
	lock.l_len = strtol(argv[3], NULL, 10);
	fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		rc = -1;
	else if (strcmp(argv[2], "whole") == 0)
		rc = flock(fd, (strcmp(argv[3], "own") == 0 ? LOCK_EX : LOCK_SH) |
		    (wait ? 0 : LOCK_NB));
	else
		rc = fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock);
	if (rc < 0 && fd >= 0 && (errno == EAGAIN || errno == EACCES))
		return 1;
	if (rc < 0) {
		perror(argv[1]);
		return 2;
	}
	(void)sleep((unsigned int)strtoul(argv[5], NULL, 10));
	return 0;
}
