// SPDX-License-Identifier: Apache-2.0
//
// sd_notify(3) by hand, see service.h: one datagram on a socket that was connected
// before the jail closed, so that libsystemd and its sockets are not needed.
#include "controller/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager = -1;
static bool said;

void
service_open(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != NULL ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(addr.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')	/* an abstract name */
		addr.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (manager >= 0 && connect(manager, (const struct sockaddr *)&addr,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		close(manager);
		manager = -1;
	}
}

static void
say(const char *what)
{
	if (manager >= 0)
		(void)!write(manager, what, strlen(what));
}

void
service_ready(void)
{
	if (!said)
		say("READY=1");
	said = true;
}

void
service_stopping(void)
{
	say("STOPPING=1");
}
