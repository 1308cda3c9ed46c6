// SPDX-License-Identifier: Apache-2.0
//
// sd_notify(3) by hand, see service.h: one datagram on a socket that was connected
// before the jail closed, so that libsystemd and its sockets are not needed.
#include "controller/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ipc/loop.h"

static int manager = -1;
static bool said;
static struct loop_source watchdog = { .fd = -1 };

static void
say(const char *what)
{
	if (manager >= 0)
		(void)!write(manager, what, strlen(what));
}

static void
watchdog_ready(struct loop_source *src, uint32_t events)
{
	uint64_t ticks;

	(void)events;
	if (read(src->fd, &ticks, sizeof(ticks)) == sizeof(ticks))
		say("WATCHDOG=1");
}

/* sd_watchdog_enabled(3): for whom, and how long it waits. */
static void
watch(struct loop *loop)
{
	const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long usec = text != NULL ? strtoull(text, NULL, 10) : 0;
	struct itimerspec every = { .it_interval = { 0 } };

	if (manager < 0 || usec < 2 || usec > UINT32_MAX * 1000000ull ||
	    (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
		return;
	/* Twice as often as it has to be. */
	usec /= 2;
	every.it_interval.tv_sec = (time_t)(usec / 1000000);
	every.it_interval.tv_nsec = (long)(usec % 1000000 * 1000);
	every.it_value = every.it_interval;
	watchdog.ready = watchdog_ready;
	watchdog.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC |
	    TFD_NONBLOCK);
	if (watchdog.fd >= 0 && timerfd_settime(watchdog.fd, 0, &every, NULL) == 0)
		(void)loop_add(loop, &watchdog, EPOLLIN);
}

void
service_open(struct loop *loop)
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
	watch(loop);
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
