/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scratch back ends of hostile twins: files, eventfds, a tap of nobody's, in the places
 * that a kind has, or that a process of a running VM has now. Nothing of a VM's.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_ATTACK_SCRATCH_H
#define BULKHEAD_CONTROLLER_CTL_ATTACK_SCRATCH_H

#include <stdint.h>

#include "controller/ctl/audit.h"
#include "sandbox/known.h"

#define SCRATCH_MAX 190u	/* fds that one Spawn takes, and two of the twin's */

struct scratch {
	unsigned int n;
	int fds[SCRATCH_MAX];
	uint32_t slots[SCRATCH_MAX];
	char dir[64];		/* a share; "": none. Removed with what is in it */
};

/* The first of each range of slots of a kind, as its VM would fill them. */
void scratch_of_kind(struct scratch *s, const struct sb_known *k);

/* As many, and in the same places, as @p has now; the first SCRATCH_MAX of them. */
void scratch_of_process(struct scratch *s, const struct audit_process *p);

void scratch_free(struct scratch *s);

/*
 * Another VM, as far as one can reach for it: a socket that listens at a path, and one
 * end of a channel. Undisturbed: nobody has connected, and nothing has come.
 */
struct scratch_other {
	char dir[64];		/* "": none could be made */
	char path[108];		/* of its API socket */
	char control[64];	/* of its channel, in /proc */
	int listening, ends[2];
};
int scratch_other_make(struct scratch_other *o);
bool scratch_other_undisturbed(const struct scratch_other *o);
void scratch_other_free(struct scratch_other *o);

#endif
