/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The far end of a child's seccomp filter: reads which call was denied. Used by
 * the controller, which holds the listeners. It answers no notification, so the
 * calling thread stands still in the kernel; the caller has the process killed.
 */
#ifndef BULKHEAD_SANDBOX_NOTIFY_H
#define BULKHEAD_SANDBOX_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

/* What the kernel says of a denied call: nothing of it comes from the child. */
struct denied_call {
	uint32_t pid;		/* thread, as in the reader's pid namespace */
	int nr;
	uint64_t args[6];
	uint64_t ip;		/* instruction after the call */
	const char *name;	/* "openat", or "?" for a number without a name */
};

/*
 * Take one notification. 1: *call is filled; 0: none there (its process may have
 * died meanwhile); -errno. Does not wait. @listener is readable when there is
 * one, and hangs up when the last process under the filter is gone.
 */
int notify_receive(int listener, struct denied_call *call);

/*
 * "openat(0xffffff9c, 0x7f.., 0x0, 0x0, 0x0, 0x0) at 0x..", truncated to @size
 * bytes with its NUL. No allocation.
 */
void notify_describe(const struct denied_call *call, char *buf, size_t size);

/* Name of an x86-64 system call, "?" if it has none; static. */
const char *notify_call_name(int nr);

#endif
