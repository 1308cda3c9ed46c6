// SPDX-License-Identifier: Apache-2.0
//
// Files that a disk image names. The name is hostile: it is looked for below the
// folder that the image was found in when the VM started, never by a symbolic link,
// and nowhere else.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/opener/opened.h"

int
open_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[4097];
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;
	int fd;

	if (len >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, path, len);
	folder[len] = '\0';
	fd = open(slash == NULL ? "." : len == 0 ? "/" : folder,
	    O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What is left of absolute @name below the folder; NULL: it is not below it. */
static const char *
relative(int folder, const char *name)
{
	char link[64], full[4096];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
	len = readlink(link, full, sizeof(full));
	if (len <= 0 || (size_t)len == sizeof(full))
		return NULL;
	if (len == 1)
		len = 0;	/* "/" */
	if (strncmp(name, full, (size_t)len) != 0 || name[len] != '/')
		return NULL;
	name += len;
	while (*name == '/')
		name++;
	return name;
}

int
open_below(struct opened *o, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint32_t)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		    RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	if (name[0] == '/')
		name = relative(o->folder, name);
	if (name == NULL) {
		o->why = "not in the folder of the image";
		return -EXDEV;
	}
	/* EAGAIN: something on the way was renamed meanwhile. */
	for (unsigned int i = 0; i < 16; i++) {
		fd = syscall(SYS_openat2, o->folder, name, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	if (fd >= 0)
		return (int)fd;
	if (errno == EXDEV)
		o->why = "not in the folder of the image";
	else if (errno == ELOOP)
		o->why = "a symbolic link, or by one";
	return -errno;
}
