/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the opener makes of one Open message, by kind, and the guard process of its
 * one. Called by opener.c alone, of which each program has a part of its own behind
 * these two functions: opened.c, guard.c. tap_adopt.c is called also by the
 * controller, for taps it inherited. Nothing here speaks to a channel.
 */
#ifndef BULKHEAD_CONTROLLER_OPENER_OPENED_H
#define BULKHEAD_CONTROLLER_OPENER_OPENED_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "proto/limits.h"

#define OPENED_MAX_FDS 32
#define API_BACKLOG 1024

struct opened {
	Bh__Opened msg;		/* .name points to the buffer below */
	char name[128];
	Bh__BlkShape shape;	/* .shape points to it */
	Bh__SnapshotFile files[SNAPSHOT_LIMIT_FILES];	/* .files points to it */
	uint8_t mac[6];		/* .tap_mac points to it */
	int fds[OPENED_MAX_FDS];
	unsigned int nfds;
	const char *why;	/* of a failure: static text, or NULL */
	int folder;		/* of a request for a file below one, else -1 */
};

/* Before the jail closes. -errno. */
int opened_prepare(void);

/*
 * Open what @req asks for. 0, and the caller closes the fds; or -errno, with
 * o->why where errno alone does not say it, and nothing left behind.
 */
int opened_make(struct opened *o, const Bh__Open *req);

/*
 * A file that an image names, below o->folder: -errno. And the folder of @path, as an
 * O_PATH fd. In below.c.
 */
int open_below(struct opened *o, const char *name, int flags);
int open_folder(const char *path);

/* One function a group of kinds. As opened_make. */
int open_file(struct opened *o, const Bh__Open *req);
int open_share(struct opened *o, const Bh__Open *req);
int open_pty(struct opened *o, const Bh__Open *req);
int open_listen(struct opened *o, const Bh__Open *req);
int open_connect(struct opened *o, const Bh__Open *req);
int open_place(struct opened *o, const Bh__Open *req);
int open_kvm(struct opened *o, const Bh__Open *req);
int open_tap(struct opened *o, const Bh__Open *req);

/*
 * Make @fd, a tap or macvtap of somebody else's, ready for a net worker: checks
 * that it carries virtio-net headers, sets their size. *offloads: TUN_F_ bits it
 * accepts. -EINVAL with *why.
 */
int tap_adopt(int fd, uint32_t *offloads, const char **why);

/*
 * --landlock: add the fds of an AllowPaths to *ruleset, which is made when it is -1;
 * and have no other path be opened by this process from now on. In allow.c.
 */
int allow_add(int *ruleset, const Bh__AllowPaths *m, const int *fds,
    unsigned int nfds);
int allow_close(int *ruleset);

/* Would @req have been opened but for that? */
bool allow_refused(const struct opened *o, const Bh__Open *req);

/* Is @fd of a macvtap? Then the address that its guest has to have. */
bool tap_macvtap_mac(int fd, uint8_t mac[6]);

#endif
