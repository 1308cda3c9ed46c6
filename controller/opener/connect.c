// SPDX-License-Identifier: Apache-2.0
//
// Connections to listening unix sockets: of vhost-user back ends, of
// what a guest connects to by vsock. As the user who
// started the VM, by way of the socket's directory, and never waiting: a socket
// whose queue is full is one that is not there.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "controller/opener/opened.h"

static int
connect_in(struct opened *o, int dir, const char *name, int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, n, rc;

	/* A path of any length fits. */
	n = snprintf(addr.sun_path, sizeof(addr.sun_path),
	    "/proc/self/fd/%d/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path)) {
		o->why = "the socket's file name is too long";
		return -ENAMETOOLONG;
	}
	if (fstatat(dir, name, &st, 0) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode)) {
		o->why = "not a socket";
		return -ENOTSOCK;
	}
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = -errno;
		if (rc == -EPROTOTYPE)
			o->why = type == SOCK_STREAM ? "not a stream socket" :
			    "not a seqpacket socket";
		close(fd);
		return rc;
	}
	o->fds[o->nfds++] = fd;
	return 0;
}

int
open_connect(struct opened *o, const Bh__Open *req)
{
	char path[4096];
	const char *name = path;
	char *slash;
	int dir, rc;

	if (strlen(req->path) >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, req->path, strlen(req->path) + 1);
	slash = strrchr(path, '/');
	if (slash != NULL) {
		*slash = '\0';
		name = slash + 1;
	}
	if (name[0] == '\0')
		return -EISDIR;
	dir = open(slash == NULL ? "." : slash == path ? "/" : path,
	    O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 && errno == ENOENT) {
		o->why = "the directory of the socket does not exist";
		return -ENOTDIR;
	}
	if (dir < 0)
		return -errno;
	rc = connect_in(o, dir, name, req->seqpacket ? SOCK_SEQPACKET :
	    SOCK_STREAM);
	close(dir);
	return rc;
}
