/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Denied calls, see notify.h. The table of names is made at build time.
 */
#include "sandbox/notify.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static const char *const names[] = {
#include "syscall_names.h"
};

/*
 * The kernel copies out its own struct, which a newer one may have grown: leave
 * it room that it will not fill in our time.
 */
union notification {
	struct seccomp_notif notif;
	unsigned char room[1024];
};

const char *
notify_call_name(int nr)
{
	if (nr < 0 || (size_t)nr >= sizeof(names) / sizeof(names[0]) ||
	    names[nr] == NULL)
		return "?";
	return names[nr];
}

int
notify_receive(int listener, struct denied_call *call)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	union notification n;

	/* RECV would wait; what poll() has seen is counted until it is taken. */
	if (poll(&p, 1, 0) < 0)
		return errno == EINTR ? 0 : -errno;
	if (!(p.revents & POLLIN))
		return 0;
	memset(&n, 0, sizeof(n));	/* the kernel insists on zeroes */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) != 0)
		return errno == ENOENT || errno == EINTR ? 0 : -errno;
	call->pid = n.notif.pid;
	call->nr = n.notif.data.nr;
	for (size_t i = 0; i < 6; i++)
		call->args[i] = n.notif.data.args[i];
	call->ip = n.notif.data.instruction_pointer;
	call->name = notify_call_name(call->nr);
	return 1;
}

void
notify_describe(const struct denied_call *call, char *buf, size_t size)
{
	const uint64_t *a = call->args;

	(void)snprintf(buf, size,
	    "%s(0x%llx, 0x%llx, 0x%llx, 0x%llx, 0x%llx, 0x%llx) at 0x%llx",
	    call->name, (unsigned long long)a[0], (unsigned long long)a[1],
	    (unsigned long long)a[2], (unsigned long long)a[3],
	    (unsigned long long)a[4], (unsigned long long)a[5],
	    (unsigned long long)call->ip);
}
