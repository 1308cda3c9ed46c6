/* SPDX-License-Identifier: Apache-2.0 */
/* The spawner's list of what goes with the VM, see janitor.h. */
#include "controller/spawner/janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/spawner/filter.h"

static bool
same_directory(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 &&
	    x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A VM that is booted again makes its sockets again: the latest counts. */
int
janitor_remember(struct janitor *j, struct chan_msg *msg)
{
	const Bh__Remember *m = msg->packet->remember;
	struct janitor_file *f = j->file;

	while (f < j->file + j->nfiles && (strcmp(f->name, m->name) != 0 ||
	    !same_directory(f->dir, msg->fds[0])))
		f++;
	if (f == j->file + JANITOR_MAX_FILES || strlen(m->name) >= sizeof(f->name))
		return -ENOSPC;
	if (f == j->file + j->nfiles)
		j->nfiles++;
	else
		close(f->dir);
	f->dir = chan_take_fd(msg, 0);
	f->device = (dev_t)m->device;
	f->inode = (ino_t)m->inode;
	(void)snprintf(f->name, sizeof(f->name), "%s", m->name);
	return 0;
}

/* A VM that is booted again has its taps' filters replaced. */
int
janitor_remember_filter(struct janitor *j, const Bh__RememberFilter *m)
{
	for (unsigned int i = 0; i < j->nfilters; i++)
		if (j->filter[i].ifindex == m->ifindex)
			return 0;
	if (j->nfilters == JANITOR_MAX_FILTERS)
		return -ENOSPC;
	j->filter[j->nfilters++] = (struct janitor_filter){
		.ifindex = m->ifindex, .egress = m->egress,
	};
	return 0;
}

void
janitor_clean(const struct janitor *j)
{
	for (unsigned int i = 0; i < j->nfiles; i++) {
		const struct janitor_file *f = &j->file[i];
		struct stat st;

		if (fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_dev == f->device && st.st_ino == f->inode)
			unlinkat(f->dir, f->name, 0);
	}
	for (unsigned int i = 0; i < j->nfilters; i++)
		filter_remove(j->filter[i].ifindex, j->filter[i].egress);
}
